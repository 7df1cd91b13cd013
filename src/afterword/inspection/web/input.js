// Keys and mouse; the last lines start the page.
const KEYS = {
  ArrowLeft: e => move(S.at - 1, e.shiftKey),
  ArrowRight: e => move(S.at + 1, e.shiftKey),
  Home: e => move(0, e.shiftKey),
  End: e => move(T - 1, e.shiftKey),
  ArrowUp: () => chooseUnit(S.layer, sorted[Math.max(0, sorted.indexOf(S.unit) - 1)]),
  ArrowDown: () => chooseUnit(S.layer, sorted[Math.min(sorted.length - 1, sorted.indexOf(S.unit) + 1)]),
  g: () => {
    S.part = nextOf(PARTS, S.part);
    refresh();
  },
  l: () => {
    S.layer = nextOf(withUnits, S.layer);
    relayer();
  },
  p: () => {
    S.paint = nextOf(["surprise", "unit", "mean"], S.paint);
    refresh();
  },
  f: find,
  s: similar,
  t: () => isFramed() || flip(),
  Escape: () => {
    S.from = S.to = -1;
    refresh();
  },
};
listenToKeys(KEYS);

function spanAt(event) {
  const one = event.target.closest("#text b");
  return one ? Array.prototype.indexOf.call(spans, one) : -1;
}
let hovered = null, dragging = false;

function hover(t, row = S.unit) {
  if (hovered) hovered.classList.remove("hover");
  hovered = t < 0 ? null : spans[t];
  if (hovered) hovered.classList.add("hover");
  t < 0 ? (showHere(), drawOver()) : (showHere(t, row), drawOver(t, row));
}
$("text").addEventListener("mousedown", event => {
  const t = spanAt(event);
  if (t >= 0) {
    dragging = true;
    $("text").focus();
    event.preventDefault();
    move(t, event.shiftKey);
  }
});
$("text").addEventListener("mousemove", event => {
  const t = spanAt(event);
  if (t < 0) return;
  if (!dragging) return hover(t);
  if (t !== S.at) move(t, true);
});
$("text").addEventListener("mouseleave", () => hover(-1));
document.addEventListener("mouseup", () => {
  dragging = false;
});

function place(event) {
  const box = $("map").getBoundingClientRect();
  return {
    t: Math.max(0, Math.min(T - 1, Math.floor((event.clientX - box.left + $("scroll").scrollLeft) / S.width))),
    row: sorted[Math.max(0, Math.min(sorted.length - 1, Math.floor((event.clientY - box.top - top0) / rowHeight)))]
  };
}
$("map").addEventListener("mousemove", event => {
  const at = place(event);
  hover(at.t, at.row);
});
$("map").addEventListener("mouseleave", () => hover(-1));
$("map").addEventListener("click", event => {
  const at = place(event);
  S.at = at.t;
  S.unit = at.row;
  reveal();
  refresh();
});
$("means").addEventListener("click", event => {
  move(Math.floor(event.offsetX / $("means").clientWidth * T), event.shiftKey);
});
let waiting = false;
$("scroll").addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    drawMap();
    drawMeans();
  });
});
$("order").addEventListener("change", event => {
  S.order = event.target.value;
  arrange();
  refresh();
});
$("unit").addEventListener("change", event => {
  const found = unitNamed(event.target.value.trim());
  found ? chooseUnit(...found, true) : ($("live").textContent = "no such unit on this page", press());
});

function zoom(factor) {
  S.zoomed = true;
  S.width = Math.max(1, Math.min(28, Math.round(S.width * factor) + (factor > 1 ? 1 : 0)));
  sizes();
  reveal();
  refresh();
}
$("narrow").addEventListener("click", () => zoom(.7));
$("wide").addEventListener("click", () => zoom(1.3));
$("find").addEventListener("click", find);
$("similar").addEventListener("click", similar);
$("clear").addEventListener("click", KEYS.Escape);

// The address may choose, and hides the head of the page: #forget:20 shades the text by all forget gates and shows
// character 20; #cell:l0.u42:20 shades it by a unit's cell state, and so by its sign; #forget:0-18:20 by the forget gate
// of the unit whose cell state best tells characters 0 to 18 from the others.
function choose() {
  const [part, ...places] = location.hash.slice(1).split(":");
  if (!PARTS.includes(part)) return false;
  [S.part, S.paint] = [part, "mean"];
  choosePlaces(places);
  refresh();
  return true;
}
new ResizeObserver(fit).observe($("frame"));
window.addEventListener("resize", fit);

// Start.
document.title = D.title;
$("about").textContent = D.about;
writeText();
choice("part", PARTS.map(part => [part, part, `${MEANINGS[part]} (key g: next)`]), "part", refresh);
choice(
  "layer",
  withUnits.map(k => [k, `l${k}`, `layer ${k}, counted from the text up (key l: next)`]),
  "layer",
  relayer,
);
choice("paint", [
  ["surprise", "surprise", "how unexpected each character was, in bits (key p: next)"],
  ["unit", "unit", "the chosen unit's gate or state at each character (key p: next)"],
  ["mean", "the layer's mean", "the mean over all units of the layer (key p: next)"],
], "paint", refresh);
S.layer = withUnits[0];
if (isGated) summary();
else for (const one of document.querySelectorAll(".gated")) one.remove();
relayer();
move(0);
if (choose()) document.querySelector("header").style.display = "none";
window.addEventListener("hashchange", choose);
document.documentElement.dataset.ready = performance.now().toFixed(0);
