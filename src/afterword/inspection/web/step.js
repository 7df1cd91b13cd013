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

/** Return step `to`, after reading up to it. */
function step(steps, changes, to) {
  while (steps.length <= to) {
    const t = steps.length, before = steps[t - 1]?.state ?? start, sums = [];
    const [state, p] = model.step(before, ids[t], (layer, values) => {
      for (const one of changes) {
        if (one.layer === layer && one.from <= t && t <= one.to) values[ORDER.indexOf(one.gate) * H + one.unit] = sumOf(one.gate, one.value);
      }
      sums.push(values);
    });
    steps.push({ before, state, p, sums });
  }
  return steps[to];
}
const sum = ({ sums }, gate) => sums[S.layer][ORDER.indexOf(gate) * H + S.unit];
const series = (part, layer, row) => asRead.map(({ state }) => state[part][layer][row]);

function read(text) {
  ids = model.tokenizer.encode(text).slice(0, D.most);
  [T, asRead, now, S.changes, S.at] = [ids.length, [], [], [], 0];
  $("text").innerHTML = ids.map(id => `<b>${shown(model.tokenizer.texts[id] || "�")}</b>`).join("");
}

function change(gate, value) {
  const { layer, unit, at: from } = S, to = $("holds").checked ? Infinity : from;
  S.changes = S.changes.filter(one => !(one.gate === gate && one.layer === layer && one.unit === unit && one.from === from));
  S.changes.push({ gate, layer, unit, from, to, value });
  now.length = Math.min(now.length, from);
  refresh();
}

function release() {
  S.changes = [];
  now = [...asRead];
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
  const k = (S.layer * H + S.unit + by + D.layers.length * H) % (D.layers.length * H);
  chooseUnit(Math.floor(k / H), k % H);
}

function play(on = !S.playing) {
  clearInterval(S.playing);
  S.playing = on ? setInterval(() => S.at < T - 1 ? move(S.at + 1) : play(false), EVERY) : 0;
  $("play").textContent = on ? "stop" : "play";
}

function refresh() {
  if (!T) return;
  const own = step(asRead, [], S.at), { before, state, sums, p } = step(now, S.changes, S.at);
  const gates = Object.fromEntries(ORDER.map(gate => [gate, known(gate, sum({ sums }, gate))]));
  const [old, cell, hidden] = [before.cell, state.cell, state.hidden].map(one => one[S.layer][S.unit]);
  const values = { old, kept: gates.forget * old, added: gates.input * gates.candidate, cell, hidden, tanh: Math.tanh(cell) };
  for (const [part, value] of Object.entries(values)) {
    $(`v-${part}`).textContent = number(value);
    const wire = $(part);
    if (wire) wire.style.cssText = `stroke: rgb(var(--${value < 0 ? "low" : "high"})); stroke-width: ${1 + 5 * Math.abs(Math.tanh(value))}`;
  }
  $("fills").innerHTML = Object.entries(GATES).map(([gate, letter], k) => {
    const v = gates[gate], hue = gate === "candidate" ? (v < 0 ? "low" : "high") : "gate", x = 45 + 94 * k;
    return `<rect x="${x}" y="${222 - 52 * Math.abs(v)}" width="86" height="${52 * Math.abs(v)}" fill="rgb(var(--${hue}) / .3)"/>
      <text class="label" x="${x + 43}" y="190">${gate} ${letter}</text><text class="value" x="${x + 43}" y="211">${number(v)}</text>
      <text class="begin" x="${x + 48}" y="243">${letter === "g" ? "tanh" : "σ"}</text>`;
  }).join("");
  for (const row of $("gates").children) {
    const [slider, gate] = [row.querySelector("input"), row.dataset.gate];
    const isChanged = S.changes.some(one => one.gate === gate && one.layer === S.layer && one.unit === S.unit && one.from <= S.at && S.at <= one.to);
    row.className = isChanged ? "changed" : "";
    slider.value = gates[gate];
    row.querySelector("output").textContent = number(gates[gate]);
    row.lastChild.textContent = isChanged ? `network: ${number(known(gate, sum(own, gate)))}` : `${row.title}(${number(sum({ sums }, gate))})`;
  }
  const likeliest = [...p.keys()].sort((a, b) => p[b] - p[a]).slice(0, 6);
  $("expected").innerHTML = likeliest.map(id => `<div><code>${escape(plain(model.tokenizer.texts[id] || "other"))}</code>
    <span class="meter"><i style="width:${p[id] * 100}%"></i></span><span>${Math.round(p[id] * 100)} %</span>
    <span class="soft">${S.changes.length ? `network: ${Math.round(own.p[id] * 100)} %` : ""}</span></div>`).join("");
  $("unit").value = name(S.layer, S.unit);
  $("release").disabled = !S.changes.length;
  $("live").textContent = `character ${S.at}: ${plain(model.tokenizer.texts[ids[S.at]] || "other")}; ${name(S.layer, S.unit)}: ` +
    [...Object.entries(gates), ["cell state", cell], ["hidden state", hidden]].map(([part, v]) => `${part} ${number(v)}`).join(", ");
  paint();
  clearTimeout(S.reading);
  S.reading = setTimeout(readOn);
}

/** Read the rest of the text, in slices, and then shade it. */
function readOn() {
  const end = performance.now() + SLICE;
  while (now.length < T && performance.now() < end) step(now, S.changes, now.length);
  paint();
  if (now.length < T) S.reading = setTimeout(readOn);
}

function paint() {
  const cells = now.map(({ state }) => state.cell[S.layer][S.unit]), most = Math.max(1e-6, ...cells.map(Math.abs));
  [...$("text").children].forEach((one, t) => {
    const level = Math.round(Math.abs(cells[t] ?? 0) / most * LEVELS);
    one.className = (level ? (cells[t] > 0 ? "p" : "n") + level : "") + (t === S.at ? " at" : "");
  });
  $("shade").innerHTML = `cell state, ${number(-most, 1)} <i style="background: linear-gradient(90deg, rgb(var(--low) / var(--strength)),
    transparent, rgb(var(--high) / var(--strength)))"></i> ${number(most, 1)}`;
}

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
  choosePlaces(T > 1 ? [`0-${Math.floor(T / 2) - 1}`] : []);
  move(0);
  chooseByAddress();
  document.documentElement.dataset.ready = performance.now().toFixed(0);
}

for (const gate of Object.keys(GATES)) {
  const row = document.createElement("label"), least = gate === "candidate" ? -1 : 0;
  row.dataset.gate = gate;
  row.title = gate === "candidate" ? "tanh" : "σ";
  row.innerHTML = `<span>${gate} ${GATES[gate]}</span><input type="range" min="${least}" max="1" step="any" aria-label="${gate}"><output></output><span class="soft"></span>`;
  row.querySelector("input").addEventListener("input", event => change(gate, Number(event.target.value)));
  $("gates").append(row);
}
const KEYS = {
  ArrowLeft: () => move(S.at - 1),
  ArrowRight: () => move(S.at + 1),
  ArrowUp: () => turnUnit(-1),
  ArrowDown: () => turnUnit(1),
  " ": () => play(),
  Escape: release,
  t: () => isFramed() || flip(),
};
listenToKeys(KEYS);
const BUTTONS = {
  previous: ["the character before (key ←)", KEYS.ArrowLeft],
  next: ["the next character (key →)", KEYS.ArrowRight],
  play: ["read on by itself (key space)", KEYS[" "]],
  release: ["give all gates the network's own values (key Esc)", release],
};
for (const [id, [title, act]] of Object.entries(BUTTONS)) {
  const made = button(id, title, act);
  made.id = id;
  $("moves").append(made);
}
$("units").append(button("−", "the unit before (key ↑)", KEYS.ArrowUp), button("+", "the next unit (key ↓)", KEYS.ArrowDown));
$("unit").addEventListener("change", event => {
  const found = unitNamed(event.target.value.trim());
  found ? chooseUnit(...found) : ($("live").textContent = "no such unit", refresh());
});
$("text").addEventListener("click", event => {
  const at = [...$("text").children].indexOf(event.target.closest("b"));
  if (at >= 0) move(at);
});
$("own").addEventListener("input", event => {
  read(event.target.value);
  refresh();
});
const chooseByAddress = () => choosePlaces(location.hash.slice(1).split(":").filter(one => /^(l\d|\d)/.test(one)));
window.addEventListener("hashchange", chooseByAddress);
begin();
