// The first screen of a server that was started with --train: training a new model, and the state of its run.

import { call, isAbort } from "./api.js";
import { chosenFile, dropping, textOf } from "./files.js";
import { page, useRequest, useStore } from "./state.js";
import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { number, runName, span } from "./words.js";
import { writing } from "./writer.js";

const PAUSE = 400; // milliseconds without a change before a plan is requested

const LIVE = 1000; // milliseconds between two requests for a run that trains
const QUIET = 10_000; // and for other runs
const FIRST = { reports: [], next: 0 };

export function begin(panel, writer, refresh, choose) {
  render(html`<${Training} writer=${writer} refresh=${refresh} choose=${choose} />`, panel);
}

function Training({ writer, refresh, choose }) {
  const { runs, tab } = useStore(page);
  const [own, setOwn] = useState(null); // the run that was started here
  const training = runs.find(({ state }) => state === "training")?.id;
  const id = training ?? own;
  const started = async id => {
    setOwn(id);
    await refresh();
  };
  return html`<div hidden=${tab !== "write" && tab !== "watch"}>${id && tab === "write"
    ? html`<${Progress} key=${id} id=${id} refresh=${refresh} choose=${id === own && choose} close=${() => setOwn(null)} />`
    : html`<${Train} writer=${writer} started=${started} isBusy=${Boolean(training)} />`}</div>`;
}

/** A run in one line. If it was started here, its model is selected as soon as it exists. */
function Progress({ id, refresh, choose, close }) {
  const [run, lookAgain] = useRun(id, "write");
  const { state, step, steps, model, message, error } = run;
  useEffect(() => {
    if (model) refresh().then(() => choose && choose(model));
  }, [model, state]);
  const stop = async () => {
    await call("POST", `/v1/runs/${encodeURIComponent(id)}/stop`, {});
    lookAgain();
  };
  const isTraining = state === "training";
  return html`<section class="box" id="progress" aria-label=${`Run ${id}`}>
    <div class="apart"><span role="status"><b>${id}</b> ${state && summary(run)} ${isTraining && model && "You can write with it already."}</span>
      ${isTraining ? html`<button id="train-stop" onClick=${stop}>Stop training</button>`
        : html`<button id="train-again" disabled=${!state} onClick=${close}>Train another</button>`}</div>
    <progress aria-label="progress" value=${step ?? 0} max=${steps || 1}></progress>
    ${(message ?? error) && html`<p class="error">${message ?? error}</p>`}
  </section>`;
}

/** The state of a run, requested repeatedly while `shownIn`, the tab that shows it, is visible. */
export function useRun(id, shownIn) {
  const { tab, isReached } = useStore(page);
  const [run, setRun] = useState({ ...FIRST, error: null });
  const [again, setAgain] = useState(0); // grows when the user stops or resumes the run
  useEffect(() => {
    if (tab !== shownIn || !isReached) return;
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

export function summary({ state, step, steps, seconds, seconds_left: left }) {
  const where = `step ${number(step ?? 0)}${steps ? ` of ${number(steps)}` : ""}`;
  if (state === "training") return `Training: ${where}, ${span(left ?? 0)} left.`;
  const what = { ended: "Finished", stopped: "Stopped", failed: "Failed" }[state] ?? state;
  return `${what}: ${where}, after ${span(seconds ?? 0)}.`;
}

const linesOf = ({ plan, notes }) => [...plan, ...notes.map(note => `note: ${note}`)];

function Train({ writer, started, isBusy }) {
  const [{ text, source, called }, setGiven] = useState({ text: null }); // a text, or a document, to be read by the server
  const [name, setName] = useState("");
  const [minutes, setMinutes] = useState(5);
  const [lines, setLines] = useState(false);
  const starting = useRef(false);
  const { found: plan, error, isBusy: isPlanning, set, ask } = useRequest();
  const body = { ...(text?.document ? text : { text }), name, minutes, lines };
  const { endings, models } = useStore(page);
  const hasModel = models.length > 0;
  useStore(writing); // the sheet's text may be used as soon as there is one

  // The plan before stays in view until the next: else Start moves under the pointer of who has just left a field.
  useEffect(() => {
    set(text === null || !name ? { found: null, error: null } : { error: null });
    if (text === null || !name) return;
    const planned = async signal => linesOf(await call("POST", "/v1/runs/plan", body, signal));
    const timer = setTimeout(() => starting.current || ask(planned), PAUSE); // a plan meanwhile would find its name taken
    return () => clearTimeout(timer);
  }, [text, name, minutes, lines]);

  const take = (found, from, callIt) => {
    setGiven({ text: found, source: from, called: callIt });
    if (!name || name === called) setName(callIt); // unless another was typed
  };
  const takeFile = async file => {
    try {
      const { encoding, ...found } = await textOf(file, endings);
      take(found.text ?? found, encoding ? `${file.name}, read as ${encoding}` : file.name, runName(file.name));
    } catch (problem) {
      set({ error: problem.message });
    }
  };
  const start = () => starting.current || ask(async () => {
    starting.current = true;
    try {
      const { id } = await call("POST", "/v1/runs", body);
      setGiven({ text: null });
      setName("");
      await started(id);
      return null;
    } finally {
      starting.current = false;
    }
  });
  return html`<section class="box" id="train" aria-label="Train a model" ...${dropping(takeFile)}>
    <div class="bar">
      <h2>Train a model</h2>
      <span class="soft grow">${text === null ? "Drop a text of your own here, or choose a file. It is sent to this server only." : text.document ? source : `${source}: ${number(text.length)} characters`}</span>
      <button id="train-file" class=${hasModel || text ? null : "primary"} onClick=${async () => { const file = await chosenFile(["text/*", ".txt", ".csv", ".log", ...endings].join()); if (file) takeFile(file); }}>Choose a file</button>
      <button id="train-sheet" disabled=${!writer.text} onClick=${() => take(writer.text, "The text on this page", "sheet")}>Use the text on this page</button>
    </div>
    ${text !== null && html`
      <div class="fields">
        <label>name <input id="train-name" value=${name} onInput=${event => setName(event.currentTarget.value)} /></label>
        <label>minutes <input id="train-minutes" type="number" min="0.1" step="1" value=${minutes}
          onChange=${event => setMinutes(event.currentTarget.valueAsNumber || 5)} /></label>
        <label><input id="train-lines" type="checkbox" checked=${lines} onChange=${event => setLines(event.currentTarget.checked)} /> each line is a separate text</label>
      </div>
      ${!plan && !error && html`<p class="soft" role="status">${name ? "Planning…" : "Enter a name."}</p>`}
      ${plan && html`<pre id="plan" class="sample" aria-busy=${String(isPlanning)}>${plan.join("\n")}</pre>`}
      <button class="primary" id="train-start" disabled=${!name || isBusy} onClick=${start}>Start</button>
      ${isBusy && html`<span class="soft"> another run is training</span>`}`}
    <p class="error" role="status">${error}</p>
  </section>`;
}
