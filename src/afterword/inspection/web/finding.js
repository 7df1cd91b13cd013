// The units for a selection, and the other places where they act alike.
function find() {
  if (S.from < 0) {
    S.from = S.to = S.at;
    refresh();
  }
  const [a, b] = selection();
  if (b - a + 1 === T) {
    $("foundhead").textContent = "Everything is selected: leave a part out to compare with.";
    return;
  }
  const best = unitsFor(S.part, a, b).slice(0, 10);
  $("foundhead").innerHTML = `By the ${nameOf(S.part)}, on in <code>${escape(snippet(a, b))}</code> and off elsewhere:`;
  const show = (one, part) => () => {
    S.part = part;
    chooseUnit(one.layer, one.row, true);
  };
  const row = (one, part) => {
    const made = document.createElement("span"), side = one.up ? "above" : "below";
    const says = `<b>${name(one.layer, one.row)}</b> ${side} ${number(one.middle)}: ${Math.round(one.on * 100)} % here, ${Math.round(one.off * 100)} % elsewhere`;
    made.append(button(says, "show this unit in the heat map and over the text", show(one, part)), " ");
    made.append(button("±", "colour the text by the sign of this unit", show(one, SIGNED)));
    return made;
  };
  $("found").replaceChildren(...best.map(one => row(one, S.part)));
  alike(best.filter((one, k) => k < 8 && (k < 3 || one.on - one.off >= .5)), a, b);
}

function alike(units, a, b) {
  const count = new Uint8Array(T), enough = Math.ceil(units.length * .8), runs = [];
  for (const one of units) {
    const values = series(S.part, one.layer, one.row);
    for (let t = 0; t < T; t++) if (values[t] > one.middle === one.up) count[t]++;
  }
  for (let t = 0; t < T; t++) {
    if (count[t] < enough) continue;
    let end = t, sum = 0;
    while (end < T && count[end] >= enough) sum += count[end++];
    const length = end - t;
    if (end <= a || t > b) runs.push({ from: t, to: end - 1, fraction: sum / length / units.length, length });
    t = end;
  }
  const nearness = run => run.fraction - Math.abs(Math.log(run.length / (b - a + 1))) / 4;
  runs.sort((x, y) => nearness(y) - nearness(x));
  const others = runs.length === 1 ? "other place:" : "other places; nearest first:";
  const where = runs.length ? `at ${runs.length.toLocaleString("en")} ${others}` : "nowhere else.";
  $("alikehead").textContent = `The first ${units.length} of them act alike ${where}`;
  listPlaces(runs);
}

// The places where the layer's hidden state is nearest to the one here, by Euclidean distance.
function similar() {
  const units = D.layers[S.layer].units.map((_, row) => series("hidden", S.layer, row));
  const apart = D.tokens.map((_, t) => Math.sqrt(units.reduce((sum, h) => sum + (h[t] - h[S.at]) ** 2, 0)));
  const mean = apart.reduce((sum, one) => sum + one, 0) / (T - 1);
  const near = apart.map((one, t) => ({ from: t, to: t, note: ` ${Math.round(one / mean * 100)} %` })).filter(({ from }) => from !== S.at);
  $("alikehead").innerHTML = `Nearest to the hidden state of l${S.layer} at ${S.at} ` +
    `<code>${escape(text(S.at - 14, S.at))}</code>, by the distance in percent of the mean distance:`;
  listPlaces(near.sort((x, y) => apart[x.from] - apart[y.from]));
}

function listPlaces(places) {
  $("alike").replaceChildren(...places.slice(0, 14).map(({ from, to, note = "" }) => button(
    `${from}: <code>${escape(text(from - 14, from - 1))}<mark>${escape(snippet(from, to))}</mark>` +
    `${escape(text(to + 1, to + 14))}</code>${note}`,
    "select this place", () => {
      S.at = S.from = from;
      S.to = to;
      reveal();
      refresh();
    })));
}
const text = (a, b) => D.tokens.slice(Math.max(0, a), Math.max(0, b + 1)).map(plain).join("");
const snippet = (a, b) => b - a < 40 ? text(a, b) : `${text(a, a + 18)}…${text(b - 18, b)}`;
