// Saving the text and its branches in the browser's storage and in files. A notice says if that fails.

import { call, root } from "./api.js";
import { History } from "./history.js";
import { page, stored, useStore } from "./state.js";
import { html, render } from "./vendor/preact.js";

const KEY = `afterword.text${root}`;
const DOCUMENT = `${KEY}.document`;
const UNREAD = `afterword.text.unread${root}`;
const WITHIN = 400; // milliseconds from a change to saving it; leaving the page saves at once

const NOT_STORED = "This browser does not store data for this page: save your text to a file before you leave.";
const FULL = "This browser's storage is full: save your text to a file, since changes are no longer stored here.";

/**
 * The browser's database, with the text and the document that it is from. A change is on the disk in a moment, while
 * localStorage may wait for many minutes, which a crash of the browser would lose. localStorage tells other tabs.
 */
const database = new Promise((resolve, reject) => {
  const request = indexedDB.open("afterword");
  request.onupgradeneeded = () => request.result.createObjectStore("texts");
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
  setTimeout(reject, 3000, new Error("it does not answer"));
});
database.catch(() => {}); // whoever waits for it hears of it

/** Let `work` make requests of the database; return their results once all is done. */
async function inDatabase(mode, work) {
  const transaction = (await database).transaction("texts", mode);
  const requests = work(transaction.objectStore("texts"));
  transaction.commit(); // even if the page is being left
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  return requests.map(({ result }) => result);
}

/** Return what the browser stores as {history, opened, caret, problem}; each may be null. */
export async function found() {
  let problem = null;
  // without the database there is localStorage, but no document
  const [text, document] = await inDatabase("readonly", all => [all.get(KEY), all.get(DOCUMENT)]).catch(() => []);
  let newest = { saved: -1, history: null, opened: null, caret: null };
  for (const kept of new Set([text, stored(KEY)].filter(Boolean))) {
    try {
      const { saved = 0, opened = null, caret = null, ...values } = JSON.parse(kept);
      if (saved > newest.saved) newest = { saved, opened, caret, history: History.fromJSON(values) };
    } catch (error) {
      localStorage.setItem(UNREAD, kept);
      problem = `The text stored in this browser cannot be read (${error.message}); it remains there as ${UNREAD}.`;
    }
  }
  const { opened } = newest;
  if (!opened?.document) return { ...newest, problem };
  if (document?.at === opened.at) return { ...newest, opened: document, problem };
  return { ...newest, opened: { ...opened, document: null }, problem: `Your text is here, but this browser did not keep ${opened.name}: save the text as .txt, and paste it there.` };
}

/** Store the text of `writer` from now on. If that fails, show the reason and the remedy in `place`. */
export function keep(writer, { opened, problem }, place) {
  const notices = { problem, elsewhere: false };
  const notice = changes => {
    Object.assign(notices, changes);
    render(html`<${Notices} ...${notices} keeper=${keeper} kept=${() => notice({ elsewhere: false })} />`, place);
  };
  const keeper = new Keeper(writer, opened, { failed: message => notice({ problem: message }), elsewhere: () => notice({ elsewhere: true }) });
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
  constructor(writer, opened, on) {
    this.writer = writer;
    this.on = on;
    this.kept = writer.history.changes; // the last change that was stored
    this.inFile = writer.text ? -1 : writer.history.changes; // the last change that was saved to a file
    this.opened = opened; // {name, document, at}: the file that the text is from and when it was opened; of a Word document, its bytes in base64
    this.keptDocument = opened; // the one that was stored
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

  async keep() {
    clearTimeout(this.timer);
    this.timer = 0;
    const { writer: { history }, opened } = this;
    const { changes } = history;
    if (this.isPaused || this.kept === changes) return;
    this.kept = changes;
    const text = JSON.stringify({ ...history.toJSON(), saved: Date.now(), caret: this.writer.caret, opened: opened && { ...opened, document: Boolean(opened.document) } });
    const isStored = stored(KEY, text) !== null;
    const document = opened === this.keptDocument ? [] : [[opened, DOCUMENT]];
    const problem = await inDatabase("readwrite", all => [[text, KEY], ...document].map(one => all.put(...one))).then(() => null, error => error);
    if (!problem) this.keptDocument = opened;
    const failed = Boolean(problem) && !isStored;
    if (failed) this.kept = -1;
    if (failed !== this.failed) this.on.failed(failed && (problem.name === "QuotaExceededError" ? FULL : NOT_STORED));
    this.failed = failed;
  }

  /** Store this page's text instead of another page's. */
  takeOver() {
    this.isPaused = false;
    this.kept = -1;
    this.keptDocument = undefined;
    this.keep();
  }

  /** Store a new history of the writer, from the file `opened` if there is one; `isInFile` says whether a file contains it. */
  changedHistory(isInFile, opened = null) {
    this.kept = -1;
    this.opened = opened;
    this.inFile = isInFile ? this.writer.history.changes : -1;
    this.keep();
  }

  /** The name of a file to save to, without its ending: that of the opened file, or the first words. */
  get name() {
    const words = this.writer.text.trim().toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
    return this.opened?.name.replace(/(.)\.[^.]*$/, "$1") ?? (words.slice(0, 5).join("-").slice(0, 40) || "text");
  }

  /** Save everything to a file. */
  save() {
    download(JSON.stringify(this.writer.history, null, 1), `${this.name}.json`, "application/json");
    this.inFile = this.writer.history.changes;
  }

  /** Save everything, the text without its branches, or the Word document that was `opened` with the text. */
  async saveAs(kind) {
    const { text } = this.writer;
    if (kind === "json") return this.save();
    if (kind === "txt") return download(text, `${this.name}.txt`, "text/plain");
    const { document } = await call("POST", "/v1/documents", { name: this.opened.name, document: this.opened.document, text });
    download(Uint8Array.from(atob(document), one => one.charCodeAt(0)), this.opened.name, "");
  }
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
