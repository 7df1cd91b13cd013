// The sheet: a text area over a layer that shows the same text with its shades. The text area keeps its own features
// (spelling, input methods, screen readers), except undo, which the history does.

import { ShadedText } from "./shaded.js";
import { difference } from "./words.js";

/** Move the focus among the buttons in `element` if `event` is an arrow key up or down, Home or End; return whether it is. */
export function moveFocus(event, element) {
  const buttons = [...element.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return false;
  event.preventDefault();
  buttons.at(to % buttons.length).focus();
  return true;
}

export class Sheet {
  /**
   * `area` is the text area, `layer` the element behind it, `view` the element that scrolls. `on` has the callbacks
   * edited(at, removed, inserted), moved(), undo(), redo() and chosen(index).
   */
  constructor({ area, layer, view }, on) {
    this.area = area;
    this.view = view;
    this.on = on;
    this.text = "";
    this.layer = new ShadedText(layer, view);
    this.wasAt = ""; // the selection
    area.value = "";
    area.addEventListener("beforeinput", event => this.#beforeInput(event));
    area.addEventListener("input", () => this.#input());
    area.addEventListener("keydown", event => this.#key(event));
    area.addEventListener("click", event => this.#click(event));
    document.addEventListener("selectionchange", () => {
      if (document.activeElement === area) this.#moved();
    });
    area.addEventListener("selectionchange", () => this.#moved());
  }

  get caret() {
    return this.area.selectionEnd;
  }

  get selection() {
    return [this.area.selectionStart, this.area.selectionEnd];
  }

  /** Show another text. The caret moves to `caret`, or keeps its place in the text. */
  show(text, shades, caret = null) {
    if (text !== this.text) {
      const [from, oldTo, newTo] = difference(this.text, text);
      this.area.setRangeText(text.slice(from, newTo), from, oldTo, "preserve");
      if (this.area.value !== text) this.area.value = text; // the text area may have changed line ends
      this.text = text;
    }
    this.layer.update(text, shades);
    if (caret !== null) this.place(caret);
  }

  /** Move the caret, and scroll until it is visible. */
  place(caret) {
    this.area.setSelectionRange(caret, caret);
    this.wasAt = `${this.selection}`;
    this.reveal(caret);
  }

  reveal(index) {
    const { top, bottom } = this.layer.rect(index);
    const view = this.view.getBoundingClientRect();
    if (top < view.top) this.view.scrollTop += top - view.top - 40;
    else if (bottom > view.bottom - 8) this.view.scrollTop += bottom - view.bottom + 40;
  }

  focus() {
    this.area.focus({ preventScroll: true });
  }

  #moved() {
    if (this.area.value !== this.text || `${this.selection}` === this.wasAt) return;
    this.wasAt = `${this.selection}`;
    this.on.moved();
  }

  #beforeInput(event) {
    if (event.inputType === "historyUndo") event.preventDefault(), this.on.undo();
    if (event.inputType === "historyRedo") event.preventDefault(), this.on.redo();
  }

  #key(event) {
    const command = event.ctrlKey || event.metaKey;
    if (!command || event.altKey || event.isComposing) return;
    const key = event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) event.preventDefault(), this.on.undo();
    else if ((key === "z" && event.shiftKey) || key === "y") event.preventDefault(), this.on.redo();
  }

  #input() {
    const now = this.area.value;
    const [from, oldTo, newTo] = difference(this.text, now, this.caret);
    if (from === oldTo && from === newTo) return;
    this.text = now;
    this.wasAt = `${this.selection}`;
    this.on.edited(from, oldTo - from, now.slice(from, newTo));
  }

  #click({ clientX, clientY, detail }) {
    const [from, to] = this.selection;
    if (from !== to || detail > 1) return; // a selection, or the start of one
    this.on.chosen(this.layer.unitAt(from, clientX, clientY));
  }
}
