// The worst contrast between the letters and the shades of the elements, each with each of the classes, by WCAG 2.
((selector, kinds) => {
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
canvas.canvas.width = canvas.canvas.height = 1;
const over = (...colours) => { for (const c of colours) { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b; };
const panel = getComputedStyle(document.querySelector('section') ?? document.body).backgroundColor;
let worst = 99;
for (const one of document.querySelectorAll(selector)) for (const kind of kinds ?? [one.className]) {
  one.className = kind;
  const a = light(over(getComputedStyle(one).color)), b = light(over(panel, getComputedStyle(one).backgroundColor));
  worst = Math.min(worst, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
}
return worst; })
