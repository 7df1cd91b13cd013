// The answers to the page's requests, from the model in this page instead of a server.

import { certainEnd, sentenceEnds } from "./sentences.js";
import { BOUNDARY } from "./shades.js";

const FINISH_WITHIN = 800; // tokens, at most, to finish a sentence
const FEW = 8; // texts that are written at once
const CONTEXT = 100; // characters before a text that decide where its first sentence ends
// Elements of a Word document, as in text/markup.py: those that are left out, and the characters after others.
const LEFT_OUT = /^(tbl|drawing|pict|pPr|instrText|delText|moveFrom|Fallback)$/;
const AFTER = { p: "\n", br: "\n", cr: "\n", tab: "\t", noBreakHyphen: "-" };

export class ApiError extends Error {}

/** The name under which the browser stores what belongs to this page. */
export const root = globalThis.location?.pathname ?? "";

export const isAbort = error => error?.name === "AbortError";

// By the page: the model, its `numbers` and `weights`, the page's `own` settings, and `wrote`, which is called with the seed
// of what was written.
const given = {};

export const handle = values => Object.assign(given, values);

/** Return what the model reads before a prediction after `prompt`. */
const read = prompt => (given.own.label ? `${given.own.label}\t` : "") + prompt;

/** Return the number settings of a request as options of the engine. */
const chosen = body => Object.fromEntries(given.numbers.map(({ name, option, off }) => [option, body[name] ?? off]));

/** Return the answer to a request. */
export async function call(method, path, body, signal) {
  try {
    return await { "/v1/next": next, "/v1/surprises": surprises, "/v1/completions": complete, "/v1/documents": documents }[path](body, signal);
  } catch (error) {
    throw isAbort(error) ? error : new ApiError(error.message);
  }
}

async function next({ prompt, words: count, ...body }, signal) {
  if (count) return { words: await given.model.words(read(prompt), { count, signal }) };
  const found = await given.model.next(read(prompt), { signal });
  const kept = given.weights(found.map(({ probability }) => probability), chosen(body));
  const sum = kept.reduce((a, b) => a + b, 0);
  return { data: found.map(({ text, probability }, k) => ({ token: text || BOUNDARY, text, probability, after: kept[k] / sum })) };
}

/** Return the cost of each character. A token of several characters shares its cost among them; "" is one byte of a character. */
async function surprises({ text }, signal) {
  const { model, isOfLines } = given;
  const found = [];
  let start = 0;
  const { length: before } = await model.split(read(""));
  for (const line of isOfLines ? text.split("\n") : [text]) {
    const [tokens, nats] = [await model.split(read(line)), await model.score(read(line), { signal })];
    const characters = Array.from(line);
    let at = 0;
    for (let k = before; k < tokens.length && at < characters.length; ) {
      const own = tokens[k] ? Array.from(tokens[k]).length : 1;
      const count = tokens[k] ? 1 : new TextEncoder().encode(characters[at]).length;
      const bits = nats.slice(k, k + count).reduce((a, b) => a + b) / own / Math.LN2;
      for (let n = 0; n < own; n += 1) found.push({ start: start + at + n, bits });
      [at, k] = [at + own, k + count];
    }
    start += characters.length + 1;
  }
  return { surprises: found };
}

/** Return texts that continue a prompt, fewer than a server writes, or what each of several prompts costs by character. */
async function complete({ prompt, echo, seed = Math.floor(Math.random() * 2 ** 32), ...body }, signal = new AbortController().signal) {
  const choices = [];
  for (const [index, text] of (echo ? prompt : Array(FEW).fill("")).entries()) {
    if (echo) {
      const { surprises: found } = await surprises({ text }, signal);
      choices.push({ index, logprobs: { token_logprobs: found.map(({ bits }) => -bits * Math.LN2), text_offset: found.map(({ start }) => start) } });
    } else {
      choices.push({ text });
      for await (const { choices: [part] } of written({ ...body, prompt }, seed + index, index, signal)) {
        choices[index] = { text: choices[index].text + part.text, finish_reason: part.finish_reason };
      }
    }
  }
  return { choices };
}

/** Return the text of a Word document, as the server reads it. This page saves only its text. */
async function documents({ name, document: packed }) {
  try {
    const bytes = bytesOf(packed);
    const view = new DataView(bytes.buffer);
    const entry = new TextDecoder("latin1").decode(bytes).search(/PK\x01\x02.{42}word\/document\.xml/s); // of the archive's directory
    const local = view.getUint32(entry + 42, true);
    const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    const part = new Blob([bytes.subarray(start, start + view.getUint32(entry + 20, true))]).stream();
    const plain = view.getUint16(entry + 10, true) ? part.pipeThrough(new DecompressionStream("deflate-raw")) : part;
    const xml = new DOMParser().parseFromString(await new Response(plain).text(), "text/xml");
    if (entry < 0 || xml.querySelector("parsererror")) throw new Error();
    const text = `${textOf(xml.documentElement).replace(/ *\n */g, "\n").trim()}\n`;
    return { text, notes: [`this is the text of ${name} without tables and notes; it is saved as .txt`], document: null };
  } catch {
    throw new Error(`${name} is not a Word document, or a damaged one: save it again as .docx, or as .txt`);
  }
}

function textOf({ localName: name, nodeValue, childNodes }) {
  if (LEFT_OUT.test(name)) return "";
  return (nodeValue?.replace(/[ \t\r\n]+/g, " ") ?? Array.from(childNodes, textOf).join("")) + (AFTER[name] ?? "");
}

/** Yield the chunks of a stream of completions; `signal` ends it early. */
export async function* stream({ n, seed = Math.floor(Math.random() * 2 ** 32), ...body }, signal) {
  if (!n) given.wrote(seed);
  for (let index = 0; index < (n ?? 1); index += 1) yield* written(body, seed + index, index, signal);
}

/** Yield one text as it is written, a chunk for each frame. */
async function* written(body, seed, index, signal) {
  const { prompt, max_tokens: most, stop = [], finish_sentence: finishes, sentences } = body;
  const own = new AbortController();
  const abort = () => own.abort();
  signal.addEventListener("abort", abort);
  const [waiting, before] = [[], prompt.slice(-CONTEXT)];
  let [text, sent, count, least, done, failure] = ["", 0, 0, sentences ? 1 : Infinity, null, null];
  const maxTokens = finishes || sentences ? most + FINISH_WITHIN : most;
  const stops = [...stop, given.own.end].filter(Boolean);
  const asked = { prompt: read(prompt) || undefined, maxTokens, ...chosen(body), seed, stop: stops, signal: own.signal };
  given.model.generate({ ...asked, onToken: token => waiting.push(token) }).then(
    ({ finishReason }) => (done = finishReason),
    error => ([done, failure] = ["stop", error]),
  );
  try {
    while (!done || waiting.length) {
      await new Promise(requestAnimationFrame);
      if (failure && !waiting.length) throw isAbort(failure) ? failure : new ApiError(failure.message);
      const [parts, isLast] = [waiting.splice(0), done && !failure];
      const logprobs = { tokens: [], token_logprobs: [], text_offset: [] };
      for (const { text: one, logProbability } of parts) {
        logprobs.tokens.push(one);
        logprobs.token_logprobs.push(logProbability);
        logprobs.text_offset.push(Array.from(text).length);
        text += one;
        count += 1;
        if (finishes && count >= most) least = Math.min(least, text.length);
      }
      const [whole, ends] = [before + text, least < Infinity];
      const end = ends && sentenceEnds(whole, isLast).find(one => one >= before.length + least);
      const certain = end || (ends && !isLast ? certainEnd(whole) : whole.length);
      const part = text.slice(sent, Math.max(sent, certain - before.length));
      sent += part.length;
      if (part || isLast || end) yield { choices: [{ index, text: part, logprobs, finish_reason: end ? "stop" : done }] };
      if (end) return;
    }
  } finally {
    own.abort();
    signal.removeEventListener("abort", abort);
  }
}
