// The gates while the model reads the text: the pages of `afterword inspect --html` and `--step`, in a frame. Above it,
// forms for measurements inside the model.

import { call } from "./api.js";
import { steering } from "./settings.js";
import { modelOf, page, useRequest, useStore } from "./state.js";
import { html, render, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { number } from "./words.js";

const USUAL = 1000; // characters, which a frame draws quickly
const EVERY_UNIT_UP_TO = 500; // characters: of a longer text, the page of the gates shows some units; that of a step its end
const VIEWS = { html: "all units", step: "one step" };
const UNIT = /^l\d+\.u\d+$/;
const FIRST = { word: "", instead: "", after: ".", matching: "", within: "", at: "" };

export function begin(panel, writer) {
  render(html`<${Inside} writer=${writer} />`, panel);
}

function Inside({ writer }) {
  const values = useStore(page);
  const { tab, model, theme } = values;
  const readsLines = Boolean(modelOf(values)?.afterword?.lines);
  const [most, setMost] = useState(USUAL);
  const [view, setView] = useState("html");
  const [unit, setUnit] = useState(null); // to show, such as l0.u42
  const { found: shown, error, isBusy, ask } = useRequest(); // {html, key, length}
  const [drawn, setDrawn] = useState(null); // the key of what the frame drew last
  const frame = useRef(null);

  const part = () => {
    const { text, caret } = writer;
    if (readsLines) {
      const line = text.slice(text.slice(0, caret).trimEnd().lastIndexOf("\n") + 1).trimStart();
      return line.split("\n", 1)[0].slice(-most);
    }
    const end = Math.max(caret, Math.min(most, text.length));
    return text.slice(Math.max(0, end - most), end);
  };
  const look = () => {
    const whole = part();
    const isLong = whole.length > EVERY_UNIT_UP_TO;
    const text = view === "step" ? whole.slice(-EVERY_UNIT_UP_TO) : whole;
    const { model, hold } = steering();
    const body = { model, text, format: view, hold, units: isLong && view === "html" && unit ? [unit] : null };
    const key = JSON.stringify(body);
    if (key === shown?.key) return;
    ask(async signal => (text ? { ...(await call("POST", "/v1/gates", body, signal)), key, length: text.length } : null));
  };
  useEffect(() => {
    if (tab === "inside") look();
  }, [tab, model, most, view, unit]);
  useLayoutEffect(() => { // at once: a new frame that says it is ready must get the current page, not the previous one
    const hear = ({ data, origin, source }) => {
      if (origin !== location.origin || source !== frame.current?.contentWindow) return;
      if (data === "ready") {
        source.postMessage({ html: shown.html }, origin);
        source.postMessage({ theme: page.get().theme }, origin);
      }
      if (data.height > 0) {
        frame.current.style.height = `${Math.ceil(data.height) + 2}px`; // with its border
        setDrawn(shown.key);
      }
    };
    addEventListener("message", hear);
    return () => removeEventListener("message", hear);
  }, [shown]);
  useEffect(() => frame.current?.contentWindow.postMessage({ theme }, location.origin), [theme]);

  return html`
    <div class="bar">
      <label class="soft">the last <input id="inside-most" type="number" min="1" max="20000" step="100" value=${most}
        onChange=${event => setMost(Math.max(1, event.currentTarget.valueAsNumber || USUAL))} /> characters ${readsLines ? "of the line at" : "up to"} the cursor</label>
      <span class="choice" role="group" aria-label="Page">${Object.entries(VIEWS).map(([id, label]) =>
        html`<button aria-pressed=${String(id === view)} onClick=${() => setView(id)}>${label}</button>`)}</span>
      <span class="soft" role="status">${isBusy ? "reading…" : !shown ? "" : drawn === shown.key ? `${number(shown.length)} characters` : "drawing…"}</span>
    </div>
    ${error && html`<p class="error" role="status">${error}</p>`}
    ${!shown && !error && !isBusy && html`<p class="soft">Write some text first: this tab shows the network's gates while it reads the text.</p>`}
    ${(shown || error) && html`<${Measures} part=${part} chooseUnit=${setUnit} />`}
    ${shown && html`<iframe key=${shown.key} ref=${frame} id="inside" class="inside" src=${unit ? `inside#cell:${unit}` : "inside"} title="Gates"></iframe>`}
  `;
}

/** Forms that measure how much of a word the model still holds, which units predict where an expression matches, how far back the
 *  model remembers, and what each gate is worth. */
function Measures({ part, chooseUnit }) {
  const [typed, setTyped] = useState(FIRST); // set on each input: drawing the frame below sets the fields anew
  const { found, error, isBusy, set, ask } = useRequest();

  const measure = (inspection, ...names) => event => {
    event.preventDefault();
    const text = part(), { model, hold } = steering();
    const given = Object.fromEntries(names.map(name => [name, typed[name] || null]));
    if (given.instead) given.instead = given.instead.split(/[\s,]+/).filter(Boolean);
    if (given.after && !text.includes(given.after, text.indexOf(given.word) + given.word.length)) given.after = null;
    set({ found: null });
    ask(signal => call("POST", "/v1/inspect", { model, hold, text, inspection, ...given }, signal));
  };
  const change = ({ currentTarget: { id, value } }) => setTyped(old => ({ ...old, [id]: value }));
  const field = (id, label, attributes) => html`<label class="soft">${label} <input id=${id} size="14" maxlength="1000"
    value=${typed[id]} onInput=${change} ...${attributes} /></label>`;
  const cell = text => UNIT.test(text)
    ? html`<button class="link" title="colour the text by the sign of its cell state" onClick=${() => chooseUnit(text)}>${text}</button>` : text;
  return html`<section class="box" aria-label="Measurements">
    <form class="bar" onSubmit=${measure("keeps", "word", "instead", "after")}>
      <h2>How long is a word kept?</h2>
      ${field("word", "word", { size: 10, required: true })}
      ${field("instead", "compare with", { size: 12, placeholder: "likely words", title: "words to put in its place" })}
      ${field("after", "divide the rest after", { size: 3 })}
      <button disabled=${isBusy}>Show</button>
    </form>
    <form class="bar" onSubmit=${measure("units", "matching", "within")}>
      <h2>Which units predict a match?</h2>
      ${field("matching", "match of", { placeholder: "regular expression", required: true })}
      ${field("within", "within matches of", { placeholder: "the whole text" })}
      <button disabled=${isBusy}>Find units</button>
    </form>
    <form class="bar" onSubmit=${measure("horizon", "at")}>
      <h2>How far does it remember?</h2>
      ${field("at", "from matches of", { placeholder: "any character" })}
      <button id="horizon" disabled=${isBusy}>Measure</button>
      <button type="button" id="ablate" disabled=${isBusy} onClick=${measure("ablate")}>What is each gate worth?</button>
    </form>
    ${isBusy && html`<p class="soft" role="status">reading…</p>`}
    <p class="error" role="status">${error}</p>
    ${found && html`
      <p class="soft" role="status">${found.caption}</p>
      <div class="scroll"><table id="measured">
        <thead><tr>${found.head.map(one => html`<th>${one}</th>`)}</tr></thead>
        <tbody>${found.rows.map(row => html`<tr>${row.map(one => html`<td class="n">${cell(one)}</td>`)}</tr>`)}</tbody>
      </table></div>
      <p class="soft">${found.foot}</p>`}
  </section>`;
}
