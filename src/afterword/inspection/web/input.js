// Keys and mouse.
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
  t: flip,
  Escape: () => {
    S.from = S.to = -1;
    refresh();
  },
};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT"].includes(event.target.tagName)) return;
  const act = KEYS[event.key];
  if (act) {
    event.preventDefault();
    act(event);
  }
});

function spanAt(event) {
  const one = event.target.closest("#text b");
  return one ? Array.prototype.indexOf.call(spans, one) : -1;
}
let hovered = null,
  dragging = false;

function hover(t, row = S.unit) {
  if (hovered) hovered.classList.remove("hover");
  hovered = t < 0 ? null : spans[t];
  if (hovered) hovered.classList.add("hover");
  S.hover = t;
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
  if (!waiting) {
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      drawMap();
      drawMeans();
    });
  }
});
$("order").addEventListener("change", event => {
  S.order = event.target.value;
  arrange();
  refresh();
});
$("unit").addEventListener("change", event => {
  const found = /^l(\d+)\.u(\d+)$/.exec(event.target.value.trim()),
    layer = found ? Number(found[1]) : -1;
  const row = D.layers[layer] ? D.layers[layer].units.indexOf(Number(found[2])) : -1;
  row < 0 ? ($("live").textContent = "no such unit on this page", press()) : chooseUnit(layer, row, true);
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
$("clear").addEventListener("click", KEYS.Escape);
$("theme").addEventListener("click", flip);
new ResizeObserver(fit).observe($("frame"));
window.addEventListener("resize", fit);
