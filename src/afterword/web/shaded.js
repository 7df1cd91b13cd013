// Text with shades. Each line is an element, so that an edit changes few of them. Only lines near the view are shaded,
// so that a long text costs no more than a short one. The shades are custom highlights, which leave text and layout
// unchanged; a browser that lacks them shows the text without shades.

import { LEVELS, runs } from "./shades.js";
import { firstAfter } from "./words.js";

const MARGIN = 100; // pixels above and below the view that are shaded too
const hasHighlights = "highlights" in CSS && "StaticRange" in window;

/** The highlight of each level, shared by all texts of the page. */
const levels = Array.from({ length: hasHighlights ? LEVELS + 1 : 0 }, () => new Highlight());
levels.forEach((highlight, level) => level && CSS.highlights.set(`s${level}`, highlight));

export class ShadedText {
  /** `element` contains the lines; `view` is the element that scrolls, or null for the page. */
  constructor(element, view = null) {
    this.element = element;
    this.view = view;
    this.text = "";
    this.shades = "";
    this.isShown = true; // whether the shades are shown
    this.lines = [""];
    this.starts = [0];
    this.shaded = new Map(); // from a line's element to the [level, range] of its runs
    this.waits = false;
    element.replaceChildren(lineOf(""));
    const soon = () => this.#shadeSoon();
    (view ?? window).addEventListener("scroll", soon, { passive: true });
    new ResizeObserver(soon).observe(element);
  }

  /** Show `text`; unchanged lines keep their elements. */
  update(text, shades) {
    const lines = text.split("\n");
    const old = this.lines;
    const most = Math.min(old.length, lines.length);
    let head = 0;
    while (head < most && old[head] === lines[head]) head += 1;
    let tail = 0;
    while (tail < most - head && old[old.length - 1 - tail] === lines[lines.length - 1 - tail]) tail += 1;
    const { children } = this.element;
    const kept = Math.min(old.length, lines.length) - head - tail; // these elements change their text; the others are added or removed
    for (let k = head; k < head + kept; k += 1) {
      this.#unshade(children[k]);
      children[k].textContent = lines[k];
    }
    for (let k = old.length - tail - 1; k >= head + kept; k -= 1) {
      this.#unshade(children[k]);
      children[k].remove();
    }
    const fresh = document.createDocumentFragment();
    for (let k = head + kept; k < lines.length - tail; k += 1) fresh.append(lineOf(lines[k]));
    this.element.insertBefore(fresh, children[head + kept] ?? null);

    this.lines = lines;
    this.starts = new Array(lines.length);
    for (let k = 0, at = 0; k < lines.length; at += lines[k].length + 1, k += 1) this.starts[k] = at;
    const before = this.shades;
    [this.text, this.shades] = [text, shades];
    if (before !== shades) this.#dropChanged(before, head, tail, text.length);
    this.#shadeSoon();
  }

  /** Show or hide the shades. */
  show(isShown) {
    this.isShown = isShown;
    if (!isShown) for (const line of [...this.shaded.keys()]) this.#unshade(line);
    this.#shadeSoon();
  }

  /** Return the number of the line of the unit at `index`, and its place in the line. */
  place(index) {
    const number = firstAfter(this.starts.length, k => this.starts[k] <= index) - 1;
    return [number, index - this.starts[number]];
  }

  /** Return the rectangle on the screen of the units from `from` to `to` of one line. */
  rect(from, to = from) {
    const [number, at] = this.place(from);
    const line = this.element.children[number];
    const range = document.createRange();
    const text = line.firstChild ?? line; // an empty line has no text
    range.setStart(text, at);
    range.setEnd(text, Math.min(at + to - from, this.lines[number].length));
    const found = [...range.getClientRects()].at(from === to ? -1 : 0);
    return found ?? line.getBoundingClientRect();
  }

  /** Move `box` below the units from `from` to `to`, or above them if there is no room; it is positioned in the view. */
  putBeside(box, from, to) {
    const [at, view] = [this.rect(from, to), this.view.getBoundingClientRect()];
    const above = at.top - box.offsetHeight - 4;
    const hasRoom = at.bottom + 4 + box.offsetHeight < innerHeight || above < 0;
    box.style.left = `${Math.max(0, Math.min(at.left - view.left - 8, view.width - box.offsetWidth))}px`;
    box.style.top = `${(hasRoom ? at.bottom + 4 : above) - view.top}px`;
  }

  /** Let the text in `box` begin at `index`, and wrap as if it belonged to the text; the box is positioned in this element's parent. */
  putInline(box, index) {
    const [at, line, around] = [this.rect(index), ...[this.element.children[this.place(index)[0]], this.element].map(one => one.getBoundingClientRect())];
    const { lineHeight, paddingLeft } = getComputedStyle(this.element);
    const height = parseFloat(lineHeight);
    box.style.top = `${line.top + Math.floor((at.top - line.top) / height) * height - around.top}px`;
    box.style.textIndent = `${at.left - around.left - parseFloat(paddingLeft)}px`;
  }

  /** Return the index of the unit at a point of the screen, or -1. */
  indexAt(x, y) {
    const found = document.caretPositionFromPoint?.(x, y);
    const range = found ? null : document.caretRangeFromPoint?.(x, y);
    const [node, offset] = found ? [found.offsetNode, found.offset] : [range?.startContainer, range?.startOffset ?? 0];
    const line = (node?.nodeType === Node.TEXT_NODE ? node.parentElement : node)?.closest?.(".line");
    if (!line || line.parentElement !== this.element) return -1;
    const number = [...this.element.children].indexOf(line);
    return this.unitAt(this.starts[number] + (node === line ? offset * this.lines[number].length : offset), x, y);
  }

  /** Return the index of the unit before or after `gap`, where a pointer's caret would be, that contains the point, or -1. */
  unitAt(gap, x, y) {
    for (const index of [gap, gap - 1]) {
      if (index < 0 || index >= this.text.length || this.text[index] === "\n") continue;
      const { left, right, top, bottom } = this.rect(index, index + 1);
      if (x >= left && x <= right && y >= top - 4 && y <= bottom + 4) return index;
    }
    return -1;
  }

  #dropChanged(before, head, tail, length) {
    // lines that kept their text may have new shades: compare them with the old ones
    const grown = this.shades.length - before.length;
    [...this.element.children].forEach((line, k) => {
      if (!this.shaded.has(line)) return;
      const [from, to] = [this.starts[k], this.starts[k] + this.lines[k].length];
      const shift = k < head ? 0 : grown;
      if (this.shades.slice(from, to) !== before.slice(from - shift, to - shift)) this.#unshade(line);
    });
  }

  #shadeSoon() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      if (this.isShown) this.#shadeView();
    });
  }

  #shadeView() {
    if (!hasHighlights || !this.element.isConnected || !this.element.offsetParent) return;
    const view = this.view?.getBoundingClientRect() ?? { top: 0, bottom: innerHeight };
    const { children } = this.element;
    const isAbove = k => children[k].getBoundingClientRect().bottom < view.top - MARGIN;
    const first = firstAfter(children.length - 1, isAbove);
    const seen = new Set();
    for (let k = first; k < children.length; k += 1) {
      if (children[k].getBoundingClientRect().top > view.bottom + MARGIN) break;
      seen.add(children[k]);
    }
    for (const line of [...this.shaded.keys()]) if (!seen.has(line)) this.#unshade(line);
    let k = first;
    for (const line of seen) {
      if (!this.shaded.has(line)) this.#shade(line, k);
      k += 1;
    }
  }

  #shade(line, number) {
    const start = this.starts[number];
    const node = line.firstChild;
    const ranges = runs(this.shades, start, start + this.lines[number].length).map(([level, from, to]) => {
      const range = new StaticRange({ startContainer: node, startOffset: from - start, endContainer: node, endOffset: to - start });
      levels[level].add(range);
      return [level, range];
    });
    this.shaded.set(line, ranges);
  }

  #unshade(line) {
    for (const [level, range] of this.shaded.get(line) ?? []) levels[level].delete(range);
    this.shaded.delete(line);
  }
}

const lineOf = text => Object.assign(document.createElement("div"), { className: "line", textContent: text });
