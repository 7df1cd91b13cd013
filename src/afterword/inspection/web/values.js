// The numbers: those of the page's blobs, by part, layer, unit and character.
function bytes(base64) {
  const raw = atob(base64), out = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) out[k] = raw.charCodeAt(k);
  return out;
}
const blobs = {};

function blob(name, kind) {
  return blobs[name] ??= new kind(bytes($(name).textContent).buffer);
}
const bits = blob("bits", Uint16Array),
  rowsOf = blob("rows", Uint32Array),
  probabilities = blob("probabilities", Uint8Array);
const surprise = t => bits[t] / 256;
// [U][T] of each layer: gates in 255ths, the candidate in 127ths, the cell state in 32767ths of its unit's largest
function value(part, layer, row, t) {
  const k = row * T + t;
  switch (part) {
    case "candidate":
      return blob(`l${layer}-candidate`, Int8Array)[k] / 127;
    case "cell":
      return blob(`l${layer}-cell`, Int16Array)[k] * D.layers[layer].scale[row];
    case "hidden":
      if (!isGated) return blob(`l${layer}-hidden`, Int8Array)[k] / 127;
      return value("output", layer, row, t) * Math.tanh(value("cell", layer, row, t));
    default:
      return blob(`l${layer}-${part}`, Uint8Array)[k] / 255;
  }
}

function before(layer, row, t) {
  return t ? value("cell", layer, row, t - 1) : D.layers[layer].start[row];
}
const seriesKept = new Map();

function series(part, layer, row) { // one unit's values along the text
  const key = `${part} ${layer} ${row}`;
  let found = seriesKept.get(key);
  if (!found) {
    found = new Float32Array(T);
    for (let t = 0; t < T; t++) found[t] = value(part, layer, row, t);
    if (seriesKept.size > 4000) seriesKept.clear();
    seriesKept.set(key, found);
  }
  return found;
}

function mean(part, layer, t) {
  const values = blob(`mean-${part}`, Uint16Array);
  return values[layer * T + t] / 65535 * D.meanScale[part];
}
// the largest value of a layer's heat map, and of a unit over the text
const range = (part, layer) => part === "cell" ? D.layers[layer].range : 1;
const largest = (part, layer, row) => part === "cell" ? D.layers[layer].scale[row] * 32767 : 1;
