// The sheet's surroundings: its buttons, keys, continuations, and what went wrong.

import { Choosing } from "./choosing.js";
import { ask } from "./dialogs.js";
import { chosenFile, textOf } from "./files.js";
import { History } from "./history.js";
import { historyOf } from "./keeping.js";
import { settings } from "./settings.js";
import { Sheet } from "./sheet.js";
import { page, useStore } from "./state.js";
import { html, render } from "./vendor/preact.js";
import { visible } from "./words.js";
import { writing } from "./writer.js";

const byId = id => document.getElementById(id);

/** Bring the sheet to life. */
export function begin(writer, keeper) {
  const sheet = new Sheet(
    { area: byId("area"), layer: byId("layer"), view: byId("view") },
    {
      edited: (...edit) => writer.edited(...edit),
      moved: () => writer.moved(),
      undo: () => writer.undo(),
      redo: () => writer.redo(),
      chosen: index => settings.get().isShaded && writer.choose(index),
    },
  );
  writer.sheet = sheet;
  sheet.show(writer.history.text, writer.history.shades, writer.history.text.length);
  const shade = () => sheet.layer.show(settings.get().isShaded);
  settings.listen(shade);
  shade();
  sheet.area.addEventListener("keydown", event => key(event, writer));
  document.addEventListener("keydown", event => {
    if (event.key === "Escape" && !event.defaultPrevented) escape(writer);
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!target.closest(".around")) writer.closeAlternatives();
  });
  render(html`<${Tools} writer=${writer} keeper=${keeper} />`, byId("tools"));
  render(html`<${Offers} writer=${writer} />`, byId("offers"));
  render(html`<${Choosing} writer=${writer} />`, byId("choosing"));
  render(html`<${Said} />`, byId("said"));
}

function key(event, writer) {
  if (event.isComposing) return;
  const { key: name, shiftKey, altKey } = event;
  const command = event.ctrlKey || event.metaKey;
  const { selected, offers } = writing.get();
  let done = true;
  if (name === "Tab" && !shiftKey && !command && !altKey && writer.hasOffer) writer.takeWord();
  else if (name === "Enter" && command && shiftKey) writer.write();
  else if (name === "Enter" && command) writer.writeLine();
  else if (name === " " && command) writer.offer();
  else if (name === "." && command) chooseByKey(writer);
  else if (altKey && !command && name === "ArrowDown" && offers.length) writer.select(selected + 1);
  else if (altKey && !command && name === "ArrowUp" && offers.length) writer.select(selected - 1);
  else if (altKey && !command && Number(event.code.slice(-1)) >= 1 && event.code.startsWith("Digit")) {
    const index = Number(event.code.slice(-1)) - 1;
    if (offers[index]) writer.takeOffer(index);
    else done = false;
  } else done = false;
  if (done) event.preventDefault();
}

/** The alternatives to the character before the cursor, with the focus on the first of them. */
async function chooseByKey(writer) {
  const choice = writer.choose(writer.caret - 1);
  if (writing.get().choosing) writing.get().choosing.wantsFocus = true;
  await choice;
}

function escape(writer) {
  const { choosing, isBusy } = writing.get();
  if (choosing) writer.closeAlternatives();
  else if (isBusy) writer.stop();
  else writer.dropOffers();
}

function Tools({ writer, keeper }) {
  const { isBusy } = useStore(writing);
  const { isShaded, offersByThemselves, offers } = useStore(settings);
  const { history } = writer;
  const isEmpty = !history.text && history.id === 0;
  return html`<div class="bar tools" role="toolbar" aria-label="Writing">
    ${isBusy
      ? html`<button class="primary" id="stop" title="stop writing (Escape)" onClick=${() => writer.stop()}>Stop</button>`
      : html`<button class="primary" id="write" title="write on at the cursor (Ctrl Shift Enter)" onClick=${() => after(writer, writer.write())}>
          Write on
        </button>`}
    <button id="line" title="write to the end of the line (Ctrl Enter)" onClick=${() => after(writer, writer.writeLine())}>Line</button>
    <span class="choice">
      <button id="offer" title="several continuations to pick from (Ctrl Space)" onClick=${() => after(writer, writer.offer())}>
        Continuations
      </button>
      <select
        id="offer-count"
        aria-label="how many continuations"
        value=${offers}
        onChange=${event => settings.set({ offers: Number(event.currentTarget.value) })}
      >
        ${[2, 3, 4, 5].map(n => html`<option value=${n}>${n}</option>`)}
      </select>
      <button
        id="by-themselves"
        aria-pressed=${String(offersByThemselves)}
        title="offer continuations by themselves when you pause"
        onClick=${() => settings.set({ offersByThemselves: !offersByThemselves })}
      >
        as I write
      </button>
    </span>
    <span class="choice">
      <button id="undo" disabled=${!history.canUndo} title="undo (Ctrl Z)" onClick=${() => after(writer, writer.undo())}>Undo</button>
      <button id="redo" disabled=${!history.canRedo} title="redo (Ctrl Shift Z)" onClick=${() => after(writer, writer.redo())}>Redo</button>
    </span>
    <span class="choice">
      <button
        id="shading"
        aria-pressed=${String(isShaded)}
        title="shade each character by how improbable it was; a click on one shows what else could stand there"
        onClick=${() => settings.set({ isShaded: !isShaded })}
      >
        Shading
      </button>
      <button id="shade" disabled=${!history.text || isBusy} title="read all of the text, and shade it" onClick=${() => writer.shadeAll()}>
        Shade all
      </button>
    </span>
    <span class="choice file">
      <button id="new" disabled=${isEmpty} title="begin another text" onClick=${() => startAnew(writer, keeper)}>New</button>
      <button id="open" title="open a file: one that was saved here, or any text" onClick=${() => open(writer, keeper)}>Open</button>
      <button id="save" disabled=${isEmpty} title="save the text and all its branches to a file" onClick=${() => keeper.save()}>Save</button>
    </span>
  </div>`;
}

/** Back to the sheet, where the cursor is. */
function after(writer, done) {
  writer.sheet.focus();
  return done;
}

/** Whether the text may be replaced: the writer is asked unless nothing would be lost. */
async function mayReplace(writer, keeper, what) {
  const { history } = writer;
  if ((!history.text && history.revisions.length === 1) || keeper.isInFile) return true;
  const answer = await ask({
    title: `${what}?`,
    text: "The text on this page and all its branches would be lost. They can be saved to a file first.",
    choices: [
      { label: "Save first", value: "save" },
      { label: "Do not save", value: "lose" },
      { label: "Cancel", value: null },
    ],
  });
  if (answer === "save") keeper.save();
  return answer !== null;
}

async function startAnew(writer, keeper) {
  if (!(await mayReplace(writer, keeper, "Begin another text"))) return;
  writer.open(new History());
  keeper.changedHistory(true);
  writer.sheet.focus();
}

async function open(writer, keeper) {
  const file = await chosenFile(".json,.txt,.md,text/*,application/json");
  if (file) await openFile(writer, keeper, file);
}

/** Open a file in place of the text. */
export async function openFile(writer, keeper, file) {
  try {
    const { history, isWhole } = historyOf(await textOf(file));
    if (!(await mayReplace(writer, keeper, `Open ${file.name}`))) return;
    writer.open(history);
    keeper.changedHistory(isWhole);
    writing.set({ complaint: null });
  } catch (error) {
    writing.set({ complaint: { text: `${file.name} was not opened: ${error.message}.`, param: null } });
  }
}

function Offers({ writer }) {
  const { offers, selected, isOffering } = useStore(writing);
  if (!offers.length) return null;
  return html`<div class="offers" role="group" aria-label="Continuations" aria-busy=${String(isOffering)}>
    ${offers.map(
      ({ text }, k) =>
        html`<div class=${`offer${k === selected ? " at" : ""}`} key=${k}>
          <button class="all" title=${`take all of it (Alt ${k + 1})`} onClick=${() => writer.takeOffer(k)}>
            ${text ? html`<span>${visible(text)}</span>` : html`<span class="soft">…</span>`}
          </button>
          <button
            class="word"
            title="take its next word (Tab, for the marked one)"
            disabled=${!text}
            onClick=${() => {
              writer.select(k);
              writer.takeWord();
              writer.sheet.focus();
            }}
          >
            ${k === selected ? "Tab ⇥" : "word ⇥"}<span class="hidden"> the next word of continuation ${k + 1}</span>
          </button>
        </div>`,
    )}
  </div>`;
}

function Said() {
  const { complaint, isReading } = useStore(writing);
  const { isReached } = useStore(page);
  if (isReading) return html`<span class="soft">Reading the text…</span>`;
  if (!isReached || !complaint || complaint.param === "hold" || complaint.param === "pattern") return null;
  return html`${complaint.text}`;
}
