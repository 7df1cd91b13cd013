// The text, each character on its shade.
const LEVELS = 12;
function sheet() {
  let rules = "";
  for (const [kind, hue] of [["s", "high"], ["p", "high"], ["n", "low"], ["g", "gate"]])
    for (let k = 1; k <= LEVELS; k++) rules += `#text b.${kind}${k}{background:rgb(var(--${hue}) / calc(var(--strength)*${(k / LEVELS).toFixed(3)}))}`;
  document.head.appendChild(Object.assign(document.createElement("style"), { textContent: rules }));
}
const escape = s => s.replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const shown = token => escape(token).replace(/\t/g, "→\t").replace(/\n/g, "↵\n");
const plain = token => token === " " ? "␣" : token.replace(/\n/g, "↵").replace(/\t/g, "→");
let spans;
function writeText() {
  $("text").innerHTML = D.tokens.map(token => `<b>${shown(token)}</b>`).join("");
  spans = $("text").children;
}
function level(t) {
  if (S.paint === "surprise") { const k = Math.min(LEVELS, Math.round(surprise(t) / 8 * LEVELS)); return k ? `s${k}` : ""; }
  let v = S.paint === "unit" ? series(S.part, S.layer, S.unit)[t] / range(S.part, S.layer) : mean(S.part, S.layer, t) / D.meanScale[S.part];
  const k = Math.min(LEVELS, Math.round(Math.abs(v) * LEVELS));
  return k ? (GATES.has(S.part) || S.paint === "mean" ? "g" : v > 0 ? "p" : "n") + k : "";
}
function paintText() {
  const a = Math.min(S.from, S.to), b = Math.max(S.from, S.to);
  for (let t = 0; t < T; t++) {
    const wanted = level(t) + (D.tokens[t] === "\n" ? " end" : "") + (S.from >= 0 && t >= a && t <= b ? " in" : "") + (t === S.at ? " at" : "");
    if (spans[t].className !== wanted) spans[t].className = wanted;
  }
  const gate = GATES.has(S.part), unit = S.paint === "unit", grade = "linear-gradient(90deg, transparent, rgb(var(--X) / var(--strength)))";
  $("shade").innerHTML = S.paint === "surprise" ? `0 bits <i style="background:${grade.replace("X", "high")}"></i> 8 bits and more`
    : unit && !gate ? `${number(-range(S.part, S.layer), 1)} <i style="background:linear-gradient(90deg, rgb(var(--low) / var(--strength)), transparent, rgb(var(--high) / var(--strength)))"></i> ${number(range(S.part, S.layer), 1)}`
    : `0 <i style="background:${grade.replace("X", "gate")}"></i> ${number(gate ? 1 : D.meanScale[S.part], 1)}`;
}
const number = (v, digits = 2) => { const s = Math.abs(v).toFixed(digits); return (v < 0 && Number(s) ? "−" : "") + s; };
