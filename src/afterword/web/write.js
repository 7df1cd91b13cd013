// The controls around the sheet: buttons, keys, continuations, and errors.

import { Choosing } from "./choosing.js";
import { ask } from "./dialogs.js";
import { chooseFile, dropping, textOf } from "./files.js";
import { History } from "./history.js";
import { historyOf } from "./keeping.js";
import { Another, Here } from "./next.js";
import { inForce, settings } from "./settings.js";
import { Sheet } from "./sheet.js";
import { page, useStore } from "./state.js";
import { html, render, useLayoutEffect } from "./vendor/preact.js";
import { lineEnd, visible } from "./words.js";
import { writing } from "./writer.js";

const byId = id => document.getElementById(id);

/** Set up the sheet and its controls, with the caret where it was, or at the end. */
export function begin(writer, keeper, caret) {
  const sheet = new Sheet(
    { area: byId("area"), layer: byId("layer"), view: byId("view") },
    {
      edited: (...edit) => writer.edited(...edit),
      moved: () => writer.moved(),
      undo: () => writer.undo(),
      redo: () => writer.redo(),
      chosen: index => isShaded() && writer.choose(index),
    },
  );
  writer.sheet = sheet;
  sheet.show(writer.text, writer.history.shades, caret ?? writer.text.length);
  const isShaded = () => settings.get().isShaded && page.get().face === "all";
  const shade = () => sheet.layer.show(isShaded());
  settings.listen(shade);
  page.listen(shade);
  shade();
  sheet.area.addEventListener("keydown", event => key(event, writer));
  document.addEventListener("keydown", event => {
    if (event.key === "Escape" && !event.defaultPrevented) escape(writer);
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!target.closest(".around")) writer.closeAlternatives();
  });
  for (const [name, take] of Object.entries(dropping(file => openFile(writer, keeper, file)))) {
    sheet.view.addEventListener(name.slice(2).toLowerCase(), take);
  }
  render(html`<${Ghost} writer=${writer} place=${byId("ghost")} />`, byId("ghost"));
  addEventListener("resize", () => page.set({ width: innerWidth }));
  byId("branches").open = byId("steering").open = matchMedia("(min-width: 900px)").matches;
  for (const [id, Part] of Object.entries({ tools: Tools, here: Here, offers: Offers, choosing: Choosing, said: Said })) {
    render(html`<${Part} writer=${writer} keeper=${keeper} />`, byId(id));
  }
}

function key(event, writer) {
  if (event.isComposing) return;
  const { key: name, shiftKey, altKey } = event;
  const command = event.ctrlKey || event.metaKey;
  const { selected, offers, words } = writing.get();
  let done = true;
  if (name === "Tab" && !shiftKey && !command && !altKey && writer.offered) writer.takeWord();
  else if (name === "Enter" && command && shiftKey) writer.write();
  else if (name === "Enter" && command) writer.writeLine();
  else if (name === " " && command) writer.offer();
  else if (name === "." && command) chooseByKey(writer);
  else if (altKey && !command && name === "ArrowDown" && offers.length) writer.select(selected + 1);
  else if (altKey && !command && name === "ArrowUp" && offers.length) writer.select(selected - 1);
  else if (altKey && !command && Number(event.code.slice(-1)) >= 1 && event.code.startsWith("Digit")) {
    const index = Number(event.code.slice(-1)) - 1;
    if (offers[index]) writer.takeOffer(index);
    else if (words[index]?.revision === writing.get().revision) writer.swap(words[index], words[index].place);
    else done = false;
  } else done = false;
  if (done) event.preventDefault();
}

/** Show the alternatives at the cursor, and focus the first. */
async function chooseByKey(writer) {
  writer.sheet.reveal(writer.caret);
  await new Promise(requestAnimationFrame); // scrolling closes alternatives
  const choice = writer.chooseNext();
  if (writing.get().choosing) writing.get().choosing.wantsFocus = true;
  await choice;
}

function escape(writer) {
  const { choosing, isBusy } = writing.get();
  if (choosing) writer.closeAlternatives();
  else if (isBusy) writer.stop();
  else {
    writer.stop(); // no continuation comes after all
    writer.dropOffers();
  }
}

/** The selected continuation in grey at the end of the line that it continues. */
function Ghost({ writer, place }) {
  useStore(writing);
  useStore(page); // whose width may change
  const { text, caret } = writer;
  const ghost = text.slice(caret, lineEnd(text, caret)).trim() ? "" : writer.offered;
  useLayoutEffect(() => ghost && writer.sheet.layer.putInline(place, caret));
  return html`<span>${ghost}</span>`;
}

const KINDS = {
  docx: "save the Word document with what you changed; the rest of it stays as it was",
  txt: "save the text alone to a plain text file",
  json: "save the text and all its branches to a file",
};

const complain = ({ message }) => writing.set({ complaint: { text: `${message}.`, param: null } });

function Tools({ writer, keeper }) {
  const { isBusy } = useStore(writing);
  const { isShaded, offersByThemselves, offers, saveAs } = useStore(settings);
  const isSimple = useStore(page).face === "simple";
  const { history } = writer;
  const isEmpty = !history.text && history.id === 0;
  const kinds = Object.keys(KINDS).filter(one => one === "txt" || (one === "docx" ? keeper.opened?.document : !isSimple));
  const kind = kinds.includes(saveAs) ? saveAs : kinds.at(-1);
  return html`<div class="bar tools" role="toolbar" aria-label="Writing">
    ${isBusy
      ? html`<button class="primary" id="stop" title="stop writing (Escape)" onClick=${() => after(writer, writer.stop())}>Stop</button>`
      : html`<button class="primary" id="write" title="continue at the cursor (Ctrl Shift Enter)" onClick=${() => after(writer, writer.write())}>Continue</button>`}
    ${isSimple ? html`<${Another} writer=${writer} />` : html`<button id="line" title="write to the end of the line (Ctrl Enter)" onClick=${() => after(writer, writer.writeLine())}>Finish line</button>
    <span class="choice">
      <button id="offer" title="show several continuations to choose from (Ctrl Space)" onClick=${() => after(writer, writer.offer())}>Continuations</button>
      <select id="offer-count" aria-label="number of continuations" value=${offers}
        onChange=${event => settings.set({ offers: Number(event.currentTarget.value) })}>
        ${[2, 3, 4, 5].map(n => html`<option value=${n}>${n}</option>`)}
      </select>
      <button id="by-themselves" aria-pressed=${String(offersByThemselves)} title="show continuations whenever you pause"
        onClick=${() => settings.set({ offersByThemselves: !offersByThemselves })}>auto</button>
    </span>`}
    <span class="choice">
      <button id="undo" disabled=${!history.canUndo} title="undo (Ctrl Z)" onClick=${() => after(writer, writer.undo())}>Undo</button>
      <button id="redo" disabled=${!history.canRedo} title="redo (Ctrl Shift Z)" onClick=${() => after(writer, writer.redo())}>Redo</button>
    </span>
    ${!isSimple && html`<span class="choice">
      <button id="shading" aria-pressed=${String(isShaded)} onClick=${() => settings.set({ isShaded: !isShaded })}
        title="shade each character by its improbability; click a character to see the alternatives">Shading</button>
      <button id="shade" disabled=${!history.text || isBusy} title="let the model read the whole text, and shade it"
        onClick=${() => writer.shadeAll()}>Shade all</button>
    </span>`}
    <span class="choice file">
      <button id="new" disabled=${isEmpty} title="start a new text" onClick=${() => startAnew(writer, keeper)}>New</button>
      <button id="open" title="open a document, any text file, or a saved file" onClick=${() => chooseFile(file => openFile(writer, keeper, file), ".json")}>Open</button>
      <button id="save" disabled=${isEmpty || (kind !== "json" && !history.text)} title=${KINDS[kind]} onClick=${() => keeper.saveAs(kind).then(() => writing.set({ complaint: null }), complain)}>Save</button>
      ${kinds.length > 1 && html`<select id="save-as" aria-label="save as" value=${kind} onChange=${event => settings.set({ saveAs: event.currentTarget.value })}>
        ${kinds.map(one => html`<option value=${one} title=${KINDS[one]}>.${one}</option>`)}
      </select>`}
    </span>
  </div>
  ${isSimple && html`<${Manner} />`}`;
}

const LENGTHS = { "a sentence or two": 120, "a paragraph": null, "a page": 2000 }; // tokens; null is the model's own length

/** The settings of the simple view. */
function Manner() {
  const { max_tokens: length } = useStore(settings);
  useStore(page);
  const tokens = Object.values(LENGTHS);
  const temperature = inForce("temperature") ?? 0.8;
  return html`<div class="bar manner">
    <label for="wildness">calm</label>
    <input type="range" id="wildness" aria-label="from calm to wild" aria-valuetext=${`temperature ${temperature}`} min="0.2" max="1.4" step="0.05"
      value=${temperature} onInput=${event => settings.set({ temperature: event.currentTarget.valueAsNumber })} />
    <label for="wildness">wild</label>
    <select id="roughly" aria-label="length" value=${String(length)} onChange=${event => settings.set({ max_tokens: JSON.parse(event.currentTarget.value) })}>
      ${Object.keys(LENGTHS).map((name, k) => html`<option value=${String(tokens[k])}>${name}</option>`)}
      ${!tokens.includes(length) && html`<option value=${String(length)}>${length} tokens</option>`}
    </select>
  </div>`;
}

/** Return the focus to the sheet. */
function after(writer, done) {
  writer.sheet.focus();
  return done;
}

/** Return whether the text may be replaced; ask the user if anything would be lost. */
async function mayReplace(writer, keeper, what) {
  const { history } = writer;
  if ((!history.text && history.revisions.length === 1) || keeper.isInFile) return true;
  const answer = await ask({
    title: `${what}?`,
    text: "The text on this page and all its branches will be lost. You can save them to a file first.",
    choices: [
      { label: "Save first", value: "save" },
      { label: "Discard", value: "lose" },
    ],
  });
  if (answer === "save") keeper.save();
  return answer !== null;
}

export async function startAnew(writer, keeper) {
  if (!(await mayReplace(writer, keeper, "Start a new text"))) return;
  writer.open(new History());
  keeper.changedHistory(true);
  writer.sheet.focus();
}

/** Open a file instead of the current text. */
async function openFile(writer, keeper, file) {
  try {
    const { text, notes, document } = await textOf(file);
    const { history, isWhole } = historyOf(text);
    if (!(await mayReplace(writer, keeper, `Open ${file.name}`))) return;
    writer.open(history);
    const isWord = document && file.name.toLowerCase().endsWith(".docx");
    keeper.changedHistory(isWhole, isWhole ? null : { name: file.name, document: isWord ? document : null, at: Date.now() });
    if (isWord) settings.set({ saveAs: "docx" });
    if (document && !isWord) notes.push("its text is saved as .txt, and the file stays as it is");
    writing.set({ complaint: notes.length ? { text: html`<span class="soft">${notes.join("; ")}.</span>`, param: null } : null });
  } catch ({ message }) {
    complain({ message: message.startsWith(file.name) ? message : `${file.name} cannot be opened: ${message}` });
  }
}

function Offers({ writer }) {
  const { offers, selected, isOffering } = useStore(writing);
  if (!offers.length || useStore(page).face === "simple") return null;
  return html`<div class="offers" role="group" aria-label="Continuations" aria-busy=${String(isOffering)}>
    ${offers.map(
      ({ text }, k) =>
        html`<div class=${`offer${k === selected ? " at" : ""}`} key=${k}>
          <button class="all" title=${`accept all of it (Alt ${k + 1})`} onClick=${() => writer.takeOffer(k)}>
            ${text ? html`<span>${visible(text)}</span>` : html`<span class="soft">…</span>`}
          </button>
          <button class="word" title="accept the next word (Tab for the selected continuation)" disabled=${!text}
            onClick=${() => (writer.select(k), writer.takeWord(), writer.sheet.focus())}>
            ${k === selected ? "Tab ⇥" : "word ⇥"}<span class="hidden"> the next word of continuation ${k + 1}</span>
          </button>
        </div>`,
    )}
  </div>`;
}

function Said() {
  const { complaint, doing } = useStore(writing);
  const { isReached } = useStore(page);
  if (doing) return html`<span class="soft">${doing}</span>`;
  return isReached && complaint ? complaint.text : null;
}
