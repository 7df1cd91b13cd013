// One step of one unit: its numbers, what moving its gates does, and the text. The page's own model computes every step.
const { LEVELS } = $shades;
const D = { ...JSON.parse($("data").textContent), layers: [] };
const SIGNED = "cell";
const ORDER = ["input", "forget", "candidate", "output"]; // of the sums of a layer
const GATES = { forget: "f", input: "i", candidate: "g", output: "o" }; // from left to right in the drawing
const EVERY = 700; // milliseconds between the steps of play
const SLICE = 8; // milliseconds of reading at a time
const S = { layer: 0, unit: 0, at: 0, changes: [], playing: 0, reading: 0 };
let model, H, T, ids, start, asRead, now; // the steps of the text as the network takes them, and with the changes

const known = (gate, z) => gate === "candidate" ? Math.tanh(z) : 1 / (1 + Math.exp(-z));
const sumOf = (gate, v) => gate === "candidate" ? Math.atanh(v) : Math.log(v / (1 - v));
const acts = (one, layer, t) => one.layer === layer && one.from <= t && t <= one.to;

/** Return step `to` of `steps`, after reading up to it. */
function step(steps, changes, to) {
  while (steps.length <= to) {
    const t = steps.length, before = steps[t - 1]?.state ?? start, sums = [];
    const [state, p] = model.step(before, ids[t], (layer, values) => {
      for (const one of changes) if (acts(one, layer, t)) values[ORDER.indexOf(one.gate) * H + one.unit] = sumOf(one.gate, one.value);
      sums.push(values);
    });
    steps.push({ before, state, p, sums });
  }
  return steps[to];
}
const sum = ({ sums }, gate) => sums[S.layer][ORDER.indexOf(gate) * H + S.unit];
const series = (part, layer, row) => asRead.map(({ state }) => state[part][layer][row]);
const text = id => model.tokenizer.texts[id] || "�"; // a byte of an unknown character

function read(given) {
  ids = model.tokenizer.encode(given).slice(0, D.most);
  [T, asRead, now, S.changes, S.at] = [ids.length, [], [], [], 0];
  $("text").innerHTML = ids.map(id => `<b>${shown(text(id))}</b>`).join("");
  refresh();
}

function change(gate, value) {
  const { layer, unit, at: from } = S, to = $("holds").checked ? Infinity : from;
  S.changes = S.changes.filter(one => one.gate !== gate || one.layer !== layer || one.unit !== unit || one.from !== from);
  S.changes.push({ gate, layer, unit, from, to, value });
  now.length = Math.min(now.length, from);
  refresh();
}

function release() {
  [S.changes, now, $("holds").checked] = [[], [...asRead], false];
  refresh();
}

function move(to) {
  S.at = Math.max(0, Math.min(T - 1, to));
  refresh();
}

function chooseUnit(layer, unit) {
  [S.layer, S.unit] = [layer, unit];
  refresh();
}

function turnUnit(by) {
  const all = D.layers.length * H, next = (S.layer * H + S.unit + by + all) % all;
  chooseUnit(Math.floor(next / H), next % H);
}

function play(on = !S.playing) {
  clearInterval(S.playing);
  S.playing = on ? setInterval(() => S.at < T - 1 ? move(S.at + 1) : play(false), EVERY) : 0;
  $("play").textContent = on ? "stop" : "play";
}

function refresh() {
  if (!T) return;
  const own = step(asRead, [], S.at), here = step(now, S.changes, S.at), { before, state, p } = here;
  const gates = Object.fromEntries(ORDER.map(gate => [gate, known(gate, sum(here, gate))]));
  const [old, cell, hidden] = [before.cell, state.cell, state.hidden].map(one => one[S.layer][S.unit]);
  const values = { old, kept: gates.forget * old, added: gates.input * gates.candidate, cell, tanh: Math.tanh(cell), hidden };
  for (const [part, value] of Object.entries(values)) {
    $(`v-${part}`).textContent = number(value);
    const colour = `rgb(var(--${value < 0 ? "low" : "high"}))`;
    if ($(part)) $(part).style = `stroke: ${colour}; stroke-width: ${1 + 5 * Math.abs(Math.tanh(value))}`;
  }
  $("boxes").innerHTML = Object.entries(GATES).map(([gate, letter], k) => {
    const v = gates[gate], hue = gate !== "candidate" ? "gate" : v < 0 ? "low" : "high", x = 45 + 94 * k, high = 52 * Math.abs(v);
    return `<rect x="${x}" y="${222 - high}" width="86" height="${high}" fill="rgb(var(--${hue}) / .3)"/>
      <rect x="${x}" y="170" width="86" height="52" rx="5" fill="none" stroke="currentColor"/>
      <text x="${x + 43}" y="190" font-size="12">${gate} ${letter}</text><text x="${x + 43}" y="211" font-weight="650">${number(v)}</text>
      <text x="${x + 48}" y="243" text-anchor="start">${gate === "candidate" ? "tanh" : "σ"}</text>`;
  }).join("");
  for (const row of $("gates").children) {
    const [, slider, value, from] = row.children, { gate } = row.dataset;
    const isChanged = S.changes.some(one => one.gate === gate && one.unit === S.unit && acts(one, S.layer, S.at));
    slider.value = gates[gate];
    value.textContent = number(gates[gate]);
    from.textContent = isChanged ? `was ${number(known(gate, sum(own, gate)))}`
      : `${gate === "candidate" ? "tanh" : "σ"}(${number(sum(here, gate))})`;
  }
  $("expected").innerHTML = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, 6).map(id => `<div><code>${escape(plain(text(id)))}</code>
    <span class="meter"><i style="width:${p[id] * 100}%"></i></span><span>${Math.round(p[id] * 100)} %</span>
    <span class="soft">${S.changes.length ? `was ${Math.round(own.p[id] * 100)} %` : ""}</span></div>`).join("");
  $("unit").value = name(S.layer, S.unit);
  $("release").disabled = !S.changes.length;
  $("live").textContent = `character ${S.at}: ${plain(text(ids[S.at]))}; ${name(S.layer, S.unit)}: ` +
    Object.entries({ ...gates, "cell state": cell, "hidden state": hidden }).map(([part, v]) => `${part} ${number(v)}`).join(", ");
  readOn();
}

/** Shade what was read, and read the rest in slices. */
function readOn() {
  const cells = now.map(({ state }) => state.cell[S.layer][S.unit]), most = Math.max(1e-6, ...cells.map(Math.abs));
  [...$("text").children].forEach((one, t) => {
    const level = Math.round(Math.abs(cells[t] ?? 0) / most * LEVELS), sign = cells[t] > 0 ? "p" : "n";
    const wanted = (level ? sign + level : "") + (t === S.at ? " at" : "");
    if (one.className !== wanted) one.className = wanted;
  });
  $("shade").innerHTML = `cell state, ${legend(number(-most, 1), SIGNS, number(most, 1))}`;
  clearTimeout(S.reading);
  if (now.length < T) {
    S.reading = setTimeout(() => {
      for (const end = performance.now() + SLICE; now.length < T && performance.now() < end;) step(now, S.changes, now.length);
      readOn();
    });
  }
}

const chooseByAddress = () => choosePlaces(location.hash.slice(1).split(":").filter(one => /^l?\d/.test(one)));

async function begin() {
  model = await $engine.load();
  H = model.facts.hidden;
  D.layers = model.layers.map(() => ({ units: Array.from({ length: H }, (_, unit) => unit) }));
  start = model.start();
  if (model.facts.boundary !== null) [start] = model.step(start, model.facts.boundary);
  $("about").textContent = D.about;
  $("own").value = D.text;
  read(D.text);
  step(asRead, [], T - 1);
  now = [...asRead];
  // at first, the unit whose cell state tells the two halves of the text apart
  choosePlaces([T > 1 ? `0-${Math.floor(T / 2) - 1}` : "l0.u0", "0"]);
  chooseByAddress();
  if (location.hash) document.querySelector("header").style.display = "none"; // as on the page of gates
  document.documentElement.dataset.ready = performance.now().toFixed(0);
}

$("gates").innerHTML = Object.entries(GATES).map(([gate, letter]) => `<label data-gate="${gate}"><span>${gate} ${letter}</span>
  <input type="range" min="${gate === "candidate" ? -1 : 0}" max="1" step="any"><b></b><span class="soft"></span></label>`).join("");
$("gates").addEventListener("input", ({ target }) => change(target.parentElement.dataset.gate, Number(target.value)));
const ACTS = [ // a key, what it does, and the label and the title of its button
  ["ArrowLeft", () => move(S.at - 1), "previous", "the character before (key ←)"],
  ["ArrowRight", () => move(S.at + 1), "next", "the next character (key →)"],
  [" ", () => play(), "play", "read on by itself (key space)"],
  ["Escape", release, "release", "give all gates the network's own values (key Esc)"],
  ["ArrowUp", () => turnUnit(-1), "−", "the unit before (key ↑)"],
  ["ArrowDown", () => turnUnit(1), "+", "the next unit (key ↓)"],
];
listenToKeys({ ...Object.fromEntries(ACTS), t: () => isFramed() || flip() });
for (const [, act, label, title] of ACTS) {
  const made = button(label, title, act);
  made.id = label;
  $(label.length > 1 ? "moves" : "units").append(made);
}
$("unit").addEventListener("change", ({ target }) => chooseUnit(...(unitNamed(target.value.trim()) ?? [S.layer, S.unit])));
$("text").addEventListener("click", ({ target }) => target.matches("b") && move([...$("text").children].indexOf(target)));
$("own").addEventListener("input", ({ target }) => read(target.value));
window.addEventListener("hashchange", chooseByAddress);
begin();
