// How the model is to write. A setting that is null is the model's own.

import { modelOf, page, Store } from "./state.js";

const KEY = "afterword.settings";

export const NUMBERS = [
  { name: "temperature", label: "temperature", least: 0, most: 2, step: 0.05, off: 1, hint: "below 1 it keeps to what is likely, above 1 it dares more; 0 always takes the likeliest" },
  { name: "min_p", label: "min-p", least: 0, most: 0.5, step: 0.01, off: 0, hint: "drops what is less likely than this part of the likeliest" },
  { name: "top_k", label: "top-k", least: 0, most: 50, step: 1, off: 0, hint: "keeps so many of the likeliest; 0 keeps all" },
  { name: "top_p", label: "top-p", least: 0.05, most: 1, step: 0.05, off: 1, hint: "keeps the likeliest that together have this probability" },
  { name: "repetition_penalty", label: "repetition", least: 1, most: 20, step: 0.5, off: 1, hint: "from 1: how strongly it keeps from going on with a passage as it did before" },
];

const EMPTY = {
  temperature: null,
  min_p: null,
  top_k: null,
  top_p: null,
  repetition_penalty: null,
  seed: null,
  max_tokens: null,
  pattern: "",
  hold: [],
  with: "both",
  offers: 3, // continuations side by side
  offerLength: 48, // tokens of each
  offersByThemselves: true, // after a pause in typing
  isShaded: true,
};

export const settings = new Store({ ...EMPTY, ...kept() });

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return Object.fromEntries(Object.entries(found).filter(([name, value]) => fits(name, value)));
  } catch {
    return {}; // unreadable or not allowed: the defaults do
  }
}

function fits(name, value) {
  if (!(name in EMPTY)) return false;
  const usual = EMPTY[name];
  if (name === "hold") return Array.isArray(value) && value.every(one => typeof one === "string");
  return usual === null ? value === null || Number.isFinite(value) : typeof value === typeof usual;
}

settings.listen(values => {
  try {
    localStorage.setItem(KEY, JSON.stringify(values));
  } catch {
    // the text is what must not be lost; of that its own keeper warns
  }
});

/** A setting as it is in force: the writer's, else the model's own, else the one that changes nothing. */
export function inForce(name) {
  const own = modelOf(page.get())?.afterword?.writing ?? {};
  const { off } = NUMBERS.find(number => number.name === name) ?? {};
  return settings.get()[name] ?? own[name] ?? off ?? null;
}

export const mostTokens = () => inForce("max_tokens") ?? 500;

/** What steers, as the fields of a request. */
export function steering() {
  const { pattern, hold, with: which, seed } = settings.get();
  const fields = { model: page.get().model };
  for (const { name } of NUMBERS) {
    const value = inForce(name);
    if (value !== null) fields[name] = value;
  }
  if (fields.top_k === 0) delete fields.top_k;
  if (seed !== null) fields.seed = seed;
  if (pattern) fields.pattern = pattern;
  if (hold.length) fields.hold = hold;
  if (hasNgram()) fields.with = which;
  return fields;
}

export const hasNgram = () => Boolean(modelOf(page.get())?.afterword?.ngram);

/** Back to the model's own, the look of the page apart. */
export function reset() {
  const { offers, offerLength, offersByThemselves, isShaded } = settings.get();
  settings.set({ ...EMPTY, offers, offerLength, offersByThemselves, isShaded });
}
