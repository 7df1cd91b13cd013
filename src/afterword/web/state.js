// State that several parts of the page share. A store notifies its listeners of changes.

import { isAbort } from "./api.js";
import { useEffect, useRef, useState } from "./vendor/preact.js";

/** Store `value` under `name` in this browser, or return the value stored there; null if it stores nothing. */
export function stored(name, ...value) {
  try {
    return value.length ? localStorage.setItem(name, ...value) : localStorage.getItem(name);
  } catch {
    return null;
  }
}

export class Store {
  #values;
  #listeners = new Set();
  #isNotifying = false;

  constructor(values) {
    this.#values = values;
  }

  get() {
    return this.#values;
  }

  /** Change some values. Listeners are called once, after the current task. */
  set(changes) {
    this.#values = { ...this.#values, ...changes };
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    queueMicrotask(() => {
      this.#isNotifying = false;
      for (const listener of [...this.#listeners]) listener(this.#values);
    });
  }

  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** Return the store's values in a component, which is drawn again when they change. */
export function useStore(store) {
  const [values, setValues] = useState(store.get());
  useEffect(() => {
    setValues(store.get());
    return store.listen(setValues);
  }, [store]);
  return values;
}

/**
 * Return in a component the state of its requests: the result of the latest one (`found`), its error, and whether it is in progress.
 * `ask(work)` calls `work(signal)`, which makes a request, and aborts the one before. `set` changes the state; a new
 * `found`, such as null, aborts the request that was in progress when the component was drawn. So does removing the component.
 */
export function useRequest() {
  const [state, setState] = useState({ found: null, error: null, isBusy: false });
  const abort = useRef(new AbortController());
  const drawn = abort.current;
  useEffect(() => () => abort.current.abort(), []);
  const change = changes => setState(before => ({ ...before, ...changes }));
  const set = changes => {
    if (!("found" in changes)) return change(changes);
    drawn.abort();
    if (drawn === abort.current) change({ ...changes, isBusy: false }); // else a later request was made meanwhile
  };
  const ask = async work => {
    abort.current.abort();
    const { signal } = (abort.current = new AbortController());
    change({ error: null, isBusy: true });
    try {
      const found = await work(signal);
      if (!signal.aborted) change({ found, isBusy: false });
    } catch (problem) {
      if (!signal.aborted && !isAbort(problem)) change({ found: null, error: problem.message, isBusy: false });
    }
  };
  return { ...state, set, ask };
}

/** Return in a component whether `details`, an element outside, is open. */
export function useOpen(details) {
  const [isOpen, setOpen] = useState(details.open);
  useEffect(() => {
    const toggled = () => setOpen(details.open);
    details.addEventListener("toggle", toggled);
    return () => details.removeEventListener("toggle", toggled);
  }, []);
  return isOpen;
}

export const page = new Store({
  models: [],
  model: null, // the id of the chosen model
  numbers: [], // the number settings in the API document
  mostWritten: Infinity, // the largest number of tokens of a request, from there too
  mostShaded: 0, // the largest number of characters that are scored one by one, from there too
  runs: [],
  trains: false,
  isTrainOpen: false, // whether another model may be trained here
  tab: "write",
  theme: document.documentElement.dataset.theme,
  face: document.documentElement.dataset.face, // "simple" or "all"
  isReached: true, // whether the server answers
});

/** Whether a server that trains has nothing yet but the base with which one writes until the first model can. */
export const isUntrained = ({ trains, runs, models }) => trains && !runs.length && models.every(({ id }) => id === "english");

export const modelOf = ({ models, model }) => models.find(({ id }) => id === model) ?? models[0] ?? null;
