// What several parts of the page show, in one place that tells them when it changes.

import { useEffect, useState } from "./vendor/preact.js";

export class Store {
  #values;
  #listeners = new Set();
  #told = false;

  constructor(values) {
    this.#values = values;
  }

  get() {
    return this.#values;
  }

  /** Take over some values. Listeners hear of it once, when all of what runs now is done. */
  set(changes) {
    this.#values = { ...this.#values, ...changes };
    if (this.#told) return;
    this.#told = true;
    queueMicrotask(() => {
      this.#told = false;
      for (const listener of [...this.#listeners]) listener(this.#values);
    });
  }

  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The store's values, in a component that is drawn again when they change. */
export function useStore(store) {
  const [values, setValues] = useState(store.get());
  useEffect(() => {
    setValues(store.get());
    return store.listen(setValues);
  }, [store]);
  return values;
}

export const page = new Store({
  models: [],
  model: null, // the chosen one's id
  runs: [],
  trains: false,
  tab: "write",
  isReached: true, // whether the server answers
});

export const modelOf = ({ models, model }) => models.find(({ id }) => id === model) ?? models[0] ?? null;
