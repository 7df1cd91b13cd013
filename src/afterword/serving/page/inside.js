// The gates' view of the text at hand: the page that `afterword inspect --html` makes, in a frame.

import { call, isAbort } from "./api.js";
import { steering } from "./settings.js";
import { page, useStore } from "./state.js";
import { html, render, useEffect, useRef, useState } from "./vendor/preact.js";
import { number } from "./words.js";

const USUAL = 1000; // characters, which a frame draws in a moment

export function begin(panel, writer) {
  render(html`<${Inside} writer=${writer} />`, panel);
}

function Inside({ writer }) {
  const { tab, model } = useStore(page);
  const [most, setMost] = useState(USUAL);
  const [shown, setShown] = useState(null); // {html, key, length}
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const abort = useRef(null);
  const looked = useRef(null);
  const frame = useRef(null);

  const look = async () => {
    const end = Math.max(writer.caret, Math.min(most, writer.text.length));
    const text = writer.text.slice(Math.max(0, end - most), end);
    const { model, hold, with: which } = steering();
    const body = { model, text, format: "html", hold, with: which };
    const key = JSON.stringify(body);
    if (key === looked.current) return;
    looked.current = key;
    abort.current?.abort();
    setError(null);
    if (!text) return setShown(null);
    abort.current = new AbortController();
    const { signal } = abort.current;
    setBusy(true);
    try {
      const found = await call("POST", "/v1/gates", body, signal);
      if (!signal.aborted) setShown({ html: found.html, key, length: text.length });
    } catch (problem) {
      if (isAbort(problem)) return;
      looked.current = null;
      setShown(null);
      setError(problem.message);
    }
    if (!signal.aborted) setBusy(false);
  };
  useEffect(() => {
    if (tab === "inside") look();
  }, [tab, model, most]);
  useEffect(() => {
    const hear = ({ data, origin, source }) => {
      if (data !== "ready" || origin !== location.origin || source !== frame.current?.contentWindow) return;
      source.postMessage({ html: shown.html }, location.origin);
    };
    addEventListener("message", hear);
    return () => removeEventListener("message", hear);
  }, [shown]);

  return html`
    <div class="bar">
      <label class="soft">the last <input id="inside-most" type="number" min="1" max="20000" step="100" value=${most}
        onChange=${event => setMost(Math.max(1, event.currentTarget.valueAsNumber || USUAL))} /> characters up to the cursor</label>
      <span class="soft" role="status">${isBusy ? "reading…" : shown ? `${number(shown.length)} characters` : ""}</span>
    </div>
    ${error && html`<p class="error" role="status">${error}</p>`}
    ${!shown && !error && !isBusy && html`<p class="soft">Write something first: this is where to see what the network's gates do with it.</p>`}
    ${shown && html`<iframe key=${shown.key} ref=${frame} id="inside" class="inside" src="/inside" title="What the gates do"></iframe>`}
  `;
}
