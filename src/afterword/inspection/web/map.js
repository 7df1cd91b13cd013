// The heat map of units against characters, and the means below it.
let sorted = [], rowHeight = 8, top0 = 0, image;

function arrange() {
  const layer = D.layers[S.layer];
  sorted = layer.units.map((_, k) => k);
  if (S.order === "number") sorted.sort((a, b) => layer.units[a] - layer.units[b]);
  if (S.order === "memory") sorted.sort((a, b) => layer.memory[b] - layer.memory[a]);
}
let fitted = ""; // the room and the screen's resolution that the sizes are for
const roomNow = () => `${$("frame").clientWidth} ${window.devicePixelRatio}`;

function sizes() {
  const room = $("frame").clientWidth;
  fitted = roomNow();
  if (!S.zoomed) S.width = Math.max(4, Math.min(20, Math.floor(room / T)));
  rowHeight = Math.max(1, Math.min(14, Math.floor(430 / Math.max(1, sorted.length))));
  top0 = S.width >= 8 ? 18 : 0;
  const width = Math.min(room, T * S.width),
    height = top0 + rowHeight * sorted.length;
  for (const canvas of [$("map"), $("over")]) {
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    cleared(canvas, width, height);
  }
  $("scroll").lastElementChild.style.width = `${T * S.width}px`;
}

// A canvas of this size in pixels of the page, empty, at the screen's resolution.
function cleared(canvas, width, height) {
  const dpr = window.devicePixelRatio || 1, context = canvas.getContext("2d");
  canvas.width = width * dpr;
  canvas.height = height * dpr;
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  return context;
}

function line(context, x, y, toX, toY) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
}

function fit() { // a frame may get its room after it is loaded, lose it and get another
  if (fitted === roomNow()) return;
  sizes();
  refresh();
}
const leftmost = () => Math.max(0, Math.min(T, Math.floor($("scroll").scrollLeft / S.width)));

function drawMap() {
  const canvas = $("map"), context = canvas.getContext("2d"), width = parseFloat(canvas.style.width);
  const first = leftmost(), columns = Math.max(1, Math.min(T - first, Math.ceil(width / S.width) + 1));
  const table = colours(S.part), most = range(S.part, S.layer), gate = GATES.has(S.part);
  const shift = first * S.width - $("scroll").scrollLeft;
  context.clearRect(0, 0, width, parseFloat(canvas.style.height));
  if (!sorted.length) return;
  const pixels = new ImageData(columns, sorted.length), words = new Uint32Array(pixels.data.buffer);
  sorted.forEach((row, y) => {
    const values = series(S.part, S.layer, row);
    for (let x = 0; x < columns; x++) {
      const v = values[first + x] / most;
      words[y * columns + x] = table[Math.max(0, Math.min(255, Math.round((gate ? v : (v + 1) / 2) * 255)))];
    }
  });
  image ??= document.createElement("canvas");
  image.width = columns;
  image.height = sorted.length;
  image.getContext("2d").putImageData(pixels, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(image, shift, top0, columns * S.width, sorted.length * rowHeight);
  if (top0) {
    context.fillStyle = getComputedStyle(document.body).color;
    context.font = "12px ui-monospace, 'DejaVu Sans Mono', monospace";
    context.textAlign = "center";
    for (let x = 0; x < columns; x++) {
      context.fillText(plain(D.tokens[first + x]).slice(0, 2), shift + (x + .5) * S.width, 13, S.width);
    }
  }
  drawOver();
}

function drawOver(t = S.at, row = S.unit) {
  const canvas = $("over"), context = canvas.getContext("2d"), width = parseFloat(canvas.style.width);
  canvas.style.left = `${$("scroll").scrollLeft}px`;
  context.clearRect(0, 0, width, parseFloat(canvas.style.height));
  const x = t * S.width - $("scroll").scrollLeft, y = sorted.indexOf(row);
  context.strokeStyle = property("--mark");
  context.lineWidth = 1.5;
  context.strokeRect(x, top0, S.width, sorted.length * rowHeight);
  if (y >= 0) context.strokeRect(0, top0 + y * rowHeight - .5, width, Math.max(2, rowHeight) + 1);
  if (S.from >= 0) {
    const [a, b] = selection();
    context.lineWidth = 3;
    line(context, a * S.width - $("scroll").scrollLeft, top0 + 1, (b + 1) * S.width - $("scroll").scrollLeft, top0 + 1);
  }
}

// The means over each layer, along the whole text.
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const hue = layer => property("--layers").split(", ")[layer % 4];

function drawMeans() {
  const canvas = $("means"), room = canvas.clientWidth, high = 74;
  const context = cleared(canvas, room, high);
  context.strokeStyle = context.fillStyle = property("--line");
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
      let sum = 0, n = 0;
      for (let k = t; k < Math.min(T, t + step); k++, n++) sum += mean(S.part, layer, k);
      const x = (t + step / 2) / T * room,
        y = high - 4 - sum / n / D.meanScale[S.part] * (high - 8);
      t ? context.lineTo(x, y) : context.moveTo(x, y);
    }
    context.stroke();
  }
  context.setLineDash([]);
  context.strokeStyle = property("--mark");
  line(context, (S.at + .5) / T * room, 0, (S.at + .5) / T * room, high);
  const [what, highest] = GATES.has(S.part) ? ["mean", "1"] : ["mean size", number(D.meanScale[S.part])];
  $("curves").textContent = `${what} of the ${nameOf(S.part)} along the whole text, 0 to ${highest}`;
  $("lines").innerHTML = D.layers.map((_, k) => `<svg width="30" height="8"><line x1="0" x2="30" y1="4" y2="4"
    stroke="${hue(k)}" stroke-width="2" stroke-dasharray="${DASHES[k % 4]}"/></svg>l${k}`).join(" ");
}
