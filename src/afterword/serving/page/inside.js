// The gates while the model reads the text: the page of `afterword inspect --html`, in a frame. Wings add other pages of a
// text, as `views`.

import { added, call } from "./api.js";
import { steering } from "./settings.js";
import { modelOf, page, useRequest, useStore } from "./state.js";
import { html, render, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js";
import { number } from "./words.js";

const USUAL = 1000; // characters, which a frame draws quickly
const GATES = { label: "all units", path: "/v1/gates" };
const VIEWS = [GATES, ...(await added("views"))]; // one may have a `most`: it shows as many characters at the end

export function begin(panel, writer) {
  render(html`<${Inside} writer=${writer} />`, panel);
}

function Inside({ writer }) {
  const values = useStore(page);
  const { tab, model, theme } = values;
  const readsLines = Boolean(modelOf(values)?.afterword?.lines);
  const [most, setMost] = useState(USUAL);
  const [view, setView] = useState(GATES);
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
    const text = view.most ? part().slice(-view.most) : part();
    const { model, hold } = steering();
    const body = { model, text, hold };
    const key = JSON.stringify([view.path, body]);
    if (key === shown?.key) return;
    ask(async signal => (text ? { ...(await call("POST", view.path, body, signal)), key, length: text.length } : null));
  };
  useEffect(() => {
    if (tab === "inside") look();
  }, [tab, model, most, view]);
  useLayoutEffect(() => { // at once: a new frame that says it is ready must get the current page, not the previous one
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
      ${VIEWS.length > 1 && html`<span class="choice" role="group" aria-label="Page">${VIEWS.map(one =>
        html`<button aria-pressed=${String(one === view)} onClick=${() => setView(one)}>${one.label}</button>`)}</span>`}
      <span class="soft" role="status">${isBusy ? "reading…" : !shown ? "" : drawn === shown.key ? `${number(shown.length)} characters` : "drawing…"}</span>
    </div>
    ${error && html`<p class="error" role="status">${error}</p>`}
    ${!shown && !error && !isBusy && html`<p class="soft">Write some text first: this tab shows the network's gates while it reads the text.</p>`}
    ${shown && html`<iframe key=${shown.key} ref=${frame} id="inside" class="inside" src="inside" title="Gates"></iframe>`}
  `;
}
