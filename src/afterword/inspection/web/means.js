// The means over each layer, along the whole text.
const DASHES = [
  [],
  [6, 3],
  [2, 3],
  [8, 3, 2, 3]
];
const HUES = {
  light: ["#0072b2", "#c45500", "#8a4f7d", "#00785a"],
  dark: ["#56b4e9", "#e69f00", "#cc9bc0", "#3ecf9f"],
};
const hue = layer => HUES[isDark() ? "dark" : "light"][layer % 4];

function drawMeans() {
  const canvas = $("means"),
    room = canvas.clientWidth,
    dpr = window.devicePixelRatio || 1,
    context = canvas.getContext("2d"),
    high = 74;
  canvas.width = room * dpr;
  canvas.height = high * dpr;
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  context.strokeStyle = context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--line");
  context.strokeRect(.5, .5, room - 1, high - 1);
  const a = leftmost() / T * room,
    b = Math.min(room, ($("scroll").scrollLeft + parseFloat($("map").style.width)) / S.width / T * room);
  context.globalAlpha = .35;
  context.fillRect(a, 0, b - a, high);
  context.globalAlpha = 1;
  const step = Math.max(1, Math.floor(T / (room * 2)));
  for (let layer = 0; layer < L; layer++) {
    context.strokeStyle = hue(layer);
    context.setLineDash(DASHES[layer % 4]);
    context.lineWidth = 1.4;
    context.beginPath();
    for (let t = 0; t < T; t += step) {
      let sum = 0,
        n = 0;
      for (let k = t; k < Math.min(T, t + step); k++, n++) sum += mean(S.part, layer, k);
      const x = (t + step / 2) / T * room,
        y = high - 4 - sum / n / D.meanScale[S.part] * (high - 8);
      t ? context.lineTo(x, y) : context.moveTo(x, y);
    }
    context.stroke();
  }
  context.setLineDash([]);
  context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--mark");
  context.beginPath();
  context.moveTo((S.at + .5) / T * room, 0);
  context.lineTo((S.at + .5) / T * room, high);
  context.stroke();
  const [what, highest] = GATES.has(S.part) ? ["mean", "1"] : ["mean size", number(D.meanScale[S.part])];
  $("curves").textContent = `${what} of the ${NAMES[S.part]} along the whole text, 0 to ${highest}`;
  $("lines").innerHTML = D.layers.map((_, k) => `<svg width="30" height="8"><line x1="0" x2="30" y1="4" y2="4"
    stroke="${hue(k)}" stroke-width="2" stroke-dasharray="${DASHES[k % 4]}"/></svg>l${k}`).join(" ");
}
