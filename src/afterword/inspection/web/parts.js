// What the pages of gates and of one step share. Each has its data D, the length T of its text, and these functions:
// series(part, layer, row) returns values along the text; chooseUnit, move and refresh show what was chosen.
const $ = id => document.getElementById(id);
const { HIDDEN, sign, visible } = $words;
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = s => s.replace(/[&<>"]/g, c => ENTITIES[c]);
const shown = token => escape(token.replace(HIDDEN, one => sign(one) + ("\n\t".includes(one) ? one : "")));
const plain = token => token === " " ? "␣" : visible(token);

const number = (v, digits = 2) => {
  const s = Math.abs(v).toFixed(digits);
  return (v < 0 && Number(s) ? "−" : "") + s;
};

function button(html, title, click, disabled = false) {
  const made = document.createElement("button");
  made.innerHTML = html;
  made.title = title;
  made.disabled = disabled;
  made.addEventListener("click", click);
  return made;
}

// Legends of the colours.
const tint = hue => `rgb(var(--${hue}) / var(--strength))`;
const SIGNS = [tint("low"), "transparent", tint("high")];
const legend = (low, colours, high) => `${low} <i style="background: linear-gradient(90deg, ${colours})"></i> ${high}`;

// Units.
const name = (layer, row) => `l${layer}.u${D.layers[layer].units[row]}`;

function unitNamed(given) { // the layer and the row of a unit of the page, by its name
  const [, layer, unit] = /^l(\d+)\.u(\d+)$/.exec(given) ?? [];
  const row = D.layers[layer]?.units.indexOf(Number(unit)) ?? -1;
  return row < 0 ? null : [Number(layer), row];
}

// The units of the page, those first that are most often on from a to b and off elsewhere.
const unitsFor = (part, a, b) =>
  D.layers.flatMap(({ units }, layer) => units.map((_, row) => ({ layer, row, ...judged(series(part, layer, row), a, b) })))
    .sort((x, y) => (y.on - y.off) - (x.on - x.off));

// The value halfway between the means from a to b and elsewhere, whether the unit is up there, how often it is on, and
// how far the means are apart, in standard deviations.
function judged(values, a, b) {
  const here = values.slice(a, b + 1), elsewhere = [...values.slice(0, a), ...values.slice(b + 1)];
  const mean = some => some.reduce((sum, v) => sum + v, 0) / some.length;
  const deviation = (some, from) => Math.sqrt(mean(some.map(v => (v - from) ** 2)));
  const [high, low] = [mean(here), mean(elsewhere)], middle = (high + low) / 2, up = high > middle;
  const [on, off] = [here, elsewhere].map(some => some.filter(v => v > middle === up).length / some.length);
  return { middle, up, on, off, apart: Math.abs(high - low) / (deviation(here, high) + deviation(elsewhere, low)) };
}

// Choose the places of an address: l0.u42 is a unit, 20 a character, and 4-19 the unit whose cell state, or hidden state
// if it has none, best tells characters 4 to 19 from the others.
function choosePlaces(places) {
  for (const place of places) {
    const [a, b] = (/^(\d+)-(\d+)$/.exec(place) ?? []).slice(1).map(Number);
    const units = a <= b && b < T && b - a + 1 < T ? unitsFor(SIGNED, a, b) : [];
    const [unit] = units.sort((x, y) => y.apart - x.apart);
    if (unit) chooseUnit(unit.layer, unit.row, true);
    else if (unitNamed(place)) chooseUnit(...unitNamed(place), true);
    else move(parseInt(place, 10) || 0);
  }
}

// The theme, which the page around a frame has.
const isDark = () => document.documentElement.dataset.theme === "dark";
const isFramed = () => document.documentElement.classList.contains("framed");

function theme(next) {
  document.documentElement.dataset.theme = next;
  $("theme").textContent = next === "dark" ? "light" : "dark";
  $("theme").title = `${$("theme").textContent} colours (key t)`;
}

function flip() {
  theme(isDark() ? "light" : "dark");
  refresh();
}
$("theme").addEventListener("click", flip);
theme(document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
window.addEventListener("message", ({ data, source }) => {
  if (source !== window.parent || source === window || !["light", "dark"].includes(data?.theme)) return;
  if (data.theme === "dark" !== isDark()) flip();
  if (isFramed()) return;
  document.documentElement.classList.add("framed");
  new ResizeObserver(() => source.postMessage({ height: document.body.offsetHeight }, "*")).observe(document.body); // a file has no origin
});

// Keys act unless the focus is in a field.
function listenToKeys(keys) {
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key](event);
  });
}
