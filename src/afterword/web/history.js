// The history of a text: a tree of edits, each the child of the edit before it. Undo goes to the parent, redo to the
// most recent child, and an edit after an undo begins another branch, so nothing is ever lost.

import { blank, spliced } from "./shades.js";

const FORMAT = "afterword-text";
const VERSION = 1;
const JOIN_WITHIN = 1500; // milliseconds between keystrokes that are undone together

/** A revision: the text that it removed and inserted. Unknown shades are omitted. */
function revision(parent, at, removed, inserted, kind) {
  return { parent, at, removed, inserted, kind, children: [], next: null, tried: false };
}

export class History {
  constructor() {
    this.revisions = [revision(-1, 0, "", "", "begun")];
    this.id = 0;
    this.text = "";
    this.shades = "";
    this.changes = 0; // grows with each change
    this.touched = 0; // time of the last edit of the current revision
    this.sealed = true; // whether the next edit is a revision of its own
  }

  get current() {
    return this.revisions[this.id];
  }

  get canUndo() {
    return this.id > 0;
  }

  get canRedo() {
    return this.current.next !== null;
  }

  /**
   * Replace `removed` units at `at` by `inserted`. Successive keystrokes of one kind are joined; with `join`, so is any
   * edit of that kind, such as the parts of a stream.
   */
  edit(at, removed, inserted, { shades = blank(inserted.length), kind = "typed", join = false, now = Date.now() } = {}) {
    if (!removed && !inserted) return;
    const last = this.current;
    const lost = this.text.slice(at, at + removed);
    const lostShades = this.shades.slice(at, at + removed);
    const close = join || (now - this.touched < JOIN_WITHIN && !last.inserted.endsWith("\n"));
    const free = !this.sealed && close && last.kind === kind && !last.children.length && this.id > 0;
    if (free && !removed && at === last.at + last.inserted.length) {
      last.insertedShades = joined(last.inserted, last.insertedShades, inserted, shades);
      last.inserted += inserted;
    } else if (free && !inserted && !last.inserted && at + removed === last.at) {
      last.removedShades = joined(lost, lostShades, last.removed, last.removedShades);
      last.removed = lost + last.removed;
      last.at = at;
    } else {
      const made = revision(this.id, at, lost, inserted, kind);
      if (lostShades.trim()) made.removedShades = lostShades;
      if (shades.trim()) made.insertedShades = shades;
      last.next = this.revisions.length;
      last.children.push(last.next);
      this.id = last.next;
      this.revisions.push(made);
    }
    this.#put(at, removed, inserted, shades);
    this.touched = now;
    this.sealed = false;
  }

  /** Keep the current text as a branch. */
  keep() {
    if (this.text) this.current.tried = true;
    this.sealed = true;
    this.changes += 1;
  }

  /** Make the next edit a revision of its own. */
  seal() {
    this.sealed = true;
  }

  /** Set the shades of the text. */
  shade(shades) {
    if (shades.length !== this.text.length) return;
    this.shades = shades;
    this.changes += 1;
  }

  /** Undo one edit; return the new place of the caret, or null if there is nothing to undo. */
  undo() {
    if (!this.canUndo) return null;
    const { at, removed } = this.current;
    this.#back();
    return at + removed.length;
  }

  redo() {
    if (!this.canRedo) return null;
    const { at, inserted } = this.#forward(this.current.next);
    return at + inserted.length;
  }

  /** Go to any revision; return the new place of the caret. */
  go(id) {
    if (!this.revisions[id] || id === this.id) return null;
    const path = [];
    for (let k = id; k >= 0; k = this.revisions[k].parent) path.push(k);
    const above = new Set(path);
    let caret = 0;
    while (!above.has(this.id)) {
      caret = this.current.at + this.current.removed.length;
      this.#back();
    }
    for (const k of path.slice(0, path.indexOf(this.id)).reverse()) {
      const { at, inserted } = this.#forward(k);
      caret = at + inserted.length;
    }
    for (let k = id; k > 0; k = this.revisions[k].parent) this.revisions[this.revisions[k].parent].next = k;
    return caret;
  }

  #back() {
    const { parent, at, removed, inserted, removedShades } = this.current;
    this.#put(at, inserted.length, removed, removedShades);
    this.revisions[parent].next = this.id;
    this.id = parent;
  }

  #forward(id) {
    const { at, removed, inserted, insertedShades } = this.revisions[id];
    this.#put(at, removed.length, inserted, insertedShades);
    this.current.next = id;
    this.id = id;
    return this.revisions[id];
  }

  #put(at, removed, inserted, shades = blank(inserted.length)) {
    this.text = replaced(this.text, at, removed, inserted);
    this.shades = spliced(this.shades, at, removed, shades);
    this.sealed = true;
    this.changes += 1;
  }

  /** Return the texts of the branches as {id, text}: the ends of branches, the kept texts, and the current text. */
  tips() {
    return [...this.#texts()].filter(({ id }) => {
      const { children, tried } = this.revisions[id];
      return tried || !children.length || id === this.id;
    });
  }

  /** Yield the text of each revision as {id, text}. Throws an Error unless each edit fits the text that it changes. */
  *#texts() {
    let text = "";
    const stack = [0];
    while (stack.length) {
      const next = stack.pop();
      const id = next < 0 ? ~next : next; // to return from, or to enter
      const { at, removed, inserted, children } = this.revisions[id];
      const [from, to] = next < 0 ? [inserted, removed] : [removed, inserted];
      if (text.slice(at, at + from.length) !== from) throw new Error(`its revision ${id} is damaged`);
      text = replaced(text, at, from.length, to);
      if (next < 0) continue;
      yield { id, text };
      stack.push(~id, ...children);
    }
  }

  toJSON() {
    return {
      format: FORMAT,
      version: VERSION,
      text: this.text, // for readers of the file without this page
      shades: this.shades,
      current: this.id,
      revisions: this.revisions.map(({ children, tried, next, ...kept }) => ({
        ...kept,
        ...(tried ? { tried } : {}),
        ...(next === null ? {} : { next }),
      })),
    };
  }

  /** Return the history in `values`, as `toJSON` makes them. Throws an Error with one sentence if they are invalid. */
  static fromJSON(values) {
    const history = new History();
    if (values?.format !== FORMAT || !Array.isArray(values.revisions) || !values.revisions.length) {
      throw new Error("it is not a text saved by this page");
    }
    if (values.version !== VERSION) throw new Error(`it has format ${values.version}, and this page reads format ${VERSION}`);
    history.revisions = values.revisions.map((one, id) => {
      const parts = [one?.removed, one?.inserted, one?.kind];
      const whole = Number.isInteger(one?.parent) && Number.isInteger(one.at) && one.at >= 0;
      const before = id === 0 ? one?.parent === -1 : whole && one.parent >= 0 && one.parent < id;
      if (!whole || !before || parts.some(part => typeof part !== "string")) throw new Error(`its revision ${id} is damaged`);
      const made = revision(one.parent, one.at, one.removed, one.inserted, one.kind);
      made.tried = one.tried === true;
      for (const name of ["removed", "inserted"]) {
        const shades = one[`${name}Shades`];
        if (typeof shades === "string" && shades.length === one[name].length) made[`${name}Shades`] = shades;
      }
      return made;
    });
    history.revisions.forEach(({ parent }, id) => {
      if (id) history.revisions[parent].children.push(id);
    });
    history.tips(); // throws if an edit does not fit
    if (!history.revisions[values.current]) throw new Error("its current revision is missing");
    history.go(values.current);
    if (typeof values.shades === "string") history.shade(values.shades);
    values.revisions.forEach(({ next }, id) => {
      if (history.revisions[next]?.parent === id) history.revisions[id].next = next;
    });
    return history;
  }
}

const replaced = (text, at, removed, inserted) => text.slice(0, at) + inserted + text.slice(at + removed);

/** Return the shades of two adjacent pieces, or undefined if both are unknown. */
function joined(first, firstShades, second, secondShades) {
  const both = (firstShades ?? blank(first.length)) + (secondShades ?? blank(second.length));
  return both.trim() ? both : undefined;
}
