// The gates while the model reads the text: the page of `afterword inspect --html`, in a frame. Above it, how much of a
// word the model still holds.

import { call } from "./api.js";
import { steering } from "./settings.js";
import { modelOf, page, useRequest, useStore } from "./state.js";
import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { number, percent, spaced, visible } from "./words.js";

const USUAL = 1000; // characters, which a frame draws quickly

export function begin(panel, writer) {
  render(html`<${Inside} writer=${writer} />`, panel);
}

function Inside({ writer }) {
  const values = useStore(page);
  const { tab, model, theme } = values;
  const readsLines = Boolean(modelOf(values)?.afterword?.lines);
  const [most, setMost] = useState(USUAL);
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
    const text = part();
    const { model, hold, with: which } = steering();
    const body = { model, text, format: "html", hold, with: which };
    const key = JSON.stringify(body);
    if (key === shown?.key) return;
    ask(async signal => (text ? { ...(await call("POST", "/v1/gates", body, signal)), key, length: text.length } : null));
  };
  useEffect(() => {
    if (tab === "inside") look();
  }, [tab, model, most]);
  useEffect(() => {
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
      <span class="soft" role="status">${isBusy ? "reading…" : !shown ? "" : drawn === shown.key ? `${number(shown.length)} characters` : "drawing…"}</span>
    </div>
    ${error && html`<p class="error" role="status">${error}</p>`}
    ${!shown && !error && !isBusy && html`<p class="soft">Write some text first: this tab shows the network's gates while it reads the text.</p>`}
    ${(shown || error) && html`<${Keeps} part=${part} />`}
    ${shown && html`<iframe key=${shown.key} ref=${frame} id="inside" class="inside" src="inside" title="Gates"></iframe>`}
  `;
}

/** How much of a word the model still holds later in the text, and which words it expects next. */
function Keeps({ part }) {
  const [typed, setWord] = useState(""); // on each input: if the frame below is drawn meanwhile, fields get their values anew
  const [after, setAfter] = useState(".");
  const [others, setOthers] = useState("");
  const { found, error, isBusy, set, ask } = useRequest();

  const measure = event => {
    event.preventDefault();
    const [text, word] = [part(), typed.trim()];
    const { model, hold } = steering();
    const isDivided = after && text.includes(after, text.indexOf(word) + word.length);
    const instead = others.split(/[\s,]+/).filter(Boolean);
    set({ found: null });
    ask(() => call("POST", "/v1/keeps", { model, hold, text, word, instead, after: isDivided ? after : null }));
  };
  const fraction = value => (value === null ? "–" : number(value, 2));
  return html`<section class="box" aria-label="A word that is kept">
    <form class="bar" onSubmit=${measure}>
      <h2>How long is a word kept?</h2>
      <label class="soft">word <input id="keeps-word" size="10" maxlength="200" required value=${typed}
        onInput=${event => setWord(event.currentTarget.value)} /></label>
      <label class="soft">compare with <input id="keeps-instead" size="12" maxlength="200" value=${others}
        placeholder="likely words" title="words to put in its place" onInput=${event => setOthers(event.currentTarget.value)} /></label>
      <label class="soft">divide the rest after <input id="keeps-after" size="3" maxlength="200" value=${after}
        onInput=${event => setAfter(event.currentTarget.value)} /></label>
      <button disabled=${isBusy}>${isBusy ? "Reading…" : "Show"}</button>
    </form>
    <p class="error" role="status">${error}</p>
    ${found && html`
      <p class="soft" role="status">The ${found.stretches[0].forget === null ? "hidden" : "cell"} states, compared with those after ${found.instead.map(visible).join(", ")} in place of ${visible(found.word)}:</p>
      <div class="scroll"><table id="keeps">
        <thead><tr><th>after</th><th>of ${visible(found.word)} still held</th><th>forget gates that hold it</th><th>all forget gates</th></tr></thead>
        <tbody>${found.stretches.map(one => html`<tr><td><code>${spaced(one.text)}</code></td>
          <td class="n"><span class="meter"><i style=${{ width: `${one.held * 100}%` }}></i></span>${fraction(one.held)}</td>
          <td class="n">${fraction(one.forget_where_held)}</td><td class="n">${fraction(one.forget)}</td></tr>`)}</tbody>
      </table></div>
      <p>Expected next: ${Object.entries(found.expected).map(([next, p]) => `${visible(next)} ${percent(p)}`).join(", ")}</p>`}
  </section>`;
}
