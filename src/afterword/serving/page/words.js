// Words, lines, and characters made visible.

const segmenter = "Segmenter" in Intl ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/** The first word of `text`, with the space before it and the punctuation that follows it. */
export function nextWord(text) {
  if (!segmenter) return /^\s*\S+/.exec(text)?.[0] ?? text;
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

/** Where the line that holds `at` begins. */
export const lineStart = (text, at) => (at ? text.lastIndexOf("\n", at - 1) + 1 : 0);

const SHOWN = { " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍" };

/** `text` on one line, for a list of single tokens: spaces and control characters as signs. */
export const spaced = text => visible(text).replaceAll(" ", "␣");

/** `text` on one line: line ends and control characters as signs. */
export function visible(text) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, one => {
    return SHOWN[one] ?? "\\x" + one.charCodeAt(0).toString(16).padStart(2, "0");
  });
}

export const number = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** A probability as people read it. */
export function percent(p) {
  if (p >= 0.0995) return `${(p * 100).toFixed(0)} %`;
  if (p >= 0.00095) return `${(p * 100).toFixed(1)} %`;
  return p > 0 ? "< 0.1 %" : "0 %";
}

/** A span of time as people say it. */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** [from, oldTo, newTo]: the smallest stretch by which `after` differs from `before`, ending where the caret stands. */
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
