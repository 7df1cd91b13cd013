// Tables of 256 colours between the stops of a ramp.
const property = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function table(stops) {
  const out = new Uint32Array(256);
  for (let k = 0; k < 256; k++) {
    const x = k / 255 * (stops.length - 1), a = Math.min(stops.length - 2, Math.floor(x)), f = x - a;
    const [r, g, b] = stops[a].map((v, j) => Math.round(v + (stops[a + 1][j] - v) * f));
    out[k] = 0xff000000 | b << 16 | g << 8 | r;
  }
  return out;
}
const TABLES = {};
const colours = part => {
  const name = GATES.has(part) ? "--ramp" : "--signed";
  return TABLES[name + isDark()] ??= table(property(name).split(",").map(stop => stop.trim().split(" ").map(Number)));
};
const css = (part, k) => {
  const c = colours(part)[k];
  return `rgb(${c & 255} ${c >> 8 & 255} ${c >> 16 & 255})`;
};
const ramp = part => `linear-gradient(90deg, ${[0, 64, 128, 191, 255].map(k => css(part, k)).join(", ")})`;
