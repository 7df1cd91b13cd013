// The settings, with what they do to the next character.

import { isAbort } from "./api.js";
import { Bars } from "./bars.js";
import { hasNgram, inForce, mostTokens, NUMBERS, reset, settings } from "./settings.js";
import { page, useStore } from "./state.js";
import { html, useEffect, useState } from "./vendor/preact.js";
import { writing } from "./writer.js";

const SHOWN = 12;
const PAUSE = 120; // milliseconds

export function Steer({ writer, details }) {
  const values = useStore(settings);
  useStore(page);
  const { complaint } = useStore(writing);
  const isChanged = NUMBERS.some(({ name }) => values[name] !== null) ||
    values.seed !== null || values.max_tokens !== null || values.pattern || values.hold.length || values.with !== "both";
  return html`
    <${Next} writer=${writer} details=${details} />
    <div class="numbers">
      ${NUMBERS.map(one => html`<${Setting} key=${one.name} ...${one} value=${inForce(one.name)} isOwn=${values[one.name] === null} />`)}
    </div>
    <div class="fields">
      <label>seed <input id="seed" type="number" min="0" step="1" placeholder="random" value=${values.seed ?? ""}
        title="the same seed, text and settings give the same again"
        onChange=${event => settings.set({ seed: whole(event.currentTarget.value) })} /></label>
      <label>length <input id="length" type="number" min="1" step="10" value=${mostTokens()} title="the most tokens written at once"
        onChange=${event => settings.set({ max_tokens: whole(event.currentTarget.value) || null })} /></label>
      ${hasNgram() && html`<label>with <select id="with" value=${values.with} title="which part of the model writes"
        onChange=${event => settings.set({ with: event.currentTarget.value })}>
        <option value="both">LSTM and n-gram</option><option value="lstm">the LSTM alone</option>
        <option value="ngram">the n-gram alone</option></select></label>`}
    </div>
    <label class="wide">pattern
      <input id="pattern" value=${values.pattern} placeholder="a regular expression, as [A-Z]+\\..*" autocomplete="off" spellcheck=${false}
        aria-invalid=${String(complaint?.param === "pattern")} aria-describedby="pattern-error"
        title="what is written obeys this regular expression from its first character on"
        onChange=${event => {
          settings.set({ pattern: event.currentTarget.value });
          if (complaint?.param === "pattern") writing.set({ complaint: null });
        }} /></label>
    <p class="error" id="pattern-error" role="status">${complaint?.param === "pattern" ? complaint.text : ""}</p>
    <${Holds} hold=${values.hold} complaint=${complaint} />
    <p><button id="reset" disabled=${!isChanged} onClick=${reset}>The model's own settings</button></p>
  `;
}

const whole = text => (/^\d+$/.test(text) ? Number(text) : null);

function Setting({ name, label, least, most, step, hint, value, isOwn }) {
  const change = event => {
    const given = event.currentTarget.valueAsNumber;
    if (Number.isFinite(given)) settings.set({ [name]: given });
  };
  return html`<div class="number">
    <label for=${name} title=${hint}>${label}</label>
    <input type="range" aria-label=${`${label}, by a slider`} title=${hint} min=${least} max=${Math.max(most, value)} step=${step}
      value=${value} onInput=${change} />
    <input type="number" id=${name} title=${hint} min="0" step=${step} value=${value} onChange=${change} />
    <button class="quiet" title="as the model has it" aria-label=${`${label} as the model has it`} disabled=${isOwn}
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
      <label class="wide grow">held units and gates
        <input id="hold" value=${draft} placeholder="forget=1, l0.u42=-1" autocomplete="off" spellcheck=${false}
          aria-invalid=${String(Boolean(error))} aria-describedby="hold-error"
          title="keeps a gate or a unit at a value while the model writes; Look inside shows which there are"
          onInput=${event => setDraft(event.currentTarget.value)}
          onKeyDown=${event => event.key === "Enter" && add(event)} />
      </label>
      <button id="add-hold" disabled=${!draft.trim()} onClick=${add}>Hold</button>
    </div>
    ${hold.length > 0 && html`<ul class="chips" aria-label="held">
      ${hold.map(one => html`<li key=${one}><code>${one}</code>
        <button class="quiet" aria-label=${`let go of ${one}`} title="let go" onClick=${() => change(hold.filter(other => other !== one))}>×</button></li>`)}
    </ul>`}
    <p class="error" id="hold-error" role="status">${error}</p>
  </div>`;
}

/** The next character's distribution, where somebody looks at it. */
function Next({ writer, details }) {
  const values = useStore(settings);
  const { revision, isBusy } = useStore(writing);
  const { model, tab, isReached } = useStore(page);
  const [found, setFound] = useState({ options: [], error: null });
  const [isOpen, setOpen] = useState(details.open);
  useEffect(() => {
    const toggled = () => setOpen(details.open);
    details.addEventListener("toggle", toggled);
    return () => details.removeEventListener("toggle", toggled);
  }, []);
  const { temperature, min_p, top_k, top_p, hold, with: which } = values;
  useEffect(() => {
    if (!isOpen || isBusy || tab !== "write" || !model || !isReached) return;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const { data } = await writer.next(writer.caret, abort.signal);
        if (!abort.signal.aborted) setFound({ options: data, error: null });
      } catch (error) {
        if (isAbort(error)) return;
        const isOfHold = hold.length > 0 && error.status === 400; // nothing else here can be refused
        if (isOfHold) writing.set({ complaint: { text: error.message, param: "hold" } });
        setFound({ options: [], error: isOfHold ? null : error.message });
      }
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [revision, isBusy, isOpen, model, tab, isReached, temperature, min_p, top_k, top_p, hold, which]);
  const { options, error } = found;
  return html`<div id="next" role="group" aria-label="What comes next">
    <p class="soft apart"><span>At the cursor comes</span>
      <span class="legend"><i class="own"></i>model <i class="after"></i>as set</span></p>
    ${error && html`<p class="error">${error}</p>`}
    <${Bars} options=${options.slice(0, SHOWN)} hasAfter=${true} verb="write" pick=${one => writer.put(one)} />
  </div>`;
}
