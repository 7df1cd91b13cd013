// What is chosen: by buttons, keys and mouse.
function choice(id, options, key, after) {
  $(id).replaceChildren(...options.map(([value, label, title]) => {
    const made = button(label, title, () => { S[key] = value; after(); });
    made.dataset.value = value;
    return made;
  }));
}
function press() {
  for (const [id, key] of [["part", "part"], ["layer", "layer"], ["paint", "paint"]])
    for (const one of $(id).children) one.setAttribute("aria-pressed", one.dataset.value === String(S[key]));
  const unit = [...$("paint").children].find(one => one.dataset.value === "unit");
  unit.textContent = `unit ${name(S.layer, S.unit)}`;
  $("unit").value = name(S.layer, S.unit);
  $("stretch").textContent = S.from < 0 ? "" : `${Math.abs(S.to - S.from) + 1} characters selected`;
  $("clear").disabled = S.from < 0;
  $("meaning").textContent = MEANINGS[S.part];
  $("labels").textContent = D.everyUnit ? `all ${D.hidden} units of l${S.layer}` : `${sorted.length} of the ${D.hidden} units of l${S.layer}`;
  $("scale").innerHTML = `${GATES.has(S.part) ? "shut 0" : number(-range(S.part, S.layer), 1)} <i style="background:${ramp(S.part)}"></i> ${GATES.has(S.part) ? "1 open" : number(range(S.part, S.layer), 1)}`;
}
function refresh() { press(); paintText(); showHere(); drawMap(); drawMeans(); }
function relayer() { S.unit = 0; arrange(); S.unit = sorted[0] ?? 0; sizes(); refresh(); }
function chooseUnit(layer, row, paint) {
  if (layer !== S.layer) { S.layer = layer; arrange(); sizes(); }
  S.unit = row;
  if (paint) S.paint = "unit";
  refresh();
}
function reveal() {
  const x = S.at * S.width, scroll = $("scroll");
  if (x < scroll.scrollLeft || x + S.width > scroll.scrollLeft + scroll.clientWidth) scroll.scrollLeft = x - scroll.clientWidth / 3;
  const span = spans[S.at], box = $("text");
  if (span.offsetTop < box.scrollTop || span.offsetTop + 28 > box.scrollTop + box.clientHeight) box.scrollTop = span.offsetTop - box.clientHeight / 3;
}
function move(to, select) {
  to = Math.max(0, Math.min(T - 1, to));
  if (select) { if (S.from < 0) S.from = S.at; S.to = to; } else S.from = S.to = -1;
  S.at = to; reveal(); refresh();
}
function theme(next) {
  document.documentElement.dataset.theme = next;
  $("theme").textContent = next === "dark" ? "light" : "dark";
  $("theme").title = `${$("theme").textContent} colours (key t)`;
  const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
  document.documentElement.style.setProperty("--accent-rgb", accent.match(/\w\w/g).map(x => parseInt(x, 16)).join(" "));
}
const nextOf = (list, now) => list[(list.indexOf(now) + 1) % list.length];
function flip() { theme(isDark() ? "light" : "dark"); refresh(); }
const withUnits = D.layers.map((layer, k) => layer.units.length ? k : -1).filter(k => k >= 0);
const KEYS = {
  ArrowLeft: e => move(S.at - 1, e.shiftKey), ArrowRight: e => move(S.at + 1, e.shiftKey),
  Home: e => move(0, e.shiftKey), End: e => move(T - 1, e.shiftKey),
  ArrowUp: () => chooseUnit(S.layer, sorted[Math.max(0, sorted.indexOf(S.unit) - 1)]),
  ArrowDown: () => chooseUnit(S.layer, sorted[Math.min(sorted.length - 1, sorted.indexOf(S.unit) + 1)]),
  g: () => { S.part = nextOf(PARTS, S.part); refresh(); }, l: () => { S.layer = nextOf(withUnits, S.layer); relayer(); },
  p: () => { S.paint = nextOf(["surprise", "unit", "mean"], S.paint); refresh(); },
  f: find, t: flip, Escape: () => { S.from = S.to = -1; refresh(); },
};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT"].includes(event.target.tagName)) return;
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(event); }
});
function spanAt(event) {
  const one = event.target.closest("#text b");
  return one ? Array.prototype.indexOf.call(spans, one) : -1;
}
let hovered = null, dragging = false;
function hover(t, row = S.unit) {
  if (hovered) hovered.classList.remove("hover");
  hovered = t < 0 ? null : spans[t];
  if (hovered) hovered.classList.add("hover");
  S.hover = t;
  t < 0 ? (showHere(), drawOver()) : (showHere(t, row), drawOver(t, row));
}
$("text").addEventListener("mousedown", event => { const t = spanAt(event); if (t >= 0) { dragging = true; $("text").focus(); event.preventDefault(); move(t, event.shiftKey); } });
$("text").addEventListener("mousemove", event => {
  const t = spanAt(event);
  if (t < 0) return;
  if (!dragging) return hover(t);
  if (t !== S.at) move(t, true);
});
$("text").addEventListener("mouseleave", () => hover(-1));
document.addEventListener("mouseup", () => { dragging = false; });
function place(event) {
  const box = $("map").getBoundingClientRect();
  return { t: Math.max(0, Math.min(T - 1, Math.floor((event.clientX - box.left + $("scroll").scrollLeft) / S.width))),
    row: sorted[Math.max(0, Math.min(sorted.length - 1, Math.floor((event.clientY - box.top - top0) / rowHeight)))] };
}
$("map").addEventListener("mousemove", event => { const at = place(event); hover(at.t, at.row); });
$("map").addEventListener("mouseleave", () => hover(-1));
$("map").addEventListener("click", event => { const at = place(event); S.at = at.t; S.unit = at.row; reveal(); refresh(); });
$("means").addEventListener("click", event => move(Math.floor(event.offsetX / $("means").clientWidth * T), event.shiftKey));
let waiting = false;
$("scroll").addEventListener("scroll", () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; drawMap(); drawMeans(); }); } });
$("order").addEventListener("change", event => { S.order = event.target.value; arrange(); refresh(); });
$("unit").addEventListener("change", event => {
  const found = /^l(\d+)\.u(\d+)$/.exec(event.target.value.trim()), layer = found ? Number(found[1]) : -1;
  const row = D.layers[layer] ? D.layers[layer].units.indexOf(Number(found[2])) : -1;
  row < 0 ? ($("live").textContent = "no such unit on this page", press()) : chooseUnit(layer, row, true);
});
function zoom(factor) { S.zoomed = true; S.width = Math.max(1, Math.min(28, Math.round(S.width * factor) + (factor > 1 ? 1 : 0))); sizes(); reveal(); refresh(); }
$("narrow").addEventListener("click", () => zoom(.7)); $("wide").addEventListener("click", () => zoom(1.3));
$("find").addEventListener("click", find);
$("clear").addEventListener("click", KEYS.Escape);
$("theme").addEventListener("click", flip);
new ResizeObserver(fit).observe($("frame"));
window.addEventListener("resize", fit);
