// The writing settings.

import { Next } from "./next.js";
import { hasNgram, inForce, mostTokens, reset, settings } from "./settings.js";
import { page, useStore } from "./state.js";
import { html, useState } from "./vendor/preact.js";
import { writing } from "./writer.js";

/** `own` are the extra settings of a page without a server; the settings of a server are then left out. */
export function Steer({ writer, details, own = null }) {
  const values = useStore(settings);
  const { numbers, mostWritten } = useStore(page);
  const { complaint } = useStore(writing);
  const isChanged = numbers.some(({ name }) => values[name] != null) ||
    values.seed !== null || values.max_tokens !== null || values.pattern || values.hold.length || values.with !== "both";
  return html`
    <${Next} writer=${writer} details=${details} />
    <div class="numbers">
      ${numbers.map(one => html`<${Setting} key=${one.name} ...${one} value=${inForce(one.name)} isOwn=${values[one.name] == null} />`)}
    </div>
    <div class="fields">
      <label>seed <${Field} id="seed" type="number" min="0" step="1" placeholder="random" value=${values.seed ?? ""}
        title="the same seed, text and settings write the same text again"
        onChange=${event => settings.set({ seed: whole(event.currentTarget.value) })} /></label>
      <label>length <${Field} id="length" type="number" min="1" max=${mostWritten} step="10" value=${mostTokens()} title="the largest number of tokens written at once"
        onChange=${event => settings.set({ max_tokens: whole(event.currentTarget.value) || null })} /></label>
      ${hasNgram() && html`<label>with <select id="with" value=${values.with} title="the part of the model that writes"
        onChange=${event => settings.set({ with: event.currentTarget.value })}>
        <option value="both">LSTM and n-gram</option><option value="lstm">LSTM only</option>
        <option value="ngram">n-gram only</option></select></label>`}
    </div>
    ${own ?? html`<${Rules} values=${values} complaint=${complaint} />`}
    <p><button id="reset" disabled=${!isChanged} onClick=${reset}>Use the model's settings</button></p>
  `;
}

/** The rules that a text must obey, and the gates and units that are held at a value while it is written. */
function Rules({ values, complaint }) {
  return html`<label class="wide">pattern
      <${Field} id="pattern" value=${values.pattern} placeholder="a regular expression such as [A-Z]+\\..*" autocomplete="off" spellcheck=${false}
        aria-invalid=${String(complaint?.param === "pattern")} aria-describedby="pattern-error"
        title="the text written matches this regular expression from its first character"
        onChange=${event => {
          settings.set({ pattern: event.currentTarget.value });
          if (complaint?.param === "pattern") writing.set({ complaint: null });
        }} /></label>
    <p class="error" id="pattern-error" role="status">${complaint?.param === "pattern" ? complaint.text : ""}</p>
    <${Holds} hold=${values.hold} complaint=${complaint} />`;
}

/** An input that keeps what is being typed into it when the page is drawn anew. */
function Field({ value, onChange, ...others }) {
  const [typed, setTyped] = useState(null);
  const change = event => {
    setTyped(null);
    onChange(event);
  };
  return html`<input ...${others} value=${typed ?? value} onInput=${event => setTyped(event.currentTarget.value)}
    onChange=${change} onBlur=${() => setTyped(null)} />`;
}

const whole = text => (/^\d+$/.test(text) ? Number(text) : null);

function Setting({ name, label, least, most, step, hint, value, isOwn }) {
  const change = event => {
    const given = event.currentTarget.valueAsNumber;
    if (Number.isFinite(given)) settings.set({ [name]: given });
  };
  return html`<div class="number">
    <label for=${name} title=${hint}>${label}</label>
    <input type="range" aria-label=${`${label} slider`} title=${hint} min=${least} max=${Math.max(most, value)} step=${step}
      value=${value} onInput=${change} />
    <${Field} type="number" id=${name} title=${hint} min="0" step=${step} value=${value} onChange=${change} />
    <button class="quiet" title="use the model's value" aria-label=${`use the model's ${label}`} disabled=${isOwn}
      onClick=${() => settings.set({ [name]: null })}>↺</button>
  </div>`;
}

function Holds({ hold, complaint }) {
  const [draft, setDraft] = useState("");
  const error = complaint?.param === "hold" ? complaint.text : "";
  const change = next => {
    settings.set({ hold: next });
    if (error) writing.set({ complaint: null });
  };
  const add = event => {
    event.preventDefault();
    const given = draft.split(/[\s,;]+/).filter(Boolean);
    if (given.length) change([...new Set([...hold, ...given])]);
    setDraft("");
  };
  return html`<div>
    <div class="bar">
      <label class="wide grow">hold units and gates
        <input id="hold" value=${draft} placeholder="forget=1, l0.u42=-1" autocomplete="off" spellcheck=${false}
          aria-invalid=${String(Boolean(error))} aria-describedby="hold-error"
          title="hold a gate or a unit at a value while the model writes; the Gates tab shows them"
          onInput=${event => setDraft(event.currentTarget.value)}
          onKeyDown=${event => event.key === "Enter" && add(event)} />
      </label>
      <button id="add-hold" disabled=${!draft.trim()} onClick=${add}>Hold</button>
    </div>
    ${hold.length > 0 && html`<ul class="chips" aria-label="held">
      ${hold.map(one => html`<li key=${one}><code>${one}</code>
        <button class="quiet" aria-label=${`release ${one}`} title="release" onClick=${() => change(hold.filter(other => other !== one))}>×</button></li>`)}
    </ul>`}
    <p class="error" id="hold-error" role="status">${error}</p>
  </div>`;
}
