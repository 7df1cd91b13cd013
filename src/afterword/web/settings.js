// The writing settings. A setting that is null has the model's value.

import { root } from "./api.js";
import { modelOf, page, Store, stored } from "./state.js";

const KEY = `afterword.settings${root}`;

const ENDS = { temperature: 2, min_p: 0.5, repetition_penalty: 20 }; // of sliders, if larger values are rarely useful

/** Return the limits that the API document gives: of the number settings, of what is written, and of what is shaded; and the endings of documents that the server reads. The number settings are the fields of a completion whose default is a number. */
export function limitsIn({ components: { schemas } }) {
  const { CompletionRequest, DocumentRequest, NextRequest, SurprisesRequest } = schemas;
  const found = Object.entries(CompletionRequest.properties).filter(([, field]) => typeof field.default === "number");
  const numbers = found.map(([name, { default: off, anyOf: [{ type, description, minimum, exclusiveMinimum, maximum, exclusiveMaximum }] }]) => {
    const most = ENDS[name] ?? maximum ?? exclusiveMaximum ?? (type === "integer" ? 50 : 2);
    const step = type === "integer" ? 1 : most <= 0.5 ? 0.01 : most <= 2 ? 0.05 : 0.5;
    const least = minimum ?? (exclusiveMinimum ?? 0) + step;
    return { name, label: name.replaceAll("_", "-"), least, most, step, off, hint: description, isInNext: name in NextRequest.properties };
  });
  const [{ maximum: mostWritten }] = CompletionRequest.properties.max_tokens.anyOf;
  return { numbers, mostWritten, mostShaded: SurprisesRequest.properties.text["x-most-characters"], endings: DocumentRequest.properties.name["x-endings"] };
}

const EMPTY = {
  seed: null,
  max_tokens: null,
  pattern: "",
  hold: [],
  with: "both",
  offers: 3, // the number of continuations
  offerLength: 48, // tokens of each
  offersByThemselves: true, // show continuations after a pause in typing
  isShaded: true,
  saveAs: "docx", // if the text is from one, or "txt" or "json"
  unit: "words", // of what is shown at the cursor, or "characters"
};

export const settings = new Store({ ...EMPTY, ...kept() });

function kept() {
  try {
    const found = JSON.parse(stored(KEY) ?? "{}");
    return Object.fromEntries(Object.entries(found).filter(([name, value]) => fits(name, value)));
  } catch {
    return {}; // unreadable or not allowed: use the defaults
  }
}

function fits(name, value) {
  const usual = EMPTY[name] ?? null; // the number settings are not known yet
  if (name === "hold") return Array.isArray(value) && value.every(one => typeof one === "string");
  return usual === null ? value === null || Number.isFinite(value) : typeof value === typeof usual;
}

settings.listen(values => stored(KEY, JSON.stringify(values))); // they may be lost; keeping.js warns if the text may be

/** Return the value in force: the user's, else the model's, else the one that changes nothing. */
export function inForce(name) {
  const own = modelOf(page.get())?.afterword?.writing ?? {};
  const { off } = page.get().numbers.find(number => number.name === name) ?? {};
  return settings.get()[name] ?? own[name] ?? off ?? null;
}

/** Return the length of what is written: in tokens; with a pattern, in characters. */
export function mostTokens() {
  return Math.min(inForce("max_tokens") ?? 500, page.get().mostWritten);
}

/** Return the settings as the fields of a completion, or of a request for the next token. */
export function steering({ isNext = false } = {}) {
  const { pattern, hold, with: which, seed } = settings.get();
  const { model, numbers } = page.get();
  const fields = { model };
  for (const { name, off, isInNext } of numbers) {
    if (name === "new_word_p" && !hasNgram()) continue; // this model knows no words
    if (inForce(name) !== off && (isInNext || !isNext)) fields[name] = inForce(name);
  }
  if (seed !== null && !isNext) fields.seed = seed;
  if (pattern && !isNext) fields.pattern = pattern;
  if (hold.length) fields.hold = hold;
  if (hasNgram()) fields.with = which;
  return fields;
}

export const hasNgram = () => Boolean(modelOf(page.get())?.afterword?.ngram);

/** Return to the model's settings; the look of the page stays. */
export function reset() {
  const { offers, offerLength, offersByThemselves, isShaded, unit } = settings.get();
  const numbers = page.get().numbers.map(({ name }) => [name, null]);
  settings.set({ ...EMPTY, ...Object.fromEntries(numbers), offers, offerLength, offersByThemselves, isShaded, unit });
}
