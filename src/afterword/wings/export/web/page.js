// The page around the engine: the sheet of the server's page, and the model in a worker that runs this same script.
// Without workers, the model runs here.

import { handle } from "./api.js";
import { found, keep } from "./keeping.js";
import { Faces } from "./look.js";
import { page, Store, stored, useStore } from "./state.js";
import { Steer } from "./steer.js";
import { Tree } from "./tree.js";
import { html, render } from "./vendor/preact.js";
import { begin, startAnew } from "./write.js";
import { Writer } from "./writer.js";

const LONGEST = 100_000; // tokens of a text
const METHODS = ["generate", "score", "split", "next", "words"];

if (globalThis.document) engine().then(open);
else serve();

/** In the worker: answer calls of the engine's methods, once the weights have come. */
function serve() {
  const running = new Map();
  let model;
  onmessage = async ({ data: { weights, id, method, values, streams, stops } }) => {
    if (weights) return start(weights);
    if (stops) return running.get(id)?.abort();
    const abort = new AbortController();
    running.set(id, abort);
    const heard = streams ? { onToken: token => postMessage({ id, token }) } : {};
    const options = { ...values.at(-1), ...heard, signal: abort.signal };
    try {
      postMessage({ id, value: await model[method](...values.slice(0, -1), options) });
    } catch ({ name, message }) {
      postMessage({ id, error: { name, message } });
    }
    running.delete(id);
  };
  async function start(weights) {
    try {
      model = await unpacked(weights);
    } catch (error) {
      return setTimeout(() => reportError(error)); // so that the page runs the model itself
    }
    const { data, tokens, ...facts } = model.facts;
    postMessage({ kernel: model.kernel, facts });
  }
}

/** Return the model of this page: in a worker, or here if the browser has none. */
async function engine() {
  const source = new Blob([document.getElementById("program").textContent], { type: "text/javascript" });
  const weights = document.getElementById("weights").textContent;
  try {
    const worker = new Worker(URL.createObjectURL(source)); // not a module, which a page from a disk may not start
    return await new Promise((resolve, reject) => {
      worker.onerror = reject;
      worker.onmessage = ({ data }) => resolve(remote(worker, data));
      worker.postMessage({ weights });
    });
  } catch {
    return unpacked(weights);
  }
}

/** Return the model with these weights, which are compressed. */
async function unpacked(weights) {
  const stream = new Blob([bytesOf(weights)]).stream().pipeThrough(new DecompressionStream("deflate"));
  MODEL.data = new Uint8Array(await new Response(stream).arrayBuffer());
  return load();
}

/** Return the methods of the model in `worker`. */
function remote(worker, { kernel, facts }) {
  const calls = new Map();
  worker.onmessage = ({ data: { id, token, value, error } }) => {
    const { resolve, reject, onToken } = calls.get(id);
    if (token) return onToken?.(token);
    calls.delete(id);
    if (error) reject(error.name === "AbortError" ? new DOMException(error.message, error.name) : new Error(error.message));
    else resolve(value);
  };
  let last = 0;
  const call = method => (...values) => {
    const { signal, onToken, ...options } = values.length && typeof values.at(-1) === "object" ? values.pop() : {};
    const id = (last += 1);
    signal?.addEventListener("abort", () => worker.postMessage({ id, stops: true }));
    return new Promise((resolve, reject) => {
      calls.set(id, { resolve, reject, onToken });
      worker.postMessage({ id, method, values: [...values, options], streams: Boolean(onToken) });
    });
  };
  return { kernel, facts, ...Object.fromEntries(METHODS.map(method => [method, call(method)])) };
}

async function open(model) {
  globalThis.afterword = model;
  const byId = id => document.getElementById(id);
  const { maxTokens, isOfLines, finishesSentences, labels } = model.facts.writing;
  const own = { label: "", end: "" }; // settings that only this page has
  const told = new Store({ text: "" });
  handle({ model, numbers: NUMBERS, weights, isOfLines, own, wrote: seed => told.set({ text: `Seed ${seed}` }) });
  const writing = { ...Object.fromEntries(NUMBERS.map(({ name, option }) => [name, model.facts.writing[option]])), max_tokens: maxTokens, finish_sentence: finishesSentences };
  const about = { writing, lines: isOfLines, vocabulary: "words" }; // any is scored by characters
  const face = stored("afterword.face") === "all" ? "all" : "simple";
  document.documentElement.dataset.face = face;
  page.set({
    face,
    models: [{ id: document.title, afterword: about }],
    model: document.title,
    numbers: NUMBERS,
    endings: [".docx"],
    mostWritten: LONGEST,
    mostShaded: Infinity,
  });

  const kept = await found();
  const writer = new Writer(kept.history);
  const keeper = keep(writer, kept, byId("notices"));
  begin(writer, keeper, kept.caret);
  render(html`<${Faces} />`, byId("look"));
  const set = name => event => (own[name] = event.currentTarget.value);
  const settings = html`
    ${labels.length > 0 && html`<label class="wide">label <select id="label" title="the label of the lines that the model writes" onChange=${set("label")}>
      ${["", ...labels].map(name => html`<option value=${name}>${name}</option>`)}</select></label>`}
    <label class="wide">end before <input id="end" autocomplete="off" placeholder="a text, such as ACT" title="writing ends before this text"
      onInput=${set("end")} /></label>`;
  render(html`<${Tree} writer=${writer} details=${byId("branches")} />`, byId("tree"));
  render(html`<${Steer} writer=${writer} details=${byId("steering")} own=${settings} />`, byId("steer"));
  render(html`<${Kept} writer=${writer} keeper=${keeper} told=${told} />`, byId("kept"));
  document.documentElement.dataset.ready = Math.ceil(performance.now()); // milliseconds after the page was opened
}

/** A note on where the text is stored, with buttons to copy and remove it. */
function Kept({ writer, keeper, told }) {
  const { text } = useStore(told);
  const copy = () => {
    const { area, selection: [from, to] } = writer.sheet;
    if (from === to) area.select();
    told.set({ text: document.execCommand("copy") ? "Copied" : "Your browser does not allow copying here" });
    area.setSelectionRange(from, to);
  };
  return html`<span>A small LSTM writes in your browser. Your text is stored only in this browser.</span>
    <button id="copy" onClick=${() => (writer.sheet.focus(), copy())}>Copy</button>
    <button id="clear" title="remove the text and its branches from this browser" onClick=${() => startAnew(writer, keeper)}>Clear</button>
    <span id="told" role="status">${text}</span>`;
}
