"""Prose that was wrapped by hand: each paragraph becomes one line. Everything else keeps its lines.

A line of wrapped prose breaks because it is full: the next word would have crossed the margin. A line of verse, of a
list or of code breaks where its author ended it, usually with room for another word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

MARGINS = range(40, 101)  # columns: editors and mail programs wrap at one of these
SLACK = 2  # columns by which a person may miss the margin
FEWEST = 4  # breaks, at least, to show a margin
SMALL = 0.4  # fraction of the lines of wrapped prose that begin with a small letter, at least
MOSTLY = 0.75  # fraction of the breaks of wrapped prose that are at the margin, at least
PART = 1 << 18  # characters: a text that comes in pieces is read in such parts, each with its own margin
LONG = 100  # characters per line, on average, from which lines count as paragraphs
LISTED = re.compile(r"[-*+•·] |[#>|]|//|/\*")  # beginnings of lists, quoted mail, comments
NO_SPEAKER = r"(?!(?:Mr?s?|Mme|Mlle|Dr|St)\.|(?:chapter|book|part|letter|volume)\b)"  # titles, and heads of chapters
SPEAKER = re.compile(rf"(?i:{NO_SPEAKER})[_*]*([A-Z][\w.'’ -]{{0,30}}?)[_*]*(?:[.:]|$)(?=[\s_*(\[]|$)")
SPEECHES = 0.2  # fraction of paragraphs in a play that begin with a speaker's name, at least
CODE = (("{}=<>\\|#@$%^&~`+/", 0.002), ("=(){}#", 0.008))  # signs, and their fraction of all characters in code
NEAR = 10  # paragraphs on each side that show whether one is in a play
PART_OF_WORD = 40  # characters, at most, of a part of a divided word
SUSPENDED = ("and", "or", "to", "und", "oder", "bis", "et", "ou", "y", "o")  # after "half-" in "half- and full-time"

Flags = NDArray[np.bool_]


def unwrapped(text: str) -> str:
    """Return `text` with each paragraph of hand-wrapped prose on one line; verse, plays, lists, code and headings stay.

    A paragraph is wrapped if nearly all of its lines reach the margin that the lines of `text` share, so that the
    first word of the next line had no room. Unless all do, many of its lines begin with a small letter, as lines of
    verse do not. A word divided by a hyphen is joined if `text` also has it undivided.
    """
    lines = text.split("\n")
    if all(sum(map(text.count, signs)) > share * len(text) for signs, share in CODE):
        return text
    bare = [line.strip() for line in lines]
    pieces, begun = list[str](), 0
    for k in np.flatnonzero(_continued(lines, bare)).tolist():
        dropped, between = _seam(text, bare[k], bare[k + 1])
        whole = "\n".join(lines[begun : k + 1]).rstrip()
        pieces += [whole[: len(whole) - dropped], between]
        lines[k + 1], begun = bare[k + 1], k + 1
    return "".join([*pieces, "\n".join(lines[begun:])])


def unwrapped_parts(texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield the parts of a text with wrapped prose joined, each with its number of joined lines.

    The text comes in pieces. The parts do not depend on where these end.
    """

    def part(text: str) -> tuple[str, int]:
        joined = unwrapped(text)
        return joined, text.count("\n") - joined.count("\n")

    rest = ""
    for text in texts:
        rest += text
        while len(rest) > 2 * PART:
            end = max(rest.rfind("\n\n", 0, PART), 0) or max(rest.rfind("\n", 0, PART), 0) or PART - 1
            yield part(rest[: end + 1])
            rest = rest[end + 1 :]
    if rest:
        yield part(rest)


def is_prose(text: str) -> bool:
    """Return whether the lines of `text` are, on average, as long as paragraphs."""
    lines = [line for line in text.split("\n") if line.strip()]
    return sum(map(len, lines)) >= LONG * len(lines)


def _seam(text: str, line: str, following: str) -> tuple[int, str]:
    """Return how many characters at the end of `line` are dropped, and what is put between it and `following`."""
    if not line.endswith(("-", "—")) or line.endswith((" -", " —", " --")) or following.split(" ")[0] in SUSPENDED:
        return 0, " "
    divided = re.search(r"([^\W\d_]+)-\n([^\W\d_]+)", f"{line[-PART_OF_WORD:]}\n{following[:PART_OF_WORD]}")
    return int(divided is not None and divided[1] + divided[2] in text), ""


def _continued(lines: Sequence[str], bare: Sequence[str]) -> Flags:
    """Return for each of the `lines` [n], but the last, whether the next one continues its paragraph [n - 1].

    `bare` are the lines without white space around them. A block is a run of lines that are neither empty nor, after
    its first one, indented anew; the end of a line within it is a break.
    """
    length = np.array([*map(len, bare)])
    indent = np.array([len(line) - len(line.lstrip()) for line in lines])
    first = np.append((indent[:-1] > indent[1:]) & (length[1:] > 0), False)  # a first line of a paragraph, indented
    inside = (length[:-1] > 0) & (length[1:] > 0) & (indent[1:] <= indent[:-1]) & ~first[1:]  # line ends within a block
    if inside.sum() < FEWEST:
        return np.zeros(len(inside), bool)
    starts = np.flatnonzero(np.append(True, ~inside))
    block = np.append(True, ~inside).cumsum() - 1

    def breaks(those: Flags | bool = True) -> NDArray[np.intp]:
        """Return the number of `those` breaks in each block."""
        return np.bincount(block[:-1][inside & those], minlength=len(starts))

    # each break shows the margins that would have made it: from the line's length to where the next word would end
    low = (length + indent)[:-1]
    high = low + [len(line.partition(" ")[0]) for line in bare[1:]]
    small = np.array([line[:1].islower() for line in bare[1:]])
    counts = np.bincount(np.minimum(low[inside & small], 999), minlength=1001)
    counts -= np.bincount(np.minimum(high[inside & small] + 1, 1000), minlength=1001)
    margin = MARGINS[int(counts.cumsum()[MARGINS.start : MARGINS.stop].argmax())]
    full = (low <= margin + SLACK) & (high >= margin - np.where(small, 4 * SLACK, SLACK))
    listed = np.array([bool(LISTED.match(line)) for line in bare])
    wrapped = (breaks() > 0) & (breaks(full) >= MOSTLY * breaks())
    wrapped &= (breaks(full) == breaks()) | (breaks(small) >= SMALL * breaks())  # lines may begin with nouns or names
    wrapped &= ~listed[starts] & (np.add.reduceat(listed.astype(int), starts) < 2)
    wrapped &= ~_in_play([bare[start] for start in starts.tolist()])

    # verse without capital letters, even with lines of similar length, has no margin that most lines just reach
    reaching = np.maximum.reduceat(length + indent, starts) >= margin - 3 * SLACK
    exact = breaks((low <= margin + 1) & (high >= margin - 1))
    seen = breaks(small)[wrapped].sum() >= SMALL * breaks()[wrapped].sum()  # not a list of sentences of one length
    enough = bool(seen and exact[reaching].sum() > MOSTLY * breaks()[reaching].sum())
    continued: Flags = inside & wrapped[block[:-1]] & (full | small) & enough
    return continued


def _in_play(firsts: Sequence[str]) -> Flags:
    """Return for each block whether it is in a play; `firsts` are the blocks' first lines."""
    filled = np.flatnonzero([bool(first) for first in firsts])
    labels = [label[1] if (label := SPEAKER.match(firsts[k])) else "" for k in filled.tolist()]
    times = Counter(labels)
    speeches = np.array([label != "" and times[label] >= 3 for label in labels])
    around = np.convolve(speeches, np.ones(2 * NEAR + 1), "same") if len(filled) > 2 * NEAR else 0 * speeches
    found = np.zeros(len(firsts), bool)
    found[filled] = (around >= SPEECHES * (2 * NEAR + 1)) | (speeches.sum() >= SPEECHES * len(filled))
    return found
