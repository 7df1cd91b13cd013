// The first screen of a server that was started with --train: training a new model, and the state of its run.

import { call, isAbort } from "./api.js";
import { chooseFile, dropping, textOf } from "./files.js";
import { isUntrained, page, useRequest, useStore } from "./state.js";
import { html, render, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { number, runName, span } from "./words.js";
import { writing } from "./writer.js";

const TEN = 10; // minutes
const READ = 6000; // milliseconds in which one reads that a run has ended
const LIVE = 1000; // milliseconds between two requests for a run that trains
const QUIET = 10_000; // and for other runs
const EXPECT = minutes => `It takes about ${number(minutes, minutes % 1 ? 1 : 0)} minute${minutes === 1 ? "" : "s"}; you can write with it before the end. A small model offers words and clauses in your manner while you write; it writes no finished pages.`;
const FIRST = { reports: [], next: 0 };

/** `own` is the place beside the model's name. */
export function begin(panel, own, writer, refresh, choose) {
  render(html`<${Training} writer=${writer} refresh=${refresh} choose=${choose} />`, panel);
  render(html`<${More} writer=${writer} refresh=${refresh} />`, own);
}

/** What one can do with a model: train it for longer, or train another. */
function More({ writer, refresh }) {
  const values = useStore(page);
  const { runs, model, isTrainOpen } = values;
  const { error, isBusy, ask } = useRequest();
  const run = runs.find(({ id }) => id === model);
  const isTraining = runs.some(({ state }) => state === "training");
  const longer = () => ask(async () => {
    await call("POST", `/v1/runs/${encodeURIComponent(model)}/resume`, { minutes: TEN });
    await refresh();
    writer.sheet.focus();
  });
  return html`
    ${run && !isTraining && html`<button id="train-more" disabled=${isBusy} onClick=${longer}>Train ten more minutes</button>`}
    ${!isUntrained(values) && html`<button id="train-another" aria-expanded=${String(isTrainOpen)}
      onClick=${() => page.set({ isTrainOpen: !isTrainOpen })}>Train another</button>`}
    <span class="error" role="status">${error}</span>`;
}

function Training({ writer, refresh, choose }) {
  const values = useStore(page);
  const { runs, tab, isTrainOpen } = values;
  const [shown, setShown] = useState(null); // the run that trains, or has trained
  const training = runs.find(({ state }) => state === "training")?.id;
  useEffect(() => training && setShown(training), [training]);
  const started = async () => {
    page.set({ isTrainOpen: false });
    await refresh();
    writer.sheet.focus(); // the pressed button is gone
  };
  const close = () => {
    if (document.activeElement.closest("#progress")) writer.sheet.focus();
    setShown(null);
  };
  return html`<div hidden=${tab !== "write" && tab !== "watch"}>
    ${shown && tab === "write" && html`<${Progress} key=${shown} id=${shown} refresh=${refresh} choose=${choose} close=${close} />`}
    ${(isTrainOpen || isUntrained(values)) && html`<${Train} writer=${writer} started=${started} training=${training} />`}</div>`;
}

/** A run that trains. Its model is selected as soon as it exists: a run that begins with a base has improved on it by then. */
function Progress({ id, refresh, choose, close }) {
  const [run, lookAgain] = useRun(id, "write");
  const { models, model: chosen, face } = useStore(page);
  const { state, step, steps, seconds_left: left, model, message, error } = run;
  const before = useRef(); // the model, when the run was last looked at
  const other = models.find(one => one.id !== id)?.id;
  useEffect(() => {
    const isNew = before.current === null;
    before.current = model;
    if (model) refresh().then(() => isNew && choose(model));
    if (state === "ended" || state === "stopped") {
      const timer = setTimeout(close, READ);
      return () => clearTimeout(timer);
    }
  }, [model, state]);
  const stop = async () => {
    await call("POST", `/v1/runs/${encodeURIComponent(id)}/stop`, {});
    lookAgain();
  };
  const isTraining = state === "training";
  const time = left === null || left === undefined ? "it is being prepared" : `${span(left)} left`;
  const already = chosen === model ? "You write with it already, and it gets better." : "It can write already: choose it above.";
  const meanwhile = model ? already : other ? `Until it can write, you write with ${other}.` : "";
  const said = { training: `is being trained: ${time}. ${meanwhile}`, ended: "is ready.", stopped: "was stopped, and can write." }[state];
  return html`<section class="box" id="progress" aria-label=${`Run ${id}`}>
    <div class="apart"><span role="status"><b>${id}</b> ${face === "all" && state ? summary(run) : said}</span>
      ${isTraining ? html`<button id="train-stop" onClick=${stop}>Stop training</button>` : html`<button id="train-close" onClick=${close}>Close</button>`}</div>
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

function Train({ writer, started, training }) {
  const [{ source, called, text }, setGiven] = useState({});
  const [name, setName] = useState("");
  const [minutes, setMinutes] = useState(5);
  const [lines, setLines] = useState(false);
  const { error, isBusy, set, ask } = useRequest();
  useStore(writing); // the sheet's text may be used as soon as there is one
  useLayoutEffect(() => set({ error: null }), [source, name, minutes, lines, training]); // before the next file's error

  const take = (found, from, callIt) => {
    setGiven({ text: found, source: from, called: callIt });
    if (!name || name === called) setName(callIt); // unless another was typed
  };
  const takeFile = async file => {
    try {
      const { text: found, notes } = await textOf(file);
      if (!found.trim()) throw new Error(`${file.name} is empty: choose a file with text.`);
      take(found, [`${file.name}: ${number(found.length)} characters`, ...notes].join("; "), runName(file.name));
    } catch (problem) {
      set({ error: problem.message });
    }
  };
  const start = () => ask(async () => {
    await call("POST", "/v1/runs", { text, name, minutes, lines });
    await started();
    return null;
  });
  return html`<section class="box" id="train" aria-label="Train a model" ...${dropping(takeFile)}>
    <div class="bar">
      <h2>Train a model</h2>
      <span class="soft grow">${source ?? "Drop a text of your own here, or choose a file. It is sent to this server only."}</span>
      <button id="train-file" class=${source ? null : "primary"} onClick=${() => chooseFile(takeFile)}>Choose a file</button>
      <button id="train-sheet" disabled=${!writer.text.trim()} onClick=${() => take(writer.text, "The text on this page", "sheet")}>Use the text on this page</button>
    </div>
    ${training && html`<p class="soft">${training} is being trained, and one model is trained at a time: stop it, or wait until it is ready.</p>`}
    ${source && html`
      <div class="fields">
        <label>name <input id="train-name" value=${name} onInput=${event => setName(event.currentTarget.value)} /></label>
        <label class="more">minutes <input id="train-minutes" type="number" min="0.1" step="1" value=${minutes}
          onChange=${event => setMinutes(event.currentTarget.valueAsNumber || 5)} /></label>
        <label class="more"><input id="train-lines" type="checkbox" checked=${lines} onChange=${event => setLines(event.currentTarget.checked)} /> each line is a separate text</label>
        <button class="primary" id="train-start" disabled=${!name || training || isBusy} onClick=${start}>Start</button>
      </div>
      <p class="soft" id="expect" role="status">${name ? EXPECT(minutes) : "Enter a name."}</p>`}
    <p class="error" role="status">${error}</p>
  </section>`;
}
