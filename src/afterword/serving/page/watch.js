// Runs: their curves, samples and remaining time, live.

import { call } from "./api.js";
import { Chart, columns } from "./chart.js";
import { page, useRequest, useStore } from "./state.js";
import { summary, useRun } from "./train.js";
import { html, render, useEffect, useMemo, useState } from "./vendor/preact.js";
import { number } from "./words.js";

const SAMPLES = 12;
const SAMPLE = 240; // tokens

export function begin(panel, writer, refresh) {
  render(html`<${Watch} refresh=${refresh} />`, panel);
}

function Watch({ refresh }) {
  const { runs, trains } = useStore(page);
  const [id, setId] = useState(null);
  const chosen = runs.some(run => run.id === id) ? id : (runs.find(run => run.state === "training") ?? runs[0])?.id;
  return html`
    ${runs.length > 1 && html`<label class="soft">run <select id="runs" value=${chosen} onChange=${event => setId(event.currentTarget.value)}>
      ${runs.map(run => html`<option value=${run.id}>${run.id}</option>`)}</select></label>`}
    ${chosen && html`<${Run} key=${chosen} id=${chosen} trains=${trains} refresh=${refresh} />`}
  `;
}

function Run({ id, trains, refresh }) {
  const [run, lookAgain] = useRun(id, "watch");
  const { error, ask } = useRequest();
  const { reports, state, expected, steps, step } = run;
  const data = useMemo(() => columns(reports, expected, steps), [reports, expected, steps]);
  const best = useMemo(() => bestOf(reports), [reports]);
  const act = async what => {
    await ask(async () => {
      await call("POST", `/v1/runs/${encodeURIComponent(id)}/${what}`, {});
      await refresh();
    });
    lookAgain();
  };
  if (!state) return html`<p class="soft" role="status">${run.error ?? "…"}</p>`;
  const bits = best && number(best.validation / Math.LN2, 3);
  return html`<section class="box" aria-label=${`Run ${id}`}>
    <div class="apart">
      <h2>${id}</h2>
      <span class="bar">
        ${trains && state === "training" && html`<button id="run-stop" onClick=${() => act("stop")}>Stop</button>`}
        ${trains && (state === "stopped" || state === "failed") && html`<button id="run-resume" onClick=${() => act("resume")}>Resume</button>`}
      </span>
    </div>
    <p id="run-state">${summary(run)}</p>
    ${state === "training" && html`<progress aria-label="progress" value=${step} max=${steps || 1}></progress>`}
    ${run.message && html`<p class="error">${run.message}</p>`}
    ${(error ?? run.error) && html`<p class="error" role="status">${error ?? run.error}</p>`}
    <p class="figures">
      ${best && html`<span><b class="figure">${bits}</b> bits per character of held-out text, at step ${number(best.step)}</span>`}
      ${expected && html`<span class="soft">expected ${number(expected.likely / Math.LN2, 2)}, from ${number(expected.low / Math.LN2, 2)} to
        ${" "}${number(expected.high / Math.LN2, 2)}</span>`}
    </p>
    <${Chart} data=${data} label=${`Bits per character by step: training and held out${best ? `; held out is ${bits} at step ${best.step}` : ""}`} />
  </section>
  ${run.model && html`<${Samples} model=${run.model} best=${best} refresh=${refresh} />`}`;
}

/** Return the report with the lowest held-out cost, or null. */
export function bestOf(reports) {
  const measured = reports.filter(({ validation }) => Number.isFinite(validation));
  return measured.reduce((best, one) => (best && best.validation <= one.validation ? best : one), null);
}

/** Samples by the run's model, with a new one whenever the model improves. */
function Samples({ model, best, refresh }) {
  const [samples, setSamples] = useState([]);
  const { error, ask } = useRequest();
  const step = best?.step ?? null;
  const write = () => ask(async signal => {
    if (!page.get().models.some(({ id }) => id === model)) await refresh();
    const { writing } = page.get().models.find(({ id }) => id === model)?.afterword ?? {};
    const body = { temperature: 0.8, ...writing, model, max_tokens: SAMPLE };
    const { choices } = await call("POST", "/v1/completions", body, signal);
    setSamples(before => [{ step, text: choices[0].text }, ...before].slice(0, SAMPLES));
  });
  useEffect(() => void write(), [model, step]);
  return html`<section class="box" aria-label="Samples">
    <div class="apart"><h2>Samples</h2><button id="sample" onClick=${write}>Another</button></div>
    ${error && html`<p class="error" role="status">${error}</p>`}
    ${samples.map((sample, k) => html`<figure key=${samples.length - k}>
      <figcaption>${sample.step === null ? "current model" : `at step ${number(sample.step)}`}</figcaption>
      <pre class="sample">${sample.text}</pre></figure>`)}
  </section>`;
}
