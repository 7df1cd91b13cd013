// The text, each character on its shade.
const LEVELS = 12;

function sheet() {
  let rules = "";
  const hues = { s: "high", p: "high", n: "low", g: "gate" };  // surprise, positive, negative, gate
  for (const [kind, hue] of Object.entries(hues)) {
    for (let k = 1; k <= LEVELS; k++) {
      const strength = `calc(var(--strength) * ${(k / LEVELS).toFixed(3)})`;
      rules += `#text b.${kind}${k} { background: rgb(var(--${hue}) / ${strength}) }`;
    }
  }
  document.head.appendChild(Object.assign(document.createElement("style"), { textContent: rules }));
}
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = s => s.replace(/[&<>"]/g, c => ENTITIES[c]);
const SIGNS = { "\n": "↵", "\t": "→", "\r": "␍" };
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}|^[\p{Mn}\p{Me}]/gu;
const sign = one => SIGNS[one] ?? `<${one.codePointAt(0).toString(16).toUpperCase()}>`;
const shown = token => escape(token.replace(HIDDEN, one => sign(one) + ("\n\t".includes(one) ? one : "")));
const plain = token => token === " " ? "␣" : token.replace(HIDDEN, sign);
let spans;

function writeText() {
  $("text").innerHTML = D.tokens.map(token => `<b>${shown(token)}</b>`).join("");
  spans = $("text").children;
}

function level(t) {
  if (S.paint === "surprise") {
    const k = Math.min(LEVELS, Math.round(surprise(t) / 8 * LEVELS));
    return k ? `s${k}` : "";
  }
  const v = S.paint === "unit" ? series(S.part, S.layer, S.unit)[t] / range(S.part, S.layer)
    : mean(S.part, S.layer, t) / D.meanScale[S.part];
  const k = Math.min(LEVELS, Math.round(Math.abs(v) * LEVELS));
  return k ? (GATES.has(S.part) || S.paint === "mean" ? "g" : v > 0 ? "p" : "n") + k : "";
}

function paintText() {
  const a = Math.min(S.from, S.to),
    b = Math.max(S.from, S.to);
  for (let t = 0; t < T; t++) {
    const wanted = level(t) + (D.tokens[t] === "\n" ? " end" : "") +
      (S.from >= 0 && t >= a && t <= b ? " in" : "") + (t === S.at ? " at" : "");
    if (spans[t].className !== wanted) spans[t].className = wanted;
  }
  const colour = hue => `rgb(var(--${hue}) / var(--strength))`;
  const shades = (...colours) => `<i style="background: linear-gradient(90deg, ${colours.join(", ")})"></i>`;
  const gate = GATES.has(S.part), most = range(S.part, S.layer);
  if (S.paint === "surprise") {
    $("shade").innerHTML = `0 bits ${shades("transparent", colour("high"))} 8 bits and more`;
  } else if (S.paint === "unit" && !gate) {
    const all = shades(colour("low"), "transparent", colour("high"));
    $("shade").innerHTML = `${number(-most, 1)} ${all} ${number(most, 1)}`;
  } else {
    const highest = gate ? 1 : D.meanScale[S.part];
    $("shade").innerHTML = `0 ${shades("transparent", colour("gate"))} ${number(highest, 1)}`;
  }
}

const number = (v, digits = 2) => {
  const s = Math.abs(v).toFixed(digits);
  return (v < 0 && Number(s) ? "−" : "") + s;
};
