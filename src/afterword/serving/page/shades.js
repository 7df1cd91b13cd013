// How probable each character of a text was, kept as a string beside it, one character for each UTF-16 unit:
// a–m is a level of surprise, 0–12, of a token that a person wrote, A–M of one that the model wrote; "." and ":" go on
// with the token before, and a space says that nothing is known. So shades are cut, joined and saved as the text is.

export const LEVELS = 12;
export const MOST_BITS = 8; // what is more surprising is shaded no more
export const BOUNDARY = "<|end|>";

const OWN = "a".charCodeAt(0);
const WRITTEN = "A".charCodeAt(0);

export const bitsOf = logprob => -logprob / Math.LN2;
export const levelOf = bits => Math.max(0, Math.min(LEVELS, Math.round((bits / MOST_BITS) * LEVELS)));
export const blank = length => " ".repeat(length);

const goesOn = shade => shade === "." || shade === ":";

/** The shades of one token of so many units; a token without a probability, as a text's first, is left blank. */
export function shadesOf(length, logprob, written) {
  if (!length) return "";
  if (logprob === null || logprob === undefined) return written ? "A" + ":".repeat(length - 1) : blank(length);
  const level = levelOf(bitsOf(logprob));
  return String.fromCharCode((written ? WRITTEN : OWN) + level) + (written ? ":" : ".").repeat(length - 1);
}

/** Where the token at `index` begins and ends; what is blank is a token of its own. */
export function tokenAt(shades, index) {
  let from = index;
  while (from > 0 && goesOn(shades[from])) from -= 1;
  let to = index + 1;
  while (to < shades.length && goesOn(shades[to])) to += 1;
  return [from, to];
}

/** The level at `index`, or -1 where none is known. */
export function levelAt(shades, index) {
  let from = index;
  while (from > 0 && goesOn(shades[from])) from -= 1;
  return levelOfShade(shades[from]);
}

function levelOfShade(shade) {
  if (shade === undefined || shade === " " || goesOn(shade)) return -1;
  const code = shade.charCodeAt(0);
  return code >= OWN ? code - OWN : code - WRITTEN;
}

export const isWritten = shade => shade === ":" || (shade >= "A" && shade <= "M");

/** The end of what the model wrote without a break from `index` on. */
export function endOfWritten(shades, index) {
  let to = index;
  while (to < shades.length && isWritten(shades[to])) to += 1;
  return to;
}

/** [level, from, to] wherever there is something to be seen between `from` and `to`, neighbours of one level as one. */
export function runs(shades, from = 0, to = shades.length) {
  const found = [];
  let level = from < to ? levelAt(shades, from) : -1;
  let start = from;
  for (let i = from + 1; i <= to; i += 1) {
    const next = i === to ? NaN : goesOn(shades[i]) ? level : levelOfShade(shades[i]);
    if (next !== level) {
      if (level > 0) found.push([level, start, i]);
      [level, start] = [next, i];
    }
  }
  return found;
}

/** `shades` with `removed` units at `at` replaced; a token that is cut in two has no probability any more. */
export function spliced(shades, at, removed, inserted) {
  let [head, tail] = [shades.slice(0, at), shades.slice(at + removed)];
  if (goesOn(shades[at])) {
    const [from] = tokenAt(shades, at);
    head = head.slice(0, from) + blank(at - from);
  }
  const rest = /^[.:]+/.exec(tail)?.[0].length ?? 0;
  if (rest) tail = blank(rest) + tail.slice(rest);
  return head + inserted + tail;
}

/**
 * Lays probabilities of tokens along a text that comes in parts, which need not end where a token does: what may still
 * become a stop string is held back, and a character of several bytes comes with its last one.
 */
export class Aligner {
  constructor(written) {
    this.written = written;
    this.waiting = []; // [text, logprob] of tokens whose text has not come yet
    this.decoder = null;
    this.sum = 0; // of the bytes of a character that is not whole yet
  }

  push(tokens, logprobs) {
    tokens.forEach((token, k) => {
      const bytes = bytesOf(token);
      if (!bytes) {
        this.decoder = null;
        if (token !== BOUNDARY) this.waiting.push([token, logprobs[k]]);
        return;
      }
      if (!this.decoder) [this.decoder, this.sum] = [new TextDecoder("utf-8"), 0];
      this.sum += logprobs[k] ?? 0;
      const whole = this.decoder.decode(bytes, { stream: true });
      if (whole) {
        this.waiting.push([whole, this.sum]);
        this.sum = 0;
      }
    });
  }

  /** The shades of `text`, which comes next. */
  take(text) {
    let shades = "";
    while (shades.length < text.length) {
      const rest = text.slice(shades.length);
      const [token, logprob] = this.waiting[0] ?? [];
      const length = Math.min(token?.length ?? 0, rest.length);
      if (!length || !alike(token.slice(0, length), rest.slice(0, length))) {
        this.waiting = []; // they are of another text; better no shade than a wrong one
        return shades + (this.written ? "A".repeat(rest.length) : blank(rest.length));
      }
      shades += shadesOf(length, logprob, this.written);
      if (length < token.length) this.waiting[0] = [token.slice(length), logprob];
      else this.waiting.shift();
    }
    return shades;
  }
}

const alike = (a, b) => a === b || a.toLowerCase() === b.toLowerCase(); // some models read everything as small letters

function bytesOf(token) {
  const found = /^bytes:((?:\\x[0-9a-fA-F]{2})+)$/.exec(token);
  return found && Uint8Array.from(found[1].slice(2).split("\\x"), hex => parseInt(hex, 16));
}
