// The text and all its branches in the browser's storage, and in files. What cannot be kept is said.

import { History } from "./history.js";

const KEY = "afterword.text";
const UNREAD = "afterword.text.unread";
const WITHIN = 400; // milliseconds from a change to its being kept; leaving the page does not wait for that

/** What was kept: {history, problem}, either of which may be null. */
export function found() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    return { history: null, problem: "This browser keeps nothing for this page: save your text to a file before you leave." };
  }
  if (kept === null) return { history: null, problem: null };
  try {
    return { history: History.fromJSON(JSON.parse(kept)), problem: null };
  } catch (error) {
    localStorage.setItem(UNREAD, kept);
    return { history: null, problem: `What was kept in this browser cannot be read (${error.message}); it stays there as ${UNREAD}.` };
  }
}

export class Keeper {
  /** `on.failed(message)` hears of a text that cannot be kept, `on.elsewhere()` of another page that changed it. */
  constructor(writer, on) {
    this.writer = writer;
    this.on = on;
    this.kept = writer.history.changes; // which change was kept last
    this.inFile = writer.text ? -1 : writer.history.changes; // and which was saved to a file
    this.isPaused = false; // while another page has changed the text
    this.failed = false;
    this.timer = 0;
    writer.listen(() => (this.timer ||= setTimeout(() => this.keep(), WITHIN)));
    addEventListener("pagehide", () => this.keep());
    document.addEventListener("visibilitychange", () => document.hidden && this.keep());
    addEventListener("storage", event => {
      if (event.key !== KEY || event.newValue === null) return;
      this.isPaused = true;
      on.elsewhere();
    });
    addEventListener("beforeunload", event => {
      this.keep();
      if ((this.failed || this.isPaused) && !this.isInFile && writer.text) event.preventDefault();
    });
  }

  get isInFile() {
    return this.inFile === this.writer.history.changes;
  }

  keep() {
    clearTimeout(this.timer);
    this.timer = 0;
    const { history } = this.writer;
    if (this.isPaused || this.kept === history.changes) return;
    try {
      localStorage.setItem(KEY, JSON.stringify(history));
      this.kept = history.changes;
      if (this.failed) this.on.failed(null);
      this.failed = false;
    } catch (error) {
      const full = error?.name === "QuotaExceededError";
      if (!this.failed) {
        this.on.failed(
          full
            ? "This browser's storage is full: save your text to a file, for it is not kept here any more."
            : "This browser keeps nothing for this page: save your text to a file before you leave.",
        );
      }
      this.failed = true;
    }
  }

  /** Keep this page's text, whatever another page kept. */
  takeOver() {
    this.isPaused = false;
    this.kept = -1;
    this.keep();
  }

  /** Another history is in the writer: `isInFile` says whether a file holds it. */
  changedHistory(isInFile) {
    this.kept = -1;
    this.inFile = isInFile ? this.writer.history.changes : -1;
    this.keep();
  }

  /** Save everything to a file. */
  save() {
    download(JSON.stringify(this.writer.history, null, 1), `${nameOf(this.writer.text)}.json`);
    this.inFile = this.writer.history.changes;
  }
}

function nameOf(text) {
  const words = text.trim().toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.slice(0, 5).join("-").slice(0, 40) || "text";
}

function download(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The history in a file: one that was saved here, or any plain text. Raises an Error with one sentence. */
export function historyOf(content) {
  if (content.includes("\0")) throw new Error("it is not a text");
  let values;
  try {
    values = JSON.parse(content);
  } catch {
    values = null;
  }
  if (values?.format !== undefined) return { history: History.fromJSON(values), isWhole: true };
  const history = new History();
  history.edit(0, 0, content.replace(/\r\n?/g, "\n").replace(/^\ufeff/, ""), { kind: "opened" });
  history.seal();
  return { history, isWhole: false };
}
