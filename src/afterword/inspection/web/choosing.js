// The selection, and everything that shows it.
function choice(id, options, key, after) {
  $(id).replaceChildren(...options.map(([value, label, title]) => {
    const made = button(label, title, () => {
      S[key] = value;
      after();
    });
    made.dataset.value = value;
    return made;
  }));
}

function press() {
  for (const key of ["part", "layer", "paint"]) {
    for (const one of $(key).children) one.setAttribute("aria-pressed", one.dataset.value === String(S[key]));
  }
  const unit = [...$("paint").children].find(one => one.dataset.value === "unit");
  unit.textContent = `unit ${name(S.layer, S.unit)}`;
  $("unit").value = name(S.layer, S.unit);
  $("stretch").textContent = S.from < 0 ? "" : `${Math.abs(S.to - S.from) + 1} characters selected`;
  $("clear").disabled = S.from < 0;
  $("meaning").textContent = MEANINGS[S.part];
  const shown = D.everyUnit ? "all" : `${sorted.length} of the`, most = range(S.part, S.layer);
  $("labels").textContent = `${shown} ${D.hidden} units of l${S.layer}`;
  const [low, high] = GATES.has(S.part) ? ["shut 0", "1 open"] : [number(-most, 1), number(most, 1)];
  $("scale").innerHTML = `${low} <i style="background:${ramp(S.part)}"></i> ${high}`;
}

function refresh() {
  press();
  paintText();
  showHere();
  drawMap();
  drawMeans();
}

function relayer() {
  S.unit = 0;
  arrange();
  S.unit = sorted[0] ?? 0;
  sizes();
  refresh();
}

function chooseUnit(layer, row, paint) {
  if (layer !== S.layer) {
    S.layer = layer;
    arrange();
    sizes();
  }
  S.unit = row;
  if (paint) S.paint = "unit";
  refresh();
}

function reveal() {
  const x = S.at * S.width, scroll = $("scroll");
  if (x < scroll.scrollLeft || x + S.width > scroll.scrollLeft + scroll.clientWidth) {
    scroll.scrollLeft = x - scroll.clientWidth / 3;
  }
  const span = spans[S.at], box = $("text");
  if (span.offsetTop < box.scrollTop || span.offsetTop + 28 > box.scrollTop + box.clientHeight) {
    box.scrollTop = span.offsetTop - box.clientHeight / 3;
  }
}

function move(to, select) {
  to = Math.max(0, Math.min(T - 1, to));
  if (select) {
    if (S.from < 0) S.from = S.at;
    S.to = to;
  } else S.from = S.to = -1;
  S.at = to;
  reveal();
  refresh();
}

const nextOf = (list, now) => list[(list.indexOf(now) + 1) % list.length];
const withUnits = D.layers.map((layer, k) => layer.units.length ? k : -1).filter(k => k >= 0);
