"""Lines: cut out of a text that comes in pieces, with labels, and with masks over what always changes.

A labelled line is a label, a tab and a text; only the first tab counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain

from afterword.errors import OptionError, TextError
from afterword.text.decoding import Reader
from afterword.text.documents import Document
from afterword.text.patterns import Expression
from afterword.text.tokenizer import Tokenizer
from afterword.text.unicode import lower
from afterword.wording import listed_names

PIECE = 1 << 20  # characters
LONGEST = 4_000_000  # characters of a line; scoring one takes some hundred bytes for each


def whole_lines(texts: Iterable[str], cut: bool = False) -> Iterator[list[str]]:
    """Yield the lines of a text that comes in pieces, without their "\\n": those that each piece completes.

    Raises TextError for a line that is longer than `LONGEST`, unless such lines are `cut`.
    """
    begun: list[str] = []  # a line may be longer than many pieces
    for text in texts:
        whole, newline, rest = text.rpartition("\n")
        if newline:
            yield "".join([*begun, whole]).split("\n")
            begun = []
        begun.append(rest)
        if sum(map(len, begun)) > LONGEST:
            begun = ["".join(begun)[:LONGEST]]
            if not cut:
                raise TextError(f"a line has more than {LONGEST:,} characters: split it, or read it as running text")
    if last := "".join(begun):
        yield [last]


def filled_lines(texts: Iterable[str], cut: bool = False) -> Iterator[list[str]]:
    """Yield lines as `whole_lines` does, without the empty ones."""
    for lines in whole_lines(texts, cut):
        if filled := [line for line in lines if line]:
            yield filled


def joined(lines: list[str]) -> Iterator[str]:
    """Yield `lines` with their newlines, in pieces that stay small even if a line is long."""
    text = "\n".join([*lines, ""])
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


TAB = "\t"
FEW = 50  # labels, of which some may have the same text
MOST = 1000  # different labels: more are ids or texts, taken for labels by mistake


def check_labelled(documents: Iterable[Document], reader: Reader, lowercase: bool) -> None:
    """Raise TextError for the first line of `documents` that is neither empty nor a label, a tab and a text.

    Raise it also for more than `MOST` labels, and for many more labels than texts. With `lowercase`, labels that differ
    only in case are the same.
    """
    labels, texts = set[str](), set[str]()
    for document in documents:
        for number, line in enumerate(chain.from_iterable(whole_lines(reader.pieces(document))), start=1):
            (label, tab, text), place = line.partition(TAB), f"{document.name}:{number}"
            if not line or (label in labels and text and len(texts) > len(labels)):
                continue
            if not (label and tab and text):
                missing = "tab" if not tab else "label before its tab" if not label else "text after its tab"
                raise TextError(f"{place} has no {missing}: with `labels` every line is a label, a tab and a text")
            labels.add(lower(label) if lowercase else label)
            texts.add(text)
            if len(labels) > FEW + 10 * len(texts):
                raise TextError(f"{place}: the label seems to come second, after the tab: swap the columns")
            if len(labels) > MOST:
                what = f"{place} has a new label; at most {MOST:,} different ones are allowed"
                raise TextError(f"{what}: the text before the first tab of a line must be its kind")


def count_labels(texts: Iterable[str], lowercase: bool) -> dict[str, int]:
    """Return the number of lines per label, the most frequent label first. The lines come in pieces."""
    counts = Counter[str]()
    for label, count in Counter(line.partition(TAB)[0] for lines in whole_lines(texts) for line in lines).items():
        counts[lower(label) if lowercase else label] += count
    return dict(counts.most_common())


def known_label(label: str, labels: Mapping[str, int], tokenizer: Tokenizer) -> str:
    """Return `label` as a model with `labels` spells it. Raises OptionError for an unknown one."""
    if not labels:
        raise OptionError("this model knows no labels: leave the label out; or train one with `labels`")
    if not isinstance(label, str):
        raise OptionError(f"label must be text, not {repr(label)[:60]}")
    name = tokenizer.normalise(label)
    if name not in labels:
        close = get_close_matches(name, labels, n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise OptionError(f"unknown label {name[:40]!r}: {meant}the model knows {listed_names(map(repr, labels))}")
    return name


MARK = "<*>"
Span = tuple[int, int, str]
"""The start and the end of a part of a text, and the text that replaces it."""

MOST_MASKS = 100
MASK_SECONDS = 1.0  # for one mask on one line: thousands of times what a plain one takes


class Masks:
    """Regular expressions for what changes from line to line, such as numbers; each match is replaced by `MARK`.

    Raises OptionError for a pattern that is not a regular expression, is too large, or matches the empty text; calls
    raise it for a pattern that is too slow.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        if isinstance(patterns, str):
            raise OptionError(f"masks must be a list of regular expressions, not {repr(patterns)[:60]}")
        self.patterns = tuple(patterns)
        if len(self.patterns) > MOST_MASKS:
            raise OptionError(f"at most {MOST_MASKS} masks are allowed, not {len(self.patterns):,}")
        self._compiled = [_mask(pattern) for pattern in self.patterns]

    def __call__(self, line: str) -> str:
        """Return `line` with every match replaced."""
        for pattern in self._compiled:
            line = replaced(line, _matches(pattern, line))
        return line

    def origins(self, line: str) -> list[tuple[int, int]]:
        """Return, for each character of the masked line, its span in `line`."""
        masked, places = line, [(k, k + 1) for k in range(len(line))]
        for pattern in self._compiled:
            spans = _matches(pattern, masked)
            masked, places = replaced(masked, spans), origins(places, spans)
        return places


def replaced(text: str, spans: Iterable[Span]) -> str:
    """Return `text` with another text in place of each of these spans of it."""
    pieces, last = [], 0
    for start, end, instead in spans:
        pieces += [text[last:start], instead]
        last = end
    return "".join([*pieces, text[last:]])


def origins(places: Sequence[tuple[int, int]], spans: Iterable[Span]) -> list[tuple[int, int]]:
    """Return the places of the characters of a text after `replaced`, from those of the characters before."""
    kept, last = list[tuple[int, int]](), 0
    for start, end, instead in spans:
        kept += [*places[last:start], *[(places[start][0], places[end - 1][1])] * len(instead)]
        last = end
    return [*kept, *places[last:]]


def _mask(pattern: str) -> Expression:
    found = Expression(pattern, "mask")
    if found.spans("", MASK_SECONDS, "on a line"):
        raise OptionError(f"mask {pattern[:60]!r} matches an empty text: write + for *, as in [0-9]+")
    return found


def _matches(pattern: Expression, line: str) -> list[Span]:
    """Return the spans of the matches, with `MARK`."""
    return [(start, end, MARK) for start, end in pattern.spans(line, MASK_SECONDS, "on a line") if end > start]
