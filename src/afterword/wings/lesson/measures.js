// What the lesson adds to the tab of the gates: the page of `afterword inspect --step`, and forms for measurements inside the
// model.

import { call } from "./api.js";
import { steering } from "./settings.js";
import { useRequest } from "./state.js";
import { html, useState } from "./vendor/preact.js";

const UNIT = /^l\d+\.u\d+$/;
const FIRST = { word: "", instead: "", after: ".", matching: "", within: "", at: "" };

export const views = { label: "one step", path: "/v1/step", most: 500 };

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
        <tbody>${found.rows.map(row => html`<tr>${row.map(one => html`<td>${cell(one)}</td>`)}</tr>`)}</tbody>
      </table></div>
      <p class="soft">${found.foot}</p>`}
  </section>`;
}

export const panels = Measures;
