// The probability of each character of a text, as a string with one character per UTF-16 unit: a–m are the levels of
// surprise 0–12 of a character that a person wrote, A–M those of one that the model wrote; "." and ":" continue the character
// before them, and a space means unknown. So shades can be cut, joined and saved like the text.

export const LEVELS = 12;
export const MOST_BITS = 8; // higher costs have the strongest shade
export const BOUNDARY = "<|end|>";

const OWN = "a".charCodeAt(0);
const WRITTEN = "A".charCodeAt(0);

export const bitsOf = logprob => -logprob / Math.LN2;
export const levelOf = bits => Math.max(0, Math.min(LEVELS, Math.round((bits / MOST_BITS) * LEVELS)));
export const blank = length => " ".repeat(length);

const continues = shade => shade === "." || shade === ":";

/** Return the shades of a character of `length` units; one without a probability, like a text's first, is blank. */
export function shadesOf(length, logprob, written) {
  if (!length) return "";
  if (logprob === null || logprob === undefined) return written ? "A" + ":".repeat(length - 1) : blank(length);
  const level = levelOf(bitsOf(logprob));
  return String.fromCharCode((written ? WRITTEN : OWN) + level) + (written ? ":" : ".").repeat(length - 1);
}

/** Return the start and end of the character at `index`; a blank is a character of its own. */
export function characterAt(shades, index) {
  let from = index;
  while (from > 0 && continues(shades[from])) from -= 1;
  let to = index + 1;
  while (to < shades.length && continues(shades[to])) to += 1;
  return [from, to];
}

/** Return the level at `index`, or -1 if it is unknown. */
export function levelAt(shades, index) {
  return levelOfShade(shades[characterAt(shades, index)[0]]);
}

function levelOfShade(shade) {
  if (shade === undefined || shade === " " || continues(shade)) return -1;
  const code = shade.charCodeAt(0);
  return code >= OWN ? code - OWN : code - WRITTEN;
}

export const isWritten = shade => shade === ":" || (shade >= "A" && shade <= "M");

/** Return [level, from, to] of each visible run between `from` and `to`; neighbours of one level are one run. */
export function runs(shades, from = 0, to = shades.length) {
  const found = [];
  let level = from < to ? levelAt(shades, from) : -1;
  let start = from;
  for (let i = from + 1; i <= to; i += 1) {
    const next = i === to ? NaN : continues(shades[i]) ? level : levelOfShade(shades[i]);
    if (next !== level) {
      if (level > 0) found.push([level, start, i]);
      [level, start] = [next, i];
    }
  }
  return found;
}

/** Return `shades` with `removed` units at `at` replaced; a character that is cut in two becomes blank. */
export function spliced(shades, at, removed, inserted) {
  let [head, tail] = [shades.slice(0, at), shades.slice(at + removed)];
  if (continues(shades[at])) {
    const [from] = characterAt(shades, at);
    head = head.slice(0, from) + blank(at - from);
  }
  const rest = /^[.:]+/.exec(tail)?.[0].length ?? 0;
  if (rest) tail = blank(rest) + tail.slice(rest);
  return head + inserted + tail;
}

/** Return the shades of `text` by the surprises of its characters, as `/v1/surprises` returns them. */
export function shadesBy(surprises, text) {
  const bits = new Map(surprises.map(one => [one.start, one.bits])); // by code point
  return Array.from(text, (one, k) => (bits.has(k) ? shadesOf(one.length, -bits.get(k) * Math.LN2, false) : blank(one.length))).join("");
}

/**
 * Assigns the probabilities of tokens to a text that arrives in parts. A part may end inside a token: the start of a
 * possible stop string is held back, and a character of several bytes arrives with its last byte. The cost of a token of
 * several characters is shared among them equally.
 */
export class Aligner {
  constructor(written) {
    this.written = written;
    this.waiting = []; // [character, logprob] of those that have not arrived yet
    this.decoder = null;
    this.sum = 0; // of the bytes of an incomplete character
  }

  push(tokens, logprobs) {
    tokens.forEach((token, k) => {
      const bytes = bytesOf(token);
      if (!bytes) {
        this.decoder = null;
        if (token !== BOUNDARY) this.#wait(token, logprobs[k]);
        return;
      }
      if (!this.decoder) [this.decoder, this.sum] = [new TextDecoder("utf-8"), 0];
      this.sum += logprobs[k] ?? 0;
      const whole = this.decoder.decode(bytes, { stream: true });
      if (whole) {
        this.#wait(whole, this.sum);
        this.sum = 0;
      }
    });
  }

  #wait(text, logprob) {
    const characters = Array.from(text);
    const each = typeof logprob === "number" ? logprob / characters.length : logprob;
    for (const character of characters) this.waiting.push([character, each]);
  }

  /** Return the shades of `text`, the next part. */
  take(text) {
    let shades = "";
    while (shades.length < text.length) {
      const rest = text.slice(shades.length);
      const [token, logprob] = this.waiting[0] ?? [];
      const length = Math.min(token?.length ?? 0, rest.length);
      if (!length || !alike(token.slice(0, length), rest.slice(0, length))) {
        this.waiting = []; // they belong to another text: no shade is better than a wrong one
        return shades + (this.written ? "A".repeat(rest.length) : blank(rest.length));
      }
      shades += shadesOf(length, logprob, this.written);
      if (length < token.length) this.waiting[0] = [token.slice(length), logprob];
      else this.waiting.shift();
    }
    return shades;
  }
}

const alike = (a, b) => a === b || a.toLowerCase() === b.toLowerCase(); // some models read all text in lower case

function bytesOf(token) {
  const found = /^bytes:((?:\\x[0-9a-fA-F]{2})+)$/.exec(token);
  return found && Uint8Array.from(found[1].slice(2).split("\\x"), hex => parseInt(hex, 16));
}
