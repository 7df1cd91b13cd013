// Training a new model, if the server was started with --train.

import { call } from "./api.js";
import { chosenFile, dropping, textOf } from "./files.js";
import { useRequest } from "./state.js";
import { html, useEffect, useState } from "./vendor/preact.js";
import { number, runName } from "./words.js";

const PAUSE = 400; // milliseconds without a change before a plan is requested

export function Train({ writer, started, isBusy }) {
  const [text, setText] = useState(null);
  const [source, setSource] = useState("");
  const [name, setName] = useState("");
  const [minutes, setMinutes] = useState(5);
  const [lines, setLines] = useState(false);
  const { found: plan, error, set, ask } = useRequest();
  const body = { text, name, minutes, lines };

  useEffect(() => {
    set({ found: null, error: null });
    if (text === null || !name) return;
    const timer = setTimeout(() => ask(async signal => (await call("POST", "/v1/runs/plan", body, signal)).plan), PAUSE);
    return () => clearTimeout(timer);
  }, [text, name, minutes, lines]);

  const take = (found, from, called) => {
    setText(found);
    setSource(from);
    if (!name) setName(called);
  };
  const takeFile = async file => {
    try {
      take(await textOf(file), file.name, runName(file.name));
    } catch (problem) {
      set({ error: problem.message });
    }
  };
  const start = () => ask(async () => {
    const { id } = await call("POST", "/v1/runs", body);
    setText(null);
    setName("");
    await started(id);
    return null;
  });
  return html`<section class="box" id="train" aria-label="Train a model" ...${dropping(takeFile)}>
    <h2>Train a model</h2>
    <p class="soft">${text === null ? "Drop a text here, or choose a file. It is sent to this server only." : `${source}: ${number(text.length)} characters`}</p>
    <div class="bar">
      <button id="train-file" onClick=${async () => { const file = await chosenFile("text/*,.txt,.md,.csv,.log"); if (file) takeFile(file); }}>Choose a file</button>
      <button id="train-sheet" disabled=${!writer.text} onClick=${() => take(writer.text, "The sheet", "sheet")}>Use the sheet's text</button>
    </div>
    ${text !== null && html`
      <div class="fields">
        <label>name <input id="train-name" value=${name} onInput=${event => setName(event.currentTarget.value)} /></label>
        <label>minutes <input id="train-minutes" type="number" min="0.1" step="1" value=${minutes}
          onChange=${event => setMinutes(event.currentTarget.valueAsNumber || 5)} /></label>
        <label><input id="train-lines" type="checkbox" checked=${lines} onChange=${event => setLines(event.currentTarget.checked)} /> each line is a separate text</label>
      </div>
      ${!plan && !error && html`<p class="soft" role="status">${name ? "Planning…" : "Enter a name."}</p>`}
      ${plan && html`<pre id="plan" class="sample">${plan.join("\n")}</pre>`}
      <button class="primary" id="train-start" disabled=${!plan || isBusy} onClick=${start}>Start</button>
      ${isBusy && html`<span class="soft"> another run is training</span>`}`}
    <p class="error" role="status">${error}</p>
  </section>`;
}
