// Runs: their curves, samples and remaining time, live; and new runs, if the server trains.

import { call, isAbort } from "./api.js";
import { Chart, columns } from "./chart.js";
import { page, useRequest, useStore } from "./state.js";
import { Train } from "./train.js";
import { html, render, useEffect, useMemo, useState } from "./vendor/preact.js";
import { number, span } from "./words.js";

const LIVE = 1000; // milliseconds between two requests for a run that trains
const QUIET = 10_000; // and for other runs
const SAMPLES = 12;
const SAMPLE = 240; // characters
const FIRST = { reports: [], next: 0 };

export function begin(panel, writer, refresh) {
  render(html`<${Watch} writer=${writer} refresh=${refresh} />`, panel);
}

function Watch({ writer, refresh }) {
  const { runs, trains } = useStore(page);
  const [id, setId] = useState(null);
  const chosen = runs.some(run => run.id === id) ? id : (runs.find(run => run.state === "training") ?? runs[0])?.id;
  const started = async id => {
    await refresh();
    setId(id);
  };
  return html`
    ${runs.length > 1 && html`<label class="soft">run <select id="runs" value=${chosen} onChange=${event => setId(event.currentTarget.value)}>
      ${runs.map(run => html`<option value=${run.id}>${run.id}</option>`)}</select></label>`}
    ${chosen && html`<${Run} key=${chosen} id=${chosen} trains=${trains} refresh=${refresh} />`}
    ${trains && html`<${Train} writer=${writer} started=${started} isBusy=${runs.some(run => run.state === "training")} />`}
  `;
}

/** The state of a run, requested repeatedly while the tab is visible. */
function useRun(id) {
  const { tab, isReached } = useStore(page);
  const [run, setRun] = useState({ ...FIRST, error: null });
  const [again, setAgain] = useState(0); // grows when the user stops or resumes the run
  useEffect(() => {
    if (tab !== "watch" || !isReached) return;
    const abort = new AbortController();
    let timer = 0;
    let known = { reports: run.reports, next: run.next };
    const look = async () => {
      clearTimeout(timer);
      if (document.hidden) return; // a visible tab asks again
      try {
        const path = `/v1/runs/${encodeURIComponent(id)}`;
        let found = await call("GET", `${path}?after=${known.next}`, undefined, abort.signal);
        if (found.next < known.next) {
          // the run continued from a checkpoint, or began again
          known = FIRST;
          found = await call("GET", `${path}?after=0`, undefined, abort.signal);
        }
        known = { reports: found.reports.length ? [...known.reports, ...found.reports] : known.reports, next: found.next };
        setRun({ ...found, ...known, error: null });
        timer = setTimeout(look, found.state === "training" ? LIVE : QUIET);
      } catch (error) {
        if (isAbort(error)) return;
        setRun(last => ({ ...last, error: error.message }));
        timer = setTimeout(look, QUIET);
      }
    };
    look();
    document.addEventListener("visibilitychange", look);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [id, tab, isReached, again]);
  return [run, () => setAgain(again + 1)];
}

function Run({ id, trains, refresh }) {
  const [run, lookAgain] = useRun(id);
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

function summary({ state, step, steps, seconds, seconds_left: left }) {
  const where = `step ${number(step ?? 0)}${steps ? ` of ${number(steps)}` : ""}`;
  if (state === "training") return `Training: ${where}, ${span(left ?? 0)} left.`;
  const what = { ended: "Finished", stopped: "Stopped", failed: "Failed" }[state] ?? state;
  return `${what}: ${where}, after ${span(seconds ?? 0)}.`;
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
    const { writing, characters_per_token: each = 1 } = page.get().models.find(({ id }) => id === model)?.afterword ?? {};
    const body = { temperature: 0.8, ...writing, model, max_tokens: Math.max(1, Math.round(SAMPLE / each)) };
    const { choices } = await call("POST", "/v1/completions", body, signal);
    setSamples(before => [{ step, text: choices[0].text }, ...before].slice(0, SAMPLES));
  });
  useEffect(() => void write(), [model, step]);
  return html`<section class="box" aria-label="Samples">
    <div class="apart"><h2>Samples</h2><button id="sample" onClick=${write}>Another</button></div>
    ${error && html`<p class="error" role="status">${error}</p>`}
    ${samples.map((sample, k) => html`<figure key=${samples.length - k}>
      <figcaption class="soft">${sample.step === null ? "current model" : `at step ${number(sample.step)}`}</figcaption>
      <pre class="sample">${sample.text}</pre></figure>`)}
  </section>`;
}
