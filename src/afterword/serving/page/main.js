// The start of the page.

import { call, handle, root } from "./api.js";
import { ask } from "./dialogs.js";
import { found, keep } from "./keeping.js";
import { Faces } from "./look.js";
import { limitsIn } from "./settings.js";
import { isUntrained, modelOf, page, useStore } from "./state.js";
import { html, render } from "./vendor/preact.js";
import { number } from "./words.js";
import { begin } from "./write.js";
import { Writer, writing } from "./writer.js";

const MODEL = `afterword.model${root}`; // the name under which the browser stores it
const TRY_AGAIN = 3000; // milliseconds
const byId = id => document.getElementById(id);

const kept = await found();
const writer = new Writer(kept.history);
const keeper = keep(writer, kept, byId("notices"));

handle({
  askKey: wasWrong =>
    ask({
      title: "Key required",
      text: wasWrong ? "The server does not accept this key." : "This server requires a key. The key stays in this tab.",
      field: { type: "password", label: "key" },
      choices: [{ label: "Use key", value: "" }],
    }),
  reach: isReached => {
    if (isReached === page.get().isReached) return;
    page.set({ isReached });
    if (!isReached) setTimeout(lookForServer, TRY_AGAIN);
  },
});

async function lookForServer() {
  const answer = await fetch(`${root}/health`).catch(() => null);
  if (answer?.ok) {
    page.set({ isReached: true });
    await refresh();
  } else setTimeout(lookForServer, TRY_AGAIN);
}

function chooseModel(id) {
  page.set({ model: id });
  localStorage.setItem(MODEL, id);
}

/** Fetch the models and the runs. After an error they stay as they were. */
export async function refresh() {
  try {
    if (!page.get().numbers.length) page.set(limitsIn(await call("GET", "/openapi.json")));
    const { data } = await call("GET", "/v1/models");
    const wanted = page.get().model ?? localStorage.getItem(MODEL);
    page.set({ models: data, model: data.some(({ id }) => id === wanted) ? wanted : (data[0]?.id ?? null) });
    const { data: runs, trains } = await call("GET", "/v1/runs");
    page.set({ runs, trains });
    if (trains && !byId("training").firstChild) (await import("./train.js")).begin(byId("training"), byId("own"), writer, refresh, chooseModel);
  } catch (error) {
    // a notice already says that the server does not answer
    if (page.get().isReached) writing.set({ complaint: { text: error.message, param: null } });
  }
}

// The model, the view and the theme.

function Model() {
  const { models } = useStore(page);
  const chosen = modelOf(page.get());
  if (!chosen) return null;
  const about = chosen.afterword ?? {};
  const facts = [
    about.num_layers && `${about.num_layers} × ${about.hidden_size} ${(about.cell ?? "lstm").toUpperCase()}`,
    about.ngram && `${about.ngram.order}-gram`,
    about.validation && `${number(about.validation.bits_per_character, 3)} bits per character of held-out text`,
  ];
  return html`<p class="soft">
    ${models.length > 1
      ? html`<select id="models" aria-label="model" value=${chosen.id} onChange=${event => chooseModel(event.currentTarget.value)}>
          ${models.map(({ id }) => html`<option value=${id}>${id}</option>`)}
        </select>`
      : html`<b>${chosen.id}</b>`}
    ${" "}<span class="more">${facts.filter(Boolean).join(", ")}</span>
  </p>`;
}

function Look() {
  const { theme } = useStore(page);
  const other = theme === "dark" ? "light" : "dark";
  const flip = () => {
    document.documentElement.dataset.theme = other;
    localStorage.setItem("afterword.theme", other);
    page.set({ theme: other });
  };
  return html`<${Faces} turned=${() => show("write")} />
    <button id="theme" title=${`use ${other} colours`} onClick=${flip}>${other}</button>`;
}

// Tabs. The module of a tab is fetched when the tab is first opened.

const TABS = [
  { id: "write", label: "Write", isThere: () => true },
  { id: "score", label: "Score", isThere: () => true, load: () => import("./score.js") },
  { id: "inside", label: "Gates", isThere: () => true, load: () => import("./inside.js") },
  { id: "watch", label: "Watch", isThere: ({ runs, trains }) => runs.length > 0 || trains, load: () => import("./watch.js") },
];

async function show(id) {
  const { load } = TABS.find(tab => tab.id === id);
  for (const tab of TABS) byId(`panel-${tab.id}`).hidden = tab.id !== id;
  page.set({ tab: id });
  if (id !== "write") writer.stop();
  const panel = byId(`panel-${id}`);
  if (load && !panel.firstChild) (await load()).begin(panel, writer, refresh);
}

function Tabs() {
  const values = useStore(page);
  const there = TABS.filter(({ isThere }) => isThere(values));
  const keys = event => {
    const at = there.findIndex(({ id }) => id === values.tab);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + there.length, Home: 0, End: there.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const { id } = there[to % there.length];
    show(id);
    byId(`tab-${id}`).focus();
  };
  return html`<div role="tablist" aria-label="Sections" onKeyDown=${keys}>
    ${there.map(
      ({ id, label }) =>
        html`<button role="tab" id=${`tab-${id}`} key=${id} aria-controls=${`panel-${id}`} aria-selected=${String(id === values.tab)}
          tabindex=${id === values.tab ? 0 : -1} onClick=${() => show(id)}>${label}</button>`,
    )}
  </div>`;
}

/** Fill the parts that only the full view shows. */
async function furnish() {
  if (page.get().face !== "all" || byId("tree").firstChild) return;
  const [{ Tree }, { Steer }] = await Promise.all([import("./tree.js"), import("./steer.js")]);
  render(html`<${Tree} writer=${writer} details=${byId("branches")} />`, byId("tree"));
  render(html`<${Steer} writer=${writer} details=${byId("steering")} />`, byId("steer"));
}

/** Hide the sheet until the first model is being trained. */
function showSheet(values) {
  document.body.classList.toggle("untrained", isUntrained(values) && !writer.text);
}

const isWide = matchMedia("(min-width: 900px)").matches;
render(html`<${Tabs} />`, byId("tabs"));
render(html`<${Model} />`, byId("model"));
render(html`<${Look} />`, byId("look"));
begin(writer, keeper, kept.caret);

addEventListener("focus", () => page.get().isReached && refresh());

page.listen(showSheet);
page.listen(furnish);
await Promise.all([refresh(), furnish()]);
if (isWide) writer.sheet.focus();
document.documentElement.dataset.ready = performance.now().toFixed(0);
