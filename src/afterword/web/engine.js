// A trained model in JavaScript: it writes, continues and scores text. An export consists of this file, tokenizer.js and
// the constants `KERNEL` and `MODEL`: the vocabulary, the sizes and, in base64, the weights. engine.d.ts has its types.
//
// It computes what Afterword computes, and draws the same random numbers. Only the weights and the factors of their
// products are rounded: weights to one byte or two, factors to two bytes. So products are sums of whole numbers, and the
// two kernels, WebAssembly and plain JavaScript, agree in every bit.

const SLICE = 30; // milliseconds of work, after which others get a turn
const [KEPT, MOST_KEPT] = [64, 512]; // tokens after which a state is kept to continue from; the number of such states
const RARE = 1e-3; // a symbol that is less likely to continue what a prompt begins does not count
const [RAREST, MOST_BEGUN] = [1e-5, 400]; // the least probability of a word's beginning, and the most beginnings that are read
const WORD = /\s*(?:[\p{L}\p{M}\p{N}_]+(?:['’][\p{L}\p{M}\p{N}_]+)*|[^\p{L}\p{M}\p{N}_\s]+)/uy; // punctuation counts as words
const BEGUN = /[\p{L}\p{M}\p{N}_]+(?:['’][\p{L}\p{M}\p{N}_]+)*['’]?$/u;
/**
 * The number options of writing, in the order in which they apply: `keep` returns what is left of weights, of which the
 * largest is 1, and 0 for those that it drops; `off` keeps all as they are. The page has a slider for each of them, under
 * the `name` that the server's page uses.
 */
const NUMBERS = [
  { option: "temperature", fits: t => t >= 0 && t <= 100, limit: "from 0 to 100", off: 1, keep: (weights, t) => weights.map(weight => weight ** (1 / Math.max(t, 1e-200))),
    name: "temperature", label: "temperature", least: 0, most: 2, step: 0.05, isInNext: true, hint: "lower is safer, higher is wilder; 0 takes the likeliest token" },
  { option: "minP", fits: p => p >= 0 && p < 1, limit: "from 0 to below 1", off: 0, keep: (weights, p) => weights.map(weight => (weight >= p ? weight : 0)),
    name: "min_p", label: "min-p", least: 0, most: 0.5, step: 0.01, isInNext: true, hint: "drop tokens below this fraction of the highest probability" },
];
const OPTIONS = {
  load: ["wasm"],
  generate: ["prompt", "maxTokens", ...NUMBERS.map(({ option }) => option), "seed", "stop", "signal", "onToken"],
  score: ["signal"],
  next: ["signal"],
  words: ["count", "signal"],
};

/** Return the model in this file. `wasm: false` runs it in plain JavaScript. */
export async function load(options = {}) {
  const { wasm = true } = checked(options, "load");
  const fast = wasm && (await WebAssembly.instantiate(bytesOf(KERNEL)).catch(() => null)); // null without SIMD
  return new Model(MODEL, size => {
    const { memory, multiply } = fast ? fast.instance.exports : { memory: { buffer: new ArrayBuffer(size) } };
    if (fast) memory.grow(Math.ceil(size / 65536));
    return { name: fast ? "wasm" : "js", buffer: memory.buffer, multiply: multiply ?? plain(memory.buffer) };
  });
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; k += 1) bytes[k] = text.charCodeAt(k);
  return bytes;
}

/**
 * Return the kernel in plain JavaScript. Its arguments are the addresses in `buffer` of rows of bytes [rows, columns], of
 * shorts [columns] and of their products, ints [rows]; `columns` is a multiple of 16.
 */
function plain(buffer) {
  const [bytes, shorts, ints] = [new Int8Array(buffer), new Int16Array(buffer), new Int32Array(buffer)];
  return (weights, factors, sums, rows, columns) => {
    const first = factors >> 1;
    for (let row = sums >> 2, w = weights; row < (sums >> 2) + rows; row += 1) {
      let a = 0, b = 0, c = 0, d = 0; // which a processor adds up side by side
      for (let x = first; x < first + columns; x += 4, w += 4) {
        a = (a + Math.imul(bytes[w], shorts[x])) | 0;
        b = (b + Math.imul(bytes[w + 1], shorts[x + 1])) | 0;
        c = (c + Math.imul(bytes[w + 2], shorts[x + 2])) | 0;
        d = (d + Math.imul(bytes[w + 3], shorts[x + 3])) | 0;
      }
      ints[row] = (a + b + c + d) | 0;
    }
  };
}

const padded = bytes => Math.ceil(bytes / 16) * 16;

/** A matrix [rows, columns]: whole multiples of a scale per row. With two bytes per weight, the sum of two of them. */
class Matrix {
  constructor(take, rows, columns, parts) {
    Object.assign(this, { rows, columns, width: padded(columns), scale: take(Float32Array, rows * parts) });
    this.bytes = take(Int8Array, rows * parts * columns);
    this.size = this.scale.length * this.width;
  }

  /** Move into the memory of the kernel. */
  move(kernel, address) {
    const bytes = new Int8Array(kernel.buffer, address, this.size);
    for (let row = 0; row < this.scale.length; row += 1) {
      bytes.set(this.bytes.subarray(row * this.columns, (row + 1) * this.columns), row * this.width);
    }
    Object.assign(this, { kernel, address, bytes });
    return address + this.size;
  }

  /** Return `bias` [rows] plus the product with `factors` [columns]. */
  product(factors, bias) {
    const { kernel, rows, columns, width, scale } = this;
    const largest = factors.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    const unit = largest / Math.min(32767, Math.floor(2 ** 31 / 127 / width)); // so that no sum overflows
    for (let k = 0; k < columns; k += 1) kernel.factors[k] = Math.round(factors[k] / unit);
    kernel.factors.fill(0, columns, width);
    kernel.multiply(this.address, kernel.factors.byteOffset, kernel.sums.byteOffset, scale.length, width);
    const sums = Float64Array.from(bias);
    for (let k = 0; k < scale.length; k += 1) sums[k % rows] += kernel.sums[k] * scale[k] * unit;
    return sums;
  }

  row(number) {
    const found = new Float64Array(this.columns);
    for (let part = number; part < this.scale.length; part += this.rows) {
      for (let k = 0; k < this.columns; k += 1) found[k] += this.bytes[part * this.width + k] * this.scale[part];
    }
    return found;
  }
}

/**
 * The n-gram model: a tree of contexts, whose node of level n stands for the last n rows. `rest` is the probability that
 * a context leaves to the next shorter one; the rows seen after it have the others in proportion to `shares`.
 */
class Ngram {
  constructor({ rows, boundary, parts, ngram }, take) {
    Object.assign(this, { rows, start: ngram.start, boundary });
    const [Row, Code] = [rows < 256, parts < 2].map(isByte => (isByte ? Uint8Array : Uint16Array));
    this.levels = ngram.levels.map(([contexts, grams], n) => ({
      children: offsets(take(Row, n ? ngram.levels[n - 1][0] : 0)), // of the contexts of the level above, here
      older: take(Row, contexts), // the row before those of the parent
      begins: offsets(take(Row, contexts)),
      tokens: take(Row, grams),
      rest: take(Code, contexts),
      shares: take(Code, grams),
    }));
    const length = 256 ** parts; // of the codes of rest and shares
    this.powers = Float64Array.from({ length }, (_, code) => 2 ** ((-16 * code) / length));
  }

  /** Return `recent`, the last rows with the latest first, after `row` was read too. */
  pushed(recent, row) {
    return [row === this.boundary ? this.start : row, ...recent.slice(0, this.levels.length - 2)];
  }

  /** Return P [rows] of the row after `recent`. */
  after(recent) {
    const { levels, powers } = this;
    const found = new Float64Array(this.rows).fill(1 / this.rows);
    for (let n = 0, node = 0; node >= 0; n += 1) {
      const { begins, rest, tokens, shares } = levels[n];
      const left = powers[rest[node]];
      let sum = 0;
      for (let k = begins[node]; k < begins[node + 1]; k += 1) sum += powers[shares[k]];
      if (sum) for (let row = 0; row < this.rows; row += 1) found[row] *= left;
      for (let k = begins[node]; k < begins[node + 1]; k += 1) found[tokens[k]] += (powers[shares[k]] / sum) * (1 - left);
      const { older, children } = (n < recent.length && levels[n + 1]) || {};
      node = older ? indexOf(older, recent[n], children[node], children[node + 1]) : -1;
    }
    return found;
  }
}

/** Return where each of `counts` parts begins and, last, where they end. */
function offsets(counts) {
  const found = new Uint32Array(counts.length + 1);
  counts.forEach((count, k) => (found[k + 1] = found[k] + count));
  return found;
}

/** Return the index of `value` in the ascending `values` from `low` to `high`, or -1. */
function indexOf(values, value, low, high) {
  const end = high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low < end && values[low] === value ? low : -1;
}

/** A text as far as it was read: the state after it, and P of the next row. A copy can continue differently. */
class Reading {
  constructor(model, { ids = [], kept = [], state = model.start(), p = null } = {}) {
    Object.assign(this, { model, ids: [...ids], kept: [...kept], state, p });
  }

  push(id) {
    [this.state, this.p] = this.model.step(this.state, id);
    this.ids.push(id);
    if (this.ids.length % KEPT === 0) this.keep();
  }

  keep() {
    this.kept.push({ length: this.ids.length, state: this.state, p: this.p });
    if (this.kept.length > MOST_KEPT) this.kept = this.kept.filter((_, k) => k % 2 === 0);
  }

  /** Return a reading of the beginning that this text has in common with `ids`, as far as a state was kept. */
  shared(ids) {
    let common = 0;
    while (common < ids.length && ids[common] === this.ids[common]) common += 1;
    const kept = this.kept.filter(({ length }) => length <= common);
    const { length = 0, state, p } = kept.at(-1) ?? {};
    return new Reading(this.model, { ids: ids.slice(0, length), kept, state, p });
  }
}

class Model {
  constructor(facts, kernelOf) {
    const { layers, hidden, embedding, rows, parts } = facts;
    const bytes = typeof facts.data === "string" ? bytesOf(facts.data) : facts.data;
    let at = 0;
    const take = (Kind, count) => new Kind(bytes.slice(at, (at += count * Kind.BYTES_PER_ELEMENT)).buffer);
    const matrices = [];
    const matrix = (height, width) => matrices[matrices.push(new Matrix(take, height, width, parts)) - 1];
    this.embedding = matrix(rows, embedding);
    this.layers = Array.from({ length: layers }, (_, k) => ({
      input: matrix(4 * hidden, k ? hidden : embedding),
      recurrent: matrix(4 * hidden, hidden),
      bias: take(Float32Array, 4 * hidden),
    }));
    this.output = matrix(rows, hidden);
    this.outputBias = take(Float32Array, rows);
    this.ngram = facts.ngram && new Ngram(facts, take);
    const [widest, highest] = [matrices.map(one => one.width), matrices.map(one => one.scale.length)].map(all => Math.max(...all));
    let end = padded(2 * widest) + padded(4 * highest);
    const kernel = kernelOf(matrices.reduce((sum, { size }) => sum + size, end));
    kernel.factors = new Int16Array(kernel.buffer, 0, widest);
    kernel.sums = new Int32Array(kernel.buffer, padded(2 * widest), highest);
    for (const one of matrices) end = one.move(kernel, end);
    Object.assign(this, { facts, kernel: kernel.name, tokenizer: new Tokenizer(facts) });
    this.table = []; // by row, the first layer's sums of its embedding, once they were needed
    this.last = new Reading(this);
  }

  start() {
    const zeros = this.layers.map(() => new Float64Array(this.facts.hidden));
    return { hidden: zeros, cell: zeros, recent: [] };
  }

  /**
   * Read the token `id` after the state `before`. Return the state after it, and P [rows] of the next row. `watch` may
   * read and change each layer's sums [4 * hidden] before they become gates.
   */
  step(before, id, watch = null) {
    const { hidden: H, residual, ngram, rows } = this.facts;
    const row = Math.min(id, rows - 1);
    const after = { hidden: [], cell: [], recent: ngram ? this.ngram.pushed(before.recent, row) : [] };
    let x;
    this.layers.forEach(({ input, recurrent, bias }, k) => {
      const fromInput = k ? input.product(x, bias) : (this.table[row] ??= input.product(this.embedding.row(row), bias));
      const sums = recurrent.product(before.hidden[k], fromInput); // of the gates: input, forget, candidate, output
      watch?.(k, sums);
      const [hidden, cell] = [new Float64Array(H), new Float64Array(H)];
      for (let u = 0; u < H; u += 1) {
        cell[u] = sigmoid(sums[H + u]) * before.cell[k][u] + sigmoid(sums[u]) * tanh(sums[2 * H + u]);
        hidden[u] = sigmoid(sums[3 * H + u]) * tanh(cell[u]);
      }
      x = k && residual ? hidden.map((value, u) => value + x[u]) : hidden;
      after.hidden.push(hidden);
      after.cell.push(cell);
    });
    const logits = this.output.product(x, this.outputBias);
    const largest = logits.reduce((a, b) => Math.max(a, b));
    const p = logits.map(value => Math.exp(value - largest));
    const scale = (1 - (ngram?.weight ?? 0)) / total(p);
    const other = ngram ? this.ngram.after(after.recent) : null;
    return [after, p.map((value, k) => value * scale + (other ? ngram.weight * other[k] : 0))];
  }

  /**
   * Return the ways to continue `prompt`, the likeliest first: a reading, the rest of the prompt, with which the next
   * token begins, and P of the way and each next row. There are two if the prompt ends within a symbol: the next token is
   * a symbol that begins so, or what the prompt begins is read character by character.
   */
  async #ways(prompt, turn) {
    const { texts } = this.tokenizer;
    const ids = [this.facts.boundary, ...this.tokenizer.encode(prompt)];
    const begun = ids.length - this.tokenizer.unfinished(prompt);
    const reading = this.last.shared(ids.slice(0, begun));
    while (reading.ids.length < begun) {
      reading.push(ids[reading.ids.length]);
      await turn();
    }
    reading.keep();
    this.last = reading;
    const [spelled, rest] = [new Reading(this, reading), ids.slice(begun).map(id => texts[id]).join("")];
    let chance = 1;
    for (const id of ids.slice(begun)) {
      chance *= spelled.p[id];
      spelled.push(id);
      await turn();
    }
    const ways = [{ reading: spelled, rest: "", p: spelled.p.map(value => value * chance) }];
    if (rest) {
      const longer = new Set(this.tokenizer.longer(rest));
      ways.push({ reading, rest, p: reading.p.map((value, row) => (longer.has(row) ? value : 0)) });
    }
    for (const way of ways) way.sum = total(way.p);
    const isRare = rest && ways[1].sum <= (ways[0].sum + ways[1].sum) * RARE;
    const kept = isRare ? ways.slice(0, 1) : ways.sort((a, b) => b.sum - a.sum);
    const all = kept.reduce((sum, way) => sum + way.sum, 0);
    return kept.map(way => ({ ...way, p: way.p.map(value => value / all) }));
  }

  async generate(options = {}) {
    const { rows, boundary, masked, blank, writing } = this.facts;
    const { prompt = writing.prompt, maxTokens = writing.maxTokens, stop = [], seed = Math.floor(Math.random() * 2 ** 32), signal, onToken } = checked(options, "generate");
    const numbers = Object.fromEntries(NUMBERS.map(({ option, off }) => [option, options[option] ?? writing[option] ?? off]));
    const wrong = NUMBERS.find(({ option, fits }) => !fits(numbers[option]));
    if (wrong || !(maxTokens >= 0)) throw new RangeError(wrong ? `${wrong.option} must be ${wrong.limit}` : "maxTokens must be 0 or more");
    const [random, turn, stops] = [randoms(BigInt(seed)), turns(signal), [stop].flat().filter(Boolean)];
    const pick = p => drawn(weights(p, numbers), numbers.temperature ? random : () => 0); // 0: the first of the likeliest
    const never = [...masked, ...(options.prompt ? [] : blank)]; // a text does not begin with space
    const ways = await this.#ways(prompt, turn);
    const among = ways.map(({ p, rest }) => without(p, [...never, ...this.#strays(prompt, rest)]));
    const place = ways.length > 1 ? pick(among.flatMap(p => [...p])) : 0;
    let { rest, p } = ways[Math.floor(place / rows)];
    const reading = new Reading(this, ways[Math.floor(place / rows)].reading);
    let [text, held, tokens, logProbability, finishReason] = ["", "", 0, 0, maxTokens > 0 ? null : "length"];
    while (!finishReason) {
      const id = pick(without(p, [...(tokens ? masked : never), ...this.#strays(prompt + text + held, rest)]));
      const cost = Math.log(p[id]);
      [tokens, logProbability] = [tokens + 1, logProbability + cost];
      if (id === boundary || tokens >= maxTokens) finishReason = id === boundary ? "stop" : "length";
      held += this.tokenizer.texts[id].slice(rest.length);
      const [end, isOver] = ending(held, stops, finishReason);
      if (isOver) finishReason = "stop";
      onToken?.({ text: held.slice(0, end), id, logProbability: cost });
      [text, held, rest] = [text + held.slice(0, end), held.slice(end), ""];
      if (finishReason) break;
      reading.push(id);
      ({ p } = reading);
      await turn();
    }
    this.last = reading;
    return { text, tokens, logProbability, finishReason, seed };
  }

  /** Return the rows that continue no label where `whole` ends with a `rest` that they begin with; none after a label. */
  #strays(whole, rest) {
    const [head, texts] = [whole.slice(0, whole.length - rest.length), whole.includes("\t") ? [] : this.tokenizer.texts];
    const labels = this.facts.writing.labels.map(label => `${label}\t`).filter(label => label.startsWith(whole));
    const fits = text => text && labels.some(label => label.startsWith(head + text) || (head + text).startsWith(label));
    return labels.length ? [...texts.slice(0, this.facts.rows).keys()].filter(row => !fits(texts[row])) : [];
  }

  async score(text, options = {}) {
    const { signal } = checked(options, "score");
    const [{ boundary, rows, sharing }, reading, turn, nats] = [this.facts, new Reading(this), turns(signal), []];
    for (const id of [boundary, ...this.tokenizer.encode(text)]) {
      const isOwn = id < rows - 1; // else it shares the last row with others
      if (reading.p) nats.push(isOwn ? -Math.log(reading.p[id]) : Math.log(sharing / reading.p[rows - 1]));
      reading.push(id);
      await turn();
    }
    this.last = reading;
    return Float64Array.from(nats);
  }

  async split(text) {
    return this.tokenizer.encode(text).map(id => this.tokenizer.texts[id] ?? "");
  }

  async next(prompt, options = {}) {
    const { signal } = checked(options, "next");
    const found = new Map();
    for (const { rest, p } of await this.#ways(prompt, turns(signal))) {
      without(p, [...this.facts.masked, ...this.#strays(prompt, rest)]).forEach((value, row) => {
        const [text = ""] = this.tokenizer.texts[row].slice(rest.length);
        if (value) found.set(text, (found.get(text) ?? 0) + value);
      });
    }
    return [...found].map(([text, probability]) => ({ text, probability })).sort((a, b) => b.probability - a.probability);
  }

  /** The same search as in generation/next_words.py: a beginning is at least as likely as each word that begins with it. */
  async words(prompt, options = {}) {
    const { count = 8, signal } = checked(options, "words");
    const [turn, begun, found, ahead] = [turns(signal), BEGUN.exec(prompt)?.[0] ?? "", new Map(), []];
    const add = (reading, before, p, chance, rest = "") => {
      without(p, [...this.facts.masked, ...this.#strays(prompt + before.slice(begun.length), rest)]).forEach((value, id) => {
        if (value * chance < RAREST) return;
        const text = before + (id === this.facts.boundary ? "\n" : this.tokenizer.texts[id].slice(rest.length));
        const end = wordEnd(text, begun.length);
        const word = text.slice(begun.length, end);
        if (end >= 0) found.set(word, (found.get(word) ?? 0) + value * chance);
        else if (text !== before) ahead.push({ reading, id, text, chance: value * chance });
      });
    };
    const rarer = this.tokenizer.hasSymbols ? 8 : 1; // a word has several spellings, some rarer
    const likeliest = () => [...found].sort(([, a], [, b]) => b - a).slice(0, count);
    for (const { reading, rest, p } of await this.#ways(prompt, turn)) add(reading, begun, p, 1, rest);
    for (let steps = 0; steps < MOST_BEGUN && ahead.length; steps += 1) {
      const first = ahead.reduce((best, { chance }, k) => (chance > ahead[best].chance ? k : best), 0);
      const [{ reading: before, id, text, chance }] = ahead.splice(first, 1);
      if (chance < (likeliest()[count - 1]?.[1] ?? 0) / rarer) break;
      const reading = new Reading(this, before);
      reading.push(id);
      await turn();
      add(reading, text, reading.p, chance);
    }
    return likeliest().map(([text, probability]) => ({ text, probability }));
  }
}

/** Return the end of the first word of `text` that ends after `begun` characters, or -1 if that depends on what follows. */
function wordEnd(text, begun) {
  for (let at = 0; ; at = begun) {
    WORD.lastIndex = at;
    if (!WORD.test(text)) return -1;
    const end = WORD.lastIndex;
    if (end === text.length || (/^['’]$/.test(text.slice(end)) && BEGUN.test(text))) return -1;
    if (end > begun) return end; // else the prompt ends with a whole word
  }
}

const sigmoid = x => 1 / (1 + Math.exp(-x));
const tanh = x => 2 / (1 + Math.exp(-2 * x)) - 1;
const total = p => p.reduce((a, b) => a + b, 0);
/** Return `p` with 0 for the rows `never`. */
function without(p, never) {
  const left = Float64Array.from(p);
  for (const row of never) left[row] = 0;
  return left;
}

/** Return the weights that `numbers`, the values of `NUMBERS`, leave of `p`. */
function weights(p, numbers) {
  const largest = p.reduce((a, b) => Math.max(a, b));
  return NUMBERS.reduce((left, { option, keep }) => keep(left, numbers[option]), p.map(value => value / largest));
}

/** Draw an index in proportion to `weights`. */
function drawn(weights, random) {
  const goal = random() * total(weights);
  let sum = 0;
  return weights.findIndex(weight => (sum += weight) > goal);
}

/** Return how much of `text` is certain, and whether one of `stops` ends it there. Nothing follows if it `isLast`. */
function ending(text, stops, isLast) {
  const found = stops.map(stop => text.indexOf(stop)).filter(at => at >= 0);
  if (found.length) return [Math.min(...found), true];
  const begun = at => stops.some(stop => stop.startsWith(text.slice(at)));
  let end = isLast ? text.length : 0;
  while (end < text.length && !begun(end)) end += 1;
  return [end, false];
}

/** Return `options`. Throws a TypeError for an option that the function `of` does not have. */
function checked(options, of) {
  for (const name of Object.keys(options)) {
    const [nearest] = OPTIONS[of].map(one => [edits(name, one), one]).sort(([a], [b]) => a - b);
    const advice = nearest[0] < name.length / 2 ? `did you mean ${nearest[1]}?` : `${of} has ${OPTIONS[of].join(", ")}`;
    if (nearest[0]) throw new TypeError(`unknown option ${name}: ${advice}`);
  }
  return options;
}

/** Return the edit distance of two names. */
function edits(a, b) {
  const begin = Array.from({ length: b.length + 1 }, (_, k) => k);
  const next = (row, x) => [...b].reduce((to, y, k) => [...to, Math.min(to[k], row[k + 1], row[k] - (x === y)) + 1], [row[0] + 1]);
  return [...a].reduce(next, begin).at(-1);
}

/** Return a function that gives others a turn if it is time, and throws if `signal` is aborted. */
function turns(signal) {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < SLICE) return;
    await new Promise(resolve => setTimeout(resolve));
    signal?.throwIfAborted();
    since = performance.now();
  };
}

/** Return a function that draws numbers from 0 to 1: NumPy's PCG64 (O'Neill 2014), seeded as NumPy seeds it. */
function randoms(seed) {
  const word = (value, shift) => Number((value >> BigInt(shift)) & 0xffffffffn);
  const hash = (factor, by) => value => {
    const mixed = Math.imul((value ^ factor) >>> 0, (factor = Math.imul(factor, by)));
    return mixed ^ (mixed >>> 16);
  };
  const mix = (a, b) => (a = Math.imul(0xca01f9dd, a) - Math.imul(0x4973f715, b)) ^ ((a >>> 0) >>> 16);
  const first = hash(0x43b0d7e5, 0x931e8875);
  const pool = [word(seed, 0), word(seed, 32), 0, 0].map(first);
  for (let from = 0; from < 4; from += 1) {
    for (let to = 0; to < 4; to += 1) if (to !== from) pool[to] = mix(pool[to], first(pool[from]));
  }
  const words = [...pool, ...pool].map(hash(0x8b51f9dd, 0x58f38ded)).map(value => BigInt(value >>> 0));
  const wide = k => (words[k + 1] << 96n) | (words[k] << 64n) | (words[k + 3] << 32n) | words[k + 2];
  const [FACTOR, in64, in128] = [0x2360ed051fc65da44385df649fccf645n, 2n ** 64n - 1n, 2n ** 128n - 1n];
  const step = (wide(4) << 1n) | 1n;
  const next = state => (state * FACTOR + step) & in128;
  let state = next((next(0n) + wide(0)) & in128);
  return () => {
    state = next(state);
    const [folded, turn] = [((state >> 64n) ^ state) & in64, state >> 122n];
    const bits = ((folded >> turn) | (folded << (64n - turn))) & in64;
    return Number(bits >> 11n) / 2 ** 53;
  };
}
