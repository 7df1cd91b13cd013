// Scoring: the cost of a text in all, by character, or by line.

import { added, call } from "./api.js";
import { Bars } from "./bars.js";
import { chooseFile, dropping, textOf } from "./files.js";
import { hasNgram, settings } from "./settings.js";
import { ShadedText } from "./shaded.js";
import { MOST_BITS, shadesOf } from "./shades.js";
import { modelOf, page, useRequest, useStore } from "./state.js";
import { html, render, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js";
import { firstAfter, number, percent, spaced, uncut, visible } from "./words.js";

const MOST_TYPED = 200_000; // a longer file shows its name instead of its text
const LISTED = 12; // surprising places
const LINES_AT_FIRST = 50;

const WAYS = []; // other ways to score: a name, which is that of the route, and what it does, perhaps `instead` of a mode

export async function begin(panel, writer) {
  WAYS.push(...(await added("scoring")));
  render(html`<${Score} writer=${writer} />`, panel);
}

function Score({ writer }) {
  const values = useStore(page);
  const [{ text, name, notes = [] }, setGiven] = useState({ text: "", name: null }); // the name of a file
  const about = modelOf(values)?.afterword ?? {};
  const [mode, setMode] = useState(about.lines ? "lines" : "whole"); // or the name of another way
  const latest = useRef(mode); // for a file that is still being read
  latest.current = mode;
  const byLine = mode === "lines";
  const { found: result, error, isBusy, set, ask } = useRequest();
  const wayFor = how => WAYS.find(one => one.instead === how && one.suits(about));
  useEffect(() => set({ found: null }), [values.model]);

  const take = async file => {
    try {
      const { text: found, notes } = await textOf(file);
      setGiven({ text: found, name: file.name, notes });
      score(found);
    } catch (problem) {
      set({ error: problem.message });
    }
  };
  const score = (what = text, how = latest.current) => {
    const body = { model: page.get().model, text: what };
    const whole = hasAtMost(what, page.get().mostShaded) ? "surprises" : "score";
    const way = wayFor(how);
    const kind = way?.name ?? { lines: "score", whole }[how] ?? how;
    if (kind !== how && hasNgram()) // another way does not let one choose
      body.with = settings.get().with;
    Object.assign(body, way?.settings());
    if (kind === "score") body.lines = how === "lines";
    ask(signal => call("POST", `/v1/${kind}`, body, signal));
  };
  const choose = how => {
    setMode(how);
    if (result || isBusy) score(text, how);
  };
  const isFile = name !== null && text.length > MOST_TYPED;

  return html`
    <section class="box" aria-label="The text to score" ...${dropping(take)}>
      ${isFile
        ? html`<p><b><bdi>${name}</bdi></b>, ${number(text.length)} characters
            <button class="quiet" aria-label="choose another text" onClick=${() => (setGiven({ text: "", name: null }), set({ found: null }))}>×</button></p>`
        : html`<textarea class="plain" id="score-text" rows="7" aria-label="Text to score" spellcheck=${false}
            placeholder="Paste a text, or drop a file here." value=${text}
            onInput=${event => setGiven({ text: event.currentTarget.value, name: null })}></textarea>`}
      <div class="bar">
        <button class="primary" id="score-it" disabled=${!text || isBusy} onClick=${() => score()}>${isBusy ? "Scoring…" : "Score"}</button>
        <span class="choice" role="group" aria-label="Mode">
          <button id="score-whole" aria-pressed=${String(mode === "whole")} title="score the text as one, by character" onClick=${() => choose("whole")}>whole text</button>
          <button id="score-lines" aria-pressed=${String(byLine)} title="score each line separately, the oddest first" onClick=${() => choose("lines")}>line by line</button>
          ${WAYS.filter(one => !one.instead && one.suits(about)).map(({ name, title }) => html`<button id=${`score-${name}`} aria-pressed=${String(mode === name)} title=${title} onClick=${() => choose(name)}>${name}</button>`)}
        </span>
        ${wayFor(mode)?.controls()}
        <button id="score-file" onClick=${() => chooseFile(take)}>Open a file</button>
        <button id="score-sheet" disabled=${!writer.text} onClick=${() => (setGiven({ text: writer.text, name: null }), score(writer.text))}>Use the text on this page</button>
      </div>
      <p class=${error ? "error" : "soft"} role="status">${error ?? notes.join("; ")}</p>
    </section>
    ${result?.characters !== undefined && html`<${Figures} result=${result} />`}
    ${result && WAYS.map(one => one.show(result))}
    ${result?.surprises && html`<${Surprises} surprises=${result.surprises} />`}
    ${result?.characters !== undefined && !result.surprises && !result.lines && html`<p class="soft">Only texts of up to ${number(values.mostShaded)} characters are shaded.</p>`}
    ${result?.lines && html`<${Lines} lines=${result.lines} />`}
  `;
}

/** Return whether `text` has at most `most` characters, of one or two units each. */
function hasAtMost(text, most) {
  return text.length <= most || (text.length <= 2 * most && [...text].length <= most);
}

function Figures({ result }) {
  const parts = [["LSTM only", result.lstm], ["n-gram only", result.ngram]].filter(([, nats]) => Number.isFinite(nats));
  return html`<section class="box figures" id="figures" aria-label="Cost">
    <p><b class="figure">${number(result.bits_per_character, 3)}</b> bits per character</p>
    ${parts.map(([label, nats]) => html`<p class="soft">${number(nats / Math.LN2, 3)} ${label}</p>`)}
    <p class="soft">${number(result.characters)} characters</p>
    ${result.perplexity !== undefined && html`<p class="soft">perplexity ${number(result.perplexity, 2)}</p>`}
  </section>`;
}

function Surprises({ surprises }) {
  const element = useRef(null);
  const layer = useRef(null);
  const [shown, setShown] = useState(null); // index of the surprise whose alternatives are shown
  const [isPinned, setPinned] = useState(false);
  const { text, shades, starts } = useMemo(() => {
    let length = 0;
    const starts = surprises.map(one => (length += one.text.length) - one.text.length);
    const shades = surprises.map(one => shadesOf(one.text.length, -one.bits * Math.LN2, false)).join("");
    return { text: surprises.map(one => one.text).join(""), shades, starts };
  }, [surprises]);
  const most = useMemo(
    () => surprises.map((_, k) => k).filter(k => !surprises[k].unlearned).sort((a, b) => surprises[b].bits - surprises[a].bits).slice(0, LISTED),
    [surprises],
  );
  const unlearned = [...new Set(surprises.map(one => spaced(one.unlearned)))].filter(Boolean).join(", ");
  useLayoutEffect(() => {
    layer.current ??= new ShadedText(element.current, element.current);
    layer.current.update(text, shades);
    setShown(null);
    return () => layer.current.update("", "");
  }, [text, shades]);
  const at = event => {
    const index = layer.current.indexAt(event.clientX, event.clientY);
    return index < 0 ? null : firstAfter(starts.length, k => starts[k] <= index) - 1;
  };
  const goTo = k => {
    const [number_] = layer.current.place(starts[k]);
    element.current.children[number_].scrollIntoView({ block: "nearest" });
    setShown(k);
    setPinned(true);
  };
  return html`<section class="box" aria-label="Surprises" onKeyDown=${event => event.key === "Escape" && (setShown(null), setPinned(false))}>
    <p class="apart"><span class="soft">Each character is shaded by its cost. Point at one to see what was expected.</span>
      <span class="legend">0 bits <i></i> ${MOST_BITS} bits and more</span></p>
    <div class="around">
      <div class="shaded" ref=${element} id="shaded" tabindex="0" role="region" aria-label="The text, shaded"
        onPointerMove=${event => !isPinned && setShown(at(event))}
        onPointerLeave=${() => !isPinned && setShown(null)}
        onScroll=${() => !isPinned && setShown(null)}
        onClick=${event => { const k = at(event); setShown(k); setPinned(k !== null && !(isPinned && k === shown)); }}></div>
      ${shown !== null && surprises[shown] && html`<${Expected} one=${surprises[shown]} start=${starts[shown]} layer=${layer.current} />`}
    </div>
    <h2>Most surprising</h2>
    <div class="scroll"><table id="most">
      <thead><tr><th>where</th><th>bits</th><th>text</th><th>expected</th></tr></thead>
      <tbody>${most.map(k => {
        const one = surprises[k];
        const before = uncut(text.slice(Math.max(0, starts[k] - 24), starts[k]));
        return html`<tr><td><button class="quiet link" onClick=${() => goTo(k)}>line ${one.line}, column ${one.column}</button></td>
          <td>${number(one.bits, 1)}</td>
          <td><code>${visible(before)}<mark>${spaced(one.text)}</mark></code></td>
          <td>${one.alternatives.slice(0, 3).map(({ text, probability }) => `${spaced(text)} ${percent(probability)}`).join(",  ")}</td></tr>`;
      })}</tbody>
    </table></div>
    ${unlearned && html`<p class="soft">Never learned, so not listed: ${unlearned}</p>`}
  </section>`;
}

/** The tokens that were expected at a character. */
function Expected({ one, start, layer }) {
  const box = useRef(null);
  useLayoutEffect(() => layer.putBeside(box.current, start, start + one.text.length));
  const options = one.alternatives.map(({ text, probability }) => ({ text, token: text, probability }));
  return html`<div class="popup" ref=${box} role="status">
    <p><code>${spaced(one.text)}</code> <span class="soft">${percent(2 ** -one.bits)}, ${number(one.bits, 1)} bits</span></p>
    <${Bars} options=${options} chosen=${one.text} />
  </div>`;
}

function Lines({ lines }) {
  const [inOrder, setInOrder] = useState(false);
  const [isWhole, setWhole] = useState(false);
  const way = WAYS.find(one => one.judged && lines.some(one.judged));
  const sorted = useMemo(() => {
    if (inOrder) return lines;
    const oddness = way?.oddness ?? (one => one.bits_per_character);
    const isBlank = one => !way?.marks(one) && !one.text.trim(); // blank lines cost much for their length, and mean nothing
    return [...lines].sort((a, b) =>
      isBlank(a) - isBlank(b) || oddness(b) - oddness(a) || b.bits_per_character - a.bits_per_character);
  }, [lines, inOrder]);
  const shown = isWhole ? sorted : sorted.slice(0, LINES_AT_FIRST);
  const most = Math.max(...lines.map(one => one.bits_per_character), 1e-9);
  return html`<section class="box" aria-label="Lines">
    <div class="apart"><p class="soft">${number(lines.length)} line${lines.length === 1 ? "" : "s"}${way ? `, ${number(lines.filter(way.marks).length)} of them ${way.name}` : ""}; each is read separately.</p>
      <span class="choice" role="group" aria-label="Order">
        <button aria-pressed=${String(!inOrder)} onClick=${() => setInOrder(false)}>oddest first</button>
        <button aria-pressed=${String(inOrder)} onClick=${() => setInOrder(true)}>in order</button></span></div>
    <div class="scroll"><table id="lines">
      <thead><tr><th>line</th><th>bits per character</th>${way && html`<th>${way.heading}</th>`}<th>text</th></tr></thead>
      <tbody>${shown.map(one => html`<tr key=${one.line}>
        <td>${number(one.line)}</td>
        <td><span class="meter"><i style=${{ width: `${(one.bits_per_character / most) * 100}%` }}></i></span>${number(one.bits_per_character, 2)}</td>
        ${way && html`<td>${way.marks(one) && html`<b>${way.name}</b> `}${way.figure(one)}</td>`}
        <td><code>${visible(uncut(one.text.slice(0, 300)))}</code></td></tr>`)}</tbody>
    </table></div>
    ${shown.length < sorted.length && html`<p><button onClick=${() => setWhole(true)}>Show all ${number(sorted.length)}</button></p>`}
  </section>`;
}
