// The page around the engine: a sheet on which a person and the model write. The engine runs in a worker, whose script
// is this same one; without workers, it runs here.

import { History } from "./history.js";
import { characterAt, shadesOf } from "./shades.js";
import { moveFocus, Sheet } from "./sheet.js";
import { lineEnd, lineStart, number, percent, spaced, WordEnd } from "./words.js";

const SHOWN = 9; // alternatives
const MOST_TO_END = 64; // tokens that are written beyond the length, to end a word
const METHODS = ["generate", "score", "split", "next"];

if (globalThis.document) engine().then(begin);
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
    MODEL.data = weights;
    try {
      model = await load();
    } catch (error) {
      return setTimeout(() => reportError(error)); // so that the page runs the model itself
    }
    const { data, tokens, merges, ...facts } = model.facts;
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
    MODEL.data = weights;
    return load();
  }
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

function begin(model) {
  globalThis.afterword = model;
  const $ = id => document.getElementById(id);
  const [history, { writing }] = [new History(), model.facts];
  const { isOfLines } = writing;
  let abort = null; // of what the model is doing
  let choice = null; // [from, to] of the character whose alternatives are shown

  const sheet = new Sheet(
    { area: $("area"), layer: $("layer"), view: $("view") },
    {
      edited: (at, removed, inserted) => {
        stop();
        history.edit(at, removed, inserted);
        show();
      },
      moved: () => close(),
      undo: () => step(history.undo()),
      redo: () => step(history.redo()),
      chosen: index => index >= 0 && choose(...characterAt(history.shades, index)),
    },
  );

  function show(caret = null) {
    sheet.show(history.text, history.shades, caret);
    $("undo").disabled = !history.canUndo;
    $("redo").disabled = !history.canRedo;
    for (const id of ["shade", "copy"]) $(id).disabled = !history.text;
    $("write").hidden = Boolean(abort);
    $("stop").hidden = !abort;
  }

  function step(caret) {
    stop();
    if (caret !== null) show(caret);
  }

  function stop() {
    abort?.abort();
    abort = null;
    close();
  }

  /** Let the model do something that can be stopped; say what fails. */
  async function run(work) {
    stop();
    const own = (abort = new AbortController());
    say("");
    show();
    try {
      await work(own.signal);
    } catch (error) {
      if (error.name !== "AbortError") say(error.message);
    }
    if (abort === own) abort = null;
    show();
  }

  const say = (text, className = "") => $("said").replaceChildren(...(text ? [element("span", { className }, text)] : []));

  /** Return the text that a prediction at `at` depends on: a model of lines reads one line, after its label. */
  function before(at) {
    const text = history.text.slice(0, at);
    return isOfLines ? label() + text.slice(lineStart(text, at)) : text;
  }

  const label = () => ($("label").value ? `${$("label").value}\t` : "");

  function options() {
    const given = Object.fromEntries(["temperature", "minP", "maxTokens"].map(id => [id, Number($(id).value)]));
    return { ...given, stop: $("end").value, seed: $("seed").value || Math.floor(Math.random() * 2 ** 32) };
  }

  const write = () =>
    run(async signal => {
      const { maxTokens, ...given } = options();
      const [end, abort] = [new WordEnd({}, maxTokens), new AbortController()];
      const from = sheet.caret;
      let [at, read, waiting] = [from, 0, []]; // the place, the characters so far, and what the next frame shows
      signal.addEventListener("abort", () => abort.abort());
      history.seal();
      const insert = () => {
        if (signal.aborted) return;
        for (const { text, logProbability } of waiting) {
          history.edit(at, 0, text, { shades: shadesOf(text.length, logProbability, true), kind: "written", join: true });
          at += text.length;
        }
        waiting = [];
        show(at);
      };
      const onToken = ({ text, logProbability }) => {
        const part = end.push(text, { tokens: [text], text_offset: [read] });
        read += Array.from(text).length;
        if (part && waiting.push({ text: part, logProbability }) === 1) requestAnimationFrame(insert);
        if (end.isOver) abort.abort();
      };
      const asked = { ...given, maxTokens: maxTokens + MOST_TO_END, prompt: before(at) || undefined, signal: abort.signal, onToken };
      const done = await model.generate(asked).catch(error => {
        if (!end.isOver) throw error;
      });
      if (isOfLines && done?.finishReason === "stop") waiting.push({ text: "\n", logProbability: null });
      insert();
      history.seal();
      say(`${number(at - from)} characters, seed ${given.seed}.`, "soft");
    });

  const shadeAll = () =>
    run(async signal => {
      const { text } = history;
      const lines = isOfLines ? text.split("\n") : [text];
      const shades = [];
      const { length } = await model.split(label());
      for (const line of lines) {
        const [tokens, nats] = [await model.split(label() + line), await model.score(label() + line, { signal })];
        shades.push(shadesOfText(line, tokens.slice(length), nats.slice(length)));
      }
      if (!signal.aborted && history.text === text) history.shade(shades.join(" "));
    });

  /** Show the alternatives to the text from `from` to `to`. */
  const choose = (from, to) =>
    run(async signal => {
      const found = await model.next(before(from), { signal });
      if (signal.aborted) return;
      choice = [from, to];
      const chosen = history.text.slice(from, to);
      const own = found.findIndex(({ text }) => text === chosen);
      const shown = found.slice(0, SHOWN).concat(own >= SHOWN ? found[own] : []);
      const facts = own < 0 ? "next at the cursor" : `${percent(found[own].probability)}, ${number(-Math.log2(found[own].probability), 1)} bits`;
      $("choosing").replaceChildren(
        element("p", {}, element("code", {}, spaced(chosen)), " ", element("span", { className: "soft" }, facts)),
        element("ul", { className: "bars" }, ...shown.map(one => element("li", {}, bar(one, found[0].probability, chosen)))),
      );
      $("choosing").hidden = false;
      sheet.layer.putBeside($("choosing"), from, to);
    });

  function bar({ text, probability }, most, chosen) {
    const track = element("i", { className: "own" });
    track.style.width = `${(100 * probability) / most}%`;
    const name = text ? spaced(text) : "end of line";
    const row = element("button", { className: "row", title: `continue with “${name}”` });
    row.append(element("code", {}, name), element("span", { className: "track" }, track), element("span", {}, percent(probability)));
    if (text === chosen) row.setAttribute("aria-current", "true");
    row.addEventListener("click", () => pick(text || "\n", probability));
    return row;
  }

  /** Put an alternative in its place, without the text that followed. */
  function pick(text, probability) {
    const [from] = choice;
    close();
    history.seal();
    const end = isOfLines ? lineEnd(history.text, from) : history.text.length;
    history.edit(from, end - from, text, { shades: shadesOf(text.length, Math.log(probability), false) });
    history.seal();
    show(from + text.length);
    sheet.focus();
  }

  function close() {
    $("choosing").hidden = true;
    choice = null;
  }

  const atCursor = async () => {
    await choose(sheet.caret, sheet.caret < history.text.length ? characterAt(history.shades, sheet.caret)[1] : sheet.caret);
    $("choosing").querySelector("button")?.focus();
  };

  const actions = { write, stop: () => (stop(), show()), alternatives: atCursor, shade: shadeAll };
  actions.undo = () => step(history.undo());
  actions.redo = () => step(history.redo());
  actions.shading = () => {
    const isShaded = $("shading").ariaPressed !== "true";
    $("shading").ariaPressed = String(isShaded);
    sheet.layer.show(isShaded);
  };
  actions.copy = async () => {
    const { selectionStart, selectionEnd } = sheet.area;
    if (selectionStart === selectionEnd) sheet.area.select();
    if (document.execCommand("copy")) say("Copied.", "soft");
    else say("Your browser does not allow copying here.");
    sheet.area.setSelectionRange(selectionStart, selectionEnd);
  };
  for (const [id, action] of Object.entries(actions)) {
    $(id).addEventListener("click", () => {
      if (id !== "alternatives") sheet.focus();
      action();
    });
  }

  document.addEventListener("keydown", event => {
    const command = event.ctrlKey || event.metaKey;
    const inPopup = $("choosing").contains(event.target);
    if (event.key === "Enter" && command) write();
    else if (event.key === "." && command) atCursor();
    else if (event.key === "Escape") stop(), show(), inPopup && sheet.focus();
    else if (!inPopup || !moveFocus(event, $("choosing"))) return;
    event.preventDefault();
  });
  $("view").addEventListener("scroll", close, { passive: true });
  document.addEventListener("pointerdown", ({ target }) => target.closest(".around") || close());

  $("label").append(...["", ...writing.labels].map(name => element("option", {}, name)));
  $("label").parentElement.hidden = !writing.labels.length;
  for (const id of ["temperature", "minP", "maxTokens"]) {
    const shown = document.querySelector(`output[for=${id}]`);
    const tell = () => shown && (shown.value = Number($(id).value).toFixed(2));
    $(id).value = writing[id];
    $(id).addEventListener("input", tell);
    tell();
  }
  show(0);
  document.documentElement.dataset.ready = Math.ceil(performance.now()); // milliseconds after the page was opened
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Return the shades of `text` from the nats of its tokens; a token of "" is one byte of a character. */
function shadesOfText(text, tokens, nats) {
  const characters = Array.from(text);
  let shades = "";
  for (let k = 0; k < tokens.length && characters.length; ) {
    const bytes = tokens[k] ? 1 : new TextEncoder().encode(characters[0]).length;
    const own = tokens[k] ? characters.splice(0, Array.from(tokens[k]).length) : characters.splice(0, 1);
    const each = nats.slice(k, k + bytes).reduce((a, b) => a + b) / own.length;
    shades += own.map(one => shadesOf(one.length, -each, false)).join("");
    k += bytes;
  }
  return shades + " ".repeat(text.length - shades.length);
}
