// Words, lines and numbers as text, and characters made visible.

const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });

/** Return the first word of `text` with the space before it and the punctuation after it. */
export function nextWord(text) {
  let length = 0;
  let hasWord = false;
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    const isSpace = !segment.trim();
    if (hasWord && (isWordLike || isSpace)) break;
    hasWord ||= !isSpace;
    length += segment.length;
  }
  return text.slice(0, length);
}

// Words as in generation/next_words.py: marks in a row, and each letter of a script without spaces, are words too.
const WORDLIKE = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_C}`;
const LETTER = String.raw`(?![\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}])[${WORDLIKE}]`;
const WORD = new RegExp(String.raw`(?:${LETTER})+(?:['’](?:${LETTER})+)*|[^${WORDLIKE}\s]+|\S`, "gu");
const IS_MARK = new RegExp(`^[^${WORDLIKE}]`, "u");

/** Return [from, to] of the word or the marks at `at` or just before it, or else of the next in the line; [at, at] if there is none. */
export function wordAt(text, at) {
  const start = lineStart(text, at);
  const words = [...text.slice(start, lineEnd(text, at)).matchAll(WORD)];
  const found = words.find(({ 0: word, index }) => start + index + word.length >= at);
  return found ? [start + found.index, start + found.index + found[0].length] : [at, at];
}

/** Return whether `word` can replace the word from `from` to `to`: it touches no other, and marks replace only marks. */
export function replaces(word, text, from, to) {
  const [first, last] = wordAt(text.slice(0, from) + word + text.slice(to), from + 1);
  return first === from && last === from + word.length && IS_MARK.test(word) === IS_MARK.test(text.slice(from, to));
}

const SPEAKER = /^(\p{Lu}[\p{L}\p{M}\p{N}'’-]*(?: [\p{Lu}\p{N}][\p{L}\p{M}\p{N}'’-]*){0,3})([:.])( *)(?=(\S?))/u;

/**
 * Return the speakers in `text`, the latest first, as {name, head}: a name starts a line, as in "ROMEO:" or
 * "ROMEO.", and `head` is the text that begins a speech after the line before it.
 */
export function speakers(text) {
  const found = new Map();
  let [gap, isRepeated] = ["", false];
  for (const [, ends, line] of text.matchAll(/(^|\n+)(.+)/g)) {
    const [head, name, sign, , next] = SPEAKER.exec(line) ?? [];
    if (!head || (sign === "." && name !== name.toUpperCase())) continue; // a short sentence ends with a full stop too
    [gap, isRepeated] = [ends || "\n", isRepeated || found.delete(name)];
    found.set(name, next ? head : `${head}\n`);
  }
  if (!isRepeated || found.size < 2) return [];
  return [...found].reverse().map(([name, head]) => ({ name, head: gap + head }));
}

// In scripts without spaces between words, there is no end of a word to wait for.
const IN_WORD = new RegExp(`^(?:${LETTER}|['’-])$`, "u");

/** Ends a text that arrives in parts, after the first word that ends after `most` tokens. Patterns and sentences end by themselves. */
export class WordEnd {
  constructor({ pattern, finish_sentence, sentences }, most) {
    this.left = pattern || finish_sentence || sentences ? Infinity : most; // tokens
    this.from = Infinity; // character from which the text may end
    this.text = "";
    this.isOver = false;
  }

  /** Return as much of the next part as belongs to the text. */
  push(part, logprobs) {
    if (this.isOver) return "";
    const { tokens, text_offset: offsets } = logprobs ?? { tokens: [] };
    if (tokens.length > this.left) this.from = Math.min(this.from, offsets[this.left]);
    this.left = Math.max(0, this.left - tokens.length);
    const before = this.text.length;
    this.text += part;
    if (this.from === Infinity) return part;
    const characters = [...this.text];
    for (let k = this.from; k < characters.length; k += 1) {
      if (k > 0 && IN_WORD.test(characters[k - 1]) && IN_WORD.test(characters[k])) continue;
      this.isOver = true;
      return characters.slice(0, k).join("").slice(before);
    }
    return part;
  }
}

/** Return the start of the line that contains `at`. */
export const lineStart = (text, at) => (at ? text.lastIndexOf("\n", at - 1) + 1 : 0);

/** Return the end of the line that contains `at`, without its newline. */
export function lineEnd(text, at) {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

const SIGNS = { "\n": "↵", "\t": "→", "\r": "␍" };
export const HIDDEN = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}|^[\p{Mn}\p{Me}]/gu;

export const sign = one => SIGNS[one] ?? `<${one.codePointAt(0).toString(16).toUpperCase()}>`;

/** Return `text` on one line, with signs for line ends and tabs, and numbers for invisible characters, as in a terminal. */
export const visible = text => text.replace(HIDDEN, sign);

/** Return a part of a text without the halves of characters, such as emoji, that were cut at its ends. */
export const uncut = part => part.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, "");

/** Return `text` as `visible` does, with a sign for a space too. */
export const spaced = text => visible(text).replaceAll(" ", "␣");

const PLAIN = { ß: "ss", ẞ: "SS", æ: "ae", Æ: "AE", œ: "oe", Œ: "OE", ø: "o", Ø: "O", ł: "l", Ł: "L", đ: "d", Đ: "D", ð: "d", þ: "th" };

/** Return a name for a run from the name of a file: letters from a to z, digits, - and _. */
export function runName(file) {
  const plain = file.replace(/(.)\.[^.]*$/, "$1").replace(/[^\x00-\x7f]/g, one => PLAIN[one] ?? one).normalize("NFKD").replace(/\p{M}/gu, "");
  return plain.replace(/[^A-Za-z0-9_]+/g, "-").replace(/^-+/, "").slice(0, 64).replace(/-+$/, "") || "text";
}

export const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Return a probability as a percentage. */
export function percent(p) {
  if (p >= 0.0995) return `${(p * 100).toFixed(0)} %`;
  if (p >= 0.00095) return `${(p * 100).toFixed(1)} %`;
  return p > 0 ? "< 0.1 %" : "0 %";
}

/** Return a duration in seconds as text. */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Return the first of `count` indexes for which `isBefore` is false, or `count`; it is true for all those before. */
export function firstAfter(count, isBefore) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Return [from, oldTo, newTo]: the smallest range in which `after` differs from `before`, ending at the caret. */
export function difference(before, after, caret = after.length) {
  const grown = after.length - before.length;
  const most = Math.max(0, Math.min(before.length, after.length, grown > 0 ? caret - grown : caret));
  let from = 0;
  while (from < most && before.charCodeAt(from) === after.charCodeAt(from)) from += 1;
  let tail = 0;
  const longest = Math.min(before.length, after.length) - from;
  while (
    tail < longest &&
    before.charCodeAt(before.length - 1 - tail) === after.charCodeAt(after.length - 1 - tail)
  ) {
    tail += 1;
  }
  return [from, before.length - tail, after.length - tail];
}
