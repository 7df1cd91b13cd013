import { readFile } from "node:fs/promises"; // in a page: fetch
import * as ort from "onnxruntime-web";

const bytes = new Uint8Array(await readFile("book.onnx"));
const { tokens, unseen, boundary_id: boundary, config } = metadata(bytes);
const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
console.log(await write("Once upon a time"));

async function write(prompt, maxTokens = 500, temperature = 0.8) {
  const rows = new Map(tokens.map((text, row) => [text, row]));
  const shape = [config.num_layers, 1, config.hidden_size];
  const zeros = new ort.Tensor("float32", new Float32Array(shape[0] * shape[2]), shape);
  let ids = [boundary, ...Array.from(prompt, (character) => rows.get(character) ?? tokens.length - 1)];
  let [hidden, cell, text] = [zeros, zeros, prompt];
  for (let n = 0; n < maxTokens; n++) {
    const feeds = { ids: new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]), hidden, cell };
    const found = await session.run(feeds);
    const weights = found.log_probabilities.data.slice(-tokens.length).map((one) => Math.exp(one / temperature));
    for (const row of unseen) weights[row] = 0;
    let left = Math.random() * weights.reduce((sum, one) => sum + one, 0);
    ids = [weights.findIndex((one) => (left -= one) < 0)];
    if (ids[0] === boundary) break;
    text += tokens[ids[0]];
    [hidden, cell] = [found.hidden_out, found.cell_out];
  }
  return text;
}

/** Return the metadata: field 14 of the file, a message of protobuf. */
function metadata(bytes) {
  const texts = (message) => fields(message).map(([, part]) => new TextDecoder().decode(part));
  const entries = fields(bytes).filter(([field]) => field === 14);
  return Object.fromEntries(entries.map(([, entry]) => texts(entry)).map(([key, value]) => [key, JSON.parse(value)]));
}

/** Return the number and the bytes of each field of a message. */
function fields(bytes) {
  let at = 0;
  const number = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      value += (bytes[at] & 127) * scale;
      if (bytes[at++] < 128) return value;
    }
  };
  const found = [];
  while (at < bytes.length) {
    const key = number(), value = number();
    if ((key & 7) === 2) found.push([key >> 3, bytes.subarray(at, (at += value))]);
  }
  return found;
}
