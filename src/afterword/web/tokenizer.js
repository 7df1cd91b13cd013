// From text to the ids of tokens, as in Python: characters or symbols.

// Symbols, each with the space before it. None contains what a tokenizer.json calls the boundary or a byte.
const SYMBOL = /<(?=\|end\|>|0x[^\t-\r ]{2}>)| ?(?:[^\t-\r <]+|<(?!\|end\|>|0x[^\t-\r ]{2}>))+|[\t-\r ]/gu;
const LONGEST_SYMBOL = 256; // characters

/** The vocabulary: characters or symbols. Bytes of unknown characters are the last ids, and share the last row. */
class Tokenizer {
  constructor({ kind, lowercase, tokens }) {
    Object.assign(this, { hasSymbols: kind === "words", lowercase, texts: tokens }); // by row; "" for the boundary and for bytes
    this.ids = new Map(tokens.map((token, id) => [token, id]).filter(([token]) => token));
  }

  encode(text) {
    const read = this.lowercase ? text.replaceAll("Σ", "σ").toLowerCase() : text;
    return this.#parts(read).flatMap(part => this.ids.get(part) ?? this.#spell(part));
  }

  #parts(text) {
    return this.hasSymbols ? text.match(SYMBOL) ?? [] : [text];
  }

  #spell(text) {
    const bytes = one => Array.from(new TextEncoder().encode(one), byte => this.texts.length - 1 + byte);
    return Array.from(text).flatMap(one => this.ids.get(one) ?? bytes(one));
  }

  /** Return the rows of the symbols that begin with `text` and are longer. */
  longer(text) {
    return this.hasSymbols ? [...this.texts.keys()].filter(row => this.texts[row].startsWith(text) && this.texts[row] !== text) : [];
  }

  /** Return the number of last tokens of `text`, a character each, that are the beginning of a symbol. */
  unfinished(text) {
    const last = (this.hasSymbols && this.#parts(text.slice(-LONGEST_SYMBOL)).at(-1)) || "";
    const isWhole = last !== " " && this.ids.has(last);
    return isWhole || !last || !this.longer(last).length ? 0 : Array.from(last).length;
  }
}
