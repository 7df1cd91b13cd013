// From text to the ids of tokens, as in Python: characters, bytes, subwords by byte pair encoding, or symbols.

const MOST_BACK = 24; // characters of a prompt that are taken back at most
const PARTS = {
  // Words, numbers and signs, each with the space before it, and other space. A newline is always apart.
  bpe: / ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{M}\p{N}]+|(?:(?!\n)\p{White_Space})+(?!\P{White_Space})|(?:(?!\n)\p{White_Space})+|\n/gu,
  // Symbols, each with the space before it. None contains what a tokenizer.json calls the boundary or a byte.
  words: /<(?=\|end\|>|0x[^\t-\r ]{2}>)| ?(?:[^\t-\r <]+|<(?!\|end\|>|0x[^\t-\r ]{2}>))+|[\t-\r ]/gu,
};

/** The vocabulary: characters, bytes, subwords or symbols. Bytes of unknown characters are the last ids, and share the last row. */
class Tokenizer {
  constructor({ kind, lowercase, tokens, merges }) {
    Object.assign(this, { kind, lowercase, texts: tokens }); // by row; "" for the boundary and for bytes
    this.ids = new Map(tokens.map((token, id) => [token, id]).filter(([token]) => token));
    this.firstByte = kind === "byte" ? 0 : tokens.length - 1;
    this.merges = new Map(merges.map(([a, b], rank) => [`${a} ${b}`, { rank, id: this.ids.get(tokens[a] + tokens[b]) }]));
  }

  encode(text) {
    const read = this.lowercase ? text.replaceAll("Σ", "σ").toLowerCase() : text;
    if (!(this.kind in PARTS)) return this.#spell(read);
    const known = part => (this.kind === "words" ? this.ids.get(part) : undefined);
    return this.#parts(read).flatMap(part => known(part) ?? this.#merged(this.#spell(part)));
  }

  #parts(text) {
    return text.match(PARTS[this.kind] ?? /$^/) ?? [];
  }

  #spell(text) {
    const bytes = one => Array.from(new TextEncoder().encode(one), byte => this.firstByte + byte);
    return Array.from(text).flatMap(one => this.ids.get(one) ?? bytes(one));
  }

  #merged(ids) {
    for (;;) {
      const pairs = ids.slice(1).map((id, k) => this.merges.get(`${ids[k]} ${id}`)?.rank ?? Infinity);
      const first = Math.min(Infinity, ...pairs);
      if (first === Infinity) return ids;
      const at = pairs.indexOf(first);
      ids.splice(at, 2, this.merges.get(`${ids[at]} ${ids[at + 1]}`).id);
    }
  }

  /** Return how many of the last `ids` of `text` could be others if more text followed. */
  unsettled(text, ids) {
    const last = this.#parts(text.slice(this.kind === "words" ? -256 : -100)).at(-1) ?? "";
    const isWhole = this.kind === "words" && (this.ids.has(last) ? last !== " " : /^[\t-\r]/.test(last));
    let room = last === "\n" || isWhole ? 0 : Math.min(MOST_BACK, Array.from(last).length);
    let count = 0;
    for (; room && count < ids.length; count += 1) {
      const { length } = Array.from(this.texts[ids[ids.length - 1 - count]] ?? "");
      if (!length || length > room) break;
      room -= length;
    }
    return count;
  }
}
