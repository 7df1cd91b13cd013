// The ends of sentences, as in text/sentences.py, which gives the reasons. A test compares the two.

const STOP = /(?<stop>[\p{STerm}…](?: {0,2}[\p{STerm}…]){0,20})[\p{Pe}\p{Pf}\p{Pi}"'*_]{0,20}(?=(?<gap>\s{0,20}(?:(?:--|[—–])\s{0,20})?)[\p{Ps}\p{Pi}\p{Pf}\p{Pd}"'*_¿¡]{0,20}(?<next>.?))/gsu;
const UNSPACED = /[。！？｡．‼⁇⁈⁉]+(?:[\p{Pe}\p{Pf}]+(?![\p{Pe}\p{Pf}\p{sc=Hira}])|(?![\p{Pe}\p{Pf}。！？｡．‼⁇⁈⁉]))/uy;
const BLANK_LINE = /\n[^\S\n]*\n/;
const CONTEXT = 80; // characters before a stop that are examined
const BEGIN = String.raw`(?:^|[^\p{L}\p{M}\p{N}.'’])['’]*`; // of a word
const TITLES = "adm|brev|capt|col|esq|feb|gen|gov|hon|jan|lieut|maj|messrs|mme|mlle|oct|prof|rep|rev|sen|sept|supt|univ|viz|bspw|dipl|evtl|exz|geb|gest|ggf|ing|sog|sra|srta|ste";
const ABBREVIATIONS = [
  new RegExp(`${BEGIN}(?:${TITLES})$`, "iu"),
  new RegExp(String.raw`${BEGIN}(?:[B-DF-HJ-NP-TV-XZb-df-hj-np-tv-xz][b-df-hj-np-tv-xz]{1,4}|(?:\p{L}{1,2}\.)+\p{L}{1,2}|[\p{Lu}\p{Ll}]|[IVXL]+|\d{1,2})$`, "u"),
];
const BEFORE_NUMBER = new RegExp(`${BEGIN}(?:abb|abs|al|art|aufl|ca|cap|chap|figs?|kap|nos?|sec|tel|vols?)$`, "iu");

/** Return the places where the sentences of `text` end. If it is not `isWhole`, a last stop that depends on what follows is omitted. */
export function sentenceEnds(text, isWhole = true) {
  const ends = [];
  for (const found of text.matchAll(STOP)) {
    const { gap, next } = found.groups;
    if (!isWhole && isOpen(found.groups)) continue;
    if (isEnd(text, found, isFar(gap) ? "" : next)) ends.push(found.index + found[0].length);
  }
  return ends;
}

/** Return up to where `text` stays as it is for certain: a last stop that depends on what follows, or its end. */
export function certainEnd(text) {
  const last = [...text.matchAll(STOP)].at(-1);
  return last && isOpen(last.groups) ? last.index + last[0].length : text.length;
}

const isFar = gap => gap.length >= 20 || BLANK_LINE.test(gap);
const isOpen = ({ gap, next }) => !next && !isFar(gap);

function isEnd(text, { index, groups: { stop, gap } }, following) {
  UNSPACED.lastIndex = index;
  if (following && !gap && !UNSPACED.test(text)) return false;
  const line = text.slice(Math.max(0, index - CONTEXT), index).split("\n").at(-1).trim();
  const isCapitals = /\p{Lu}/u.test(line) && line === line.toUpperCase();
  if (stop === "." && (isCapitals || /^(?:\d+\.)*\d+$/.test(line))) return false;
  if (!following) return true;
  if (/^[,;:\p{Ll}]/u.test(following)) return false;
  if (stop !== "." || /\p{Ll} I$/u.test(line)) return true; // "I" is the pronoun there, not an initial
  if (BEFORE_NUMBER.test(line)) return !/\p{N}/u.test(following);
  return !ABBREVIATIONS.some(one => one.test(line));
}
