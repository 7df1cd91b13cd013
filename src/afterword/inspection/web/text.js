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
  const gate = GATES.has(S.part), most = number(largest(S.part, S.layer, S.unit), 1);
  $("shade").innerHTML = S.paint === "surprise" ? `0 bits <i></i> ${MOST_BITS} bits and more`
    : S.paint === "unit" && !gate ? legend(`−${most}`, SIGNS, most)
      : legend(0, ["transparent", tint("gate")], number(gate ? 1 : D.meanScale[S.part], 1));
}
