// Colours: blue and orange, and a ramp from dark blue to yellow, which look different to every kind of eye.
const RAMP = [
  [253, 253, 234],
  [199, 222, 206],
  [122, 183, 196],
  [55, 134, 186],
  [24, 84, 153],
  [8, 29, 88]
];
const RAMP_DARK = [
  [13, 20, 40],
  [20, 62, 112],
  [22, 113, 155],
  [66, 163, 168],
  [160, 208, 150],
  [250, 247, 150]
];
const SIGNED = [
  [0, 84, 160],
  [88, 155, 208],
  [246, 246, 243],
  [240, 160, 80],
  [179, 76, 0]
];
const SIGNED_DARK = [
  [120, 195, 255],
  [35, 105, 170],
  [22, 26, 31],
  [170, 85, 10],
  [255, 170, 70]
];
const isDark = () => document.documentElement.dataset.theme === "dark";

function table(stops) {
  const out = new Uint32Array(256);
  for (let k = 0; k < 256; k++) {
    const x = k / 255 * (stops.length - 1),
      a = Math.min(stops.length - 2, Math.floor(x)),
      f = x - a;
    const [r, g, b] = stops[a].map((v, j) => Math.round(v + (stops[a + 1][j] - v) * f));
    out[k] = 0xff000000 | b << 16 | g << 8 | r;
  }
  return out;
}
const TABLES = {
  light: [table(RAMP), table(SIGNED)],
  dark: [table(RAMP_DARK), table(SIGNED_DARK)]
};
const colours = part => TABLES[isDark() ? "dark" : "light"][GATES.has(part) ? 0 : 1];
const css = (part, k) => {
  const c = colours(part)[k];
  return `rgb(${c & 255} ${c >> 8 & 255} ${c >> 16 & 255})`;
};
const ramp = part => `linear-gradient(90deg, ${[0, 64, 128, 191, 255].map(k => css(part, k)).join(", ")})`;
