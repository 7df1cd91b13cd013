// Saving the text and its branches in the browser's storage and in files. A notice says if that fails.

import { call, root } from "./api.js";
import { History } from "./history.js";
import { page, useStore } from "./state.js";
import { html, render } from "./vendor/preact.js";

const KEY = `afterword.text${root}`;
const UNREAD = `afterword.text.unread${root}`;
const WITHIN = 400; // milliseconds from a change to saving it; leaving the page saves at once

const NOT_STORED = "This browser does not store data for this page: save your text to a file before you leave.";
const FULL = "This browser's storage is full: save your text to a file, since changes are no longer stored here.";

/** Return what the browser stores as {history, problem}; either may be null. */
export function found() {
  let kept;
  try {
    kept = localStorage.getItem(KEY);
  } catch {
    return { history: null, problem: NOT_STORED };
  }
  if (kept === null) return { history: null, problem: null };
  try {
    return { history: History.fromJSON(JSON.parse(kept)), problem: null };
  } catch (error) {
    localStorage.setItem(UNREAD, kept);
    return { history: null, problem: `The text stored in this browser cannot be read (${error.message}); it remains there as ${UNREAD}.` };
  }
}

/** Store the text of `writer` from now on. If that fails, show the reason and the remedy in `place`. */
export function keep(writer, problem, place) {
  const notices = { problem, elsewhere: false };
  const notice = changes => {
    Object.assign(notices, changes);
    render(html`<${Notices} ...${notices} keeper=${keeper} kept=${() => notice({ elsewhere: false })} />`, place);
  };
  const keeper = new Keeper(writer, { failed: message => notice({ problem: message }), elsewhere: () => notice({ elsewhere: true }) });
  notice({});
  return keeper;
}

function Notices({ problem, elsewhere, keeper, kept }) {
  const { isReached } = useStore(page);
  return html`<div role="status">
    ${!isReached && html`<p class="notice">The server does not answer. Your text is safe in this browser; the page reconnects by itself.</p>`}
    ${problem && html`<p class="notice">${problem} <button onClick=${() => keeper.save()}>Save to a file</button></p>`}
    ${elsewhere && html`<p class="notice">This text was changed in another tab. Until you choose a version, this tab saves nothing.
      <button onClick=${() => location.reload()}>Use the other version</button>
      <button onClick=${() => (keeper.takeOver(), kept())}>Keep this version</button></p>`}
  </div>`;
}

class Keeper {
  /** `on.failed(message)` is called if the text cannot be stored, `on.elsewhere()` if another page changed it. */
  constructor(writer, on) {
    this.writer = writer;
    this.on = on;
    this.kept = writer.history.changes; // the last change that was stored
    this.inFile = writer.text ? -1 : writer.history.changes; // the last change that was saved to a file
    this.opened = null; // {name, document}: the Word document that the text is from, in base64
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
      if (!this.failed) this.on.failed(error?.name === "QuotaExceededError" ? FULL : NOT_STORED);
      this.failed = true;
    }
  }

  /** Store this page's text instead of another page's. */
  takeOver() {
    this.isPaused = false;
    this.kept = -1;
    this.keep();
  }

  /** Store a new history of the writer; `isInFile` says whether a file contains it. */
  changedHistory(isInFile) {
    this.kept = -1;
    this.inFile = isInFile ? this.writer.history.changes : -1;
    this.keep();
  }

  /** Save everything to a file. */
  save() {
    download(JSON.stringify(this.writer.history, null, 1), `${nameOf(this.writer.text)}.json`, "application/json");
    this.inFile = this.writer.history.changes;
  }

  /** Save everything, the text without its branches, or the Word document that was `opened` with the text. */
  async saveAs(kind) {
    const { text } = this.writer;
    if (kind === "json") return this.save();
    if (kind === "txt") return download(text, `${nameOf(text)}.txt`, "text/plain");
    const { document } = await call("POST", "/v1/documents", { ...this.opened, text });
    download(Uint8Array.from(atob(document), one => one.charCodeAt(0)), this.opened.name, "");
  }
}

function nameOf(text) {
  const words = text.trim().toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.slice(0, 5).join("-").slice(0, 40) || "text";
}

function download(content, name, type) {
  const href = URL.createObjectURL(new Blob([content], { type }));
  const link = Object.assign(document.createElement("a"), { href, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

/** Return the history in a file that this page saved, or of any plain text. Throws an Error with one sentence. */
export function historyOf(content) {
  if (content.includes("\0")) throw new Error("it is not a text file");
  let values = null;
  try {
    values = JSON.parse(content);
  } catch {
    // it is a plain text
  }
  if (values?.format !== undefined) return { history: History.fromJSON(values), isWhole: true };
  const history = new History();
  history.edit(0, 0, content.replace(/\r\n?/g, "\n").replace(/^\ufeff/, ""), { kind: "opened" });
  history.seal();
  return { history, isWhole: false };
}
