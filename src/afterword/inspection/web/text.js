// The text, each character on its shade.
const { LEVELS, MOST_BITS, levelOf } = $shades;
let spans;

function writeText() {
  $("text").innerHTML = D.tokens.map(token => `<b>${shown(token)}</b>`).join("");
  spans = $("text").children;
}

function level(t) {
  if (S.paint === "surprise") {
    const k = levelOf(surprise(t));
    return k ? `s${k}` : "";
  }
  const v = S.paint === "unit" ? series(S.part, S.layer, S.unit)[t] / largest(S.part, S.layer, S.unit)
    : mean(S.part, S.layer, t) / D.meanScale[S.part];
  const k = Math.min(LEVELS, Math.round(Math.abs(v) * LEVELS));
  return k ? (GATES.has(S.part) || S.paint === "mean" ? "g" : v > 0 ? "p" : "n") + k : "";
}

function paintText() {
  const [a, b] = selection();
  for (let t = 0; t < T; t++) {
    const wanted = level(t) + (D.tokens[t] === "\n" ? " end" : "") +
      (S.from >= 0 && t >= a && t <= b ? " in" : "") + (t === S.at ? " at" : "");
    if (spans[t].className !== wanted) spans[t].className = wanted;
  }
  const colour = hue => `rgb(var(--${hue}) / var(--strength))`;
  const shades = (...colours) => `<i style="background: linear-gradient(90deg, ${colours.join(", ")})"></i>`;
  const gate = GATES.has(S.part), most = largest(S.part, S.layer, S.unit);
  if (S.paint === "surprise") {
    $("shade").innerHTML = `0 bits <i></i> ${MOST_BITS} bits and more`;
  } else if (S.paint === "unit" && !gate) {
    const all = shades(colour("low"), "transparent", colour("high"));
    $("shade").innerHTML = `${number(-most, 1)} ${all} ${number(most, 1)}`;
  } else {
    const highest = gate ? 1 : D.meanScale[S.part];
    $("shade").innerHTML = `0 ${shades("transparent", colour("gate"))} ${number(highest, 1)}`;
  }
}
