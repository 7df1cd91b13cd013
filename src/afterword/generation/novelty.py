"""What a text has word for word from another: its copies of a length, the longest one, and lines that stand there.

A window of ℓ characters is a copy where the same ℓ characters stand in the other text. Windows are told apart by a
64-bit polynomial hash, and what is found is compared character by character, so that nothing is called a copy that is
none. The other text is read once for each length, a part at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TextError

LENGTHS = (20, 50, 100)  # characters
AT_ONCE = 2**20  # characters of the other text
FACTOR = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
INVERSE = pow(FACTOR, -1, 2**64)
BETWEEN = 0x110000  # after each text: no character, and in no other text
BREAK = np.array([BETWEEN], np.uint32)

Codes = NDArray[np.uint32]


@dataclass(frozen=True)
class Copies:
    """What some texts have word for word from another."""

    characters: int
    shares: dict[int, float]
    """By length: the fraction of the characters that lie within a copy of so many or more."""
    longest: str
    at: int
    """Where in the other text the longest copy stands, in characters from its start."""


@dataclass(frozen=True)
class LineCopies:
    """How many of some lines stand among others."""

    lines: int
    exact: float
    """The fraction that stands there as it is."""
    near: float
    """The fraction that does, or differs from one of them by one character more, less, or other."""


def find_copies(texts: Iterable[str], other: str, lengths: Sequence[int] = LENGTHS) -> Copies:
    """What `texts` copy from `other`. Raises TextError where they have no character."""
    codes = np.concatenate([np.zeros(0, np.uint32), *(part for text in texts for part in (codes_of(text), BREAK))])
    source, starts = codes_of(other), np.arange(len(codes))
    characters = int(np.count_nonzero(codes != BETWEEN))
    if characters == 0:
        raise TextError("there is no text to look for copies in: it has no character")
    shares, length = {}, 0
    candidates, at = starts, starts  # where copies of `length` begin, and where each stands in the other text
    for each in sorted(lengths):
        found, places = _copied(codes, source, each, candidates)
        shares[each] = _covered(found, each, len(codes)) / characters
        if len(found):
            length, candidates, at = each, found, places
    least = len(codes) + 1  # of which no copy stands there
    while least - length > 1:
        tried = min(2 * length or 1, (length + least) // 2)
        found, places = _copied(codes, source, tried, candidates)
        if len(found):
            length, candidates, at = tried, found, places
        else:
            least = tried
    first = int(candidates[0]) if length else 0
    return Copies(characters, shares, _text(codes[first : first + length]), int(at[0]) if length else 0)


def find_lines(lines: Sequence[str], others: Iterable[str]) -> LineCopies:
    """How many of `lines` stand among `others`. Raises TextError where there are none."""
    if not lines:
        raise TextError("there is no line to look for among the others")
    exact: set[str] = set()
    near: set[str] = set()
    shortened: dict[tuple[int, str], list[str]] = defaultdict(list)  # lines by one place, and the line without it
    dropped: dict[str, list[str]] = defaultdict(list)  # lines by what one character less makes of them
    different = set(lines)
    for line in different:
        for place, less in _one_less(line):
            shortened[place, less].append(line)
            dropped[less].append(line)
    for other in set(others):
        if other in different:
            exact.add(other)
        near.update(dropped.get(other, ()))  # one character more than there
        for place, less in _one_less(other):
            near.update(shortened.get((place, less), ()))  # another one in its place
            if less in different:  # one character less than there
                near.add(less)
    near |= exact
    count = len(lines)
    return LineCopies(count, sum(line in exact for line in lines) / count, sum(line in near for line in lines) / count)


def _one_less(line: str) -> Iterator[tuple[int, str]]:
    """`line` without the character at each place."""
    return ((place, line[:place] + line[place + 1 :]) for place in range(len(line)))


def _copied(
    codes: Codes, source: Codes, length: int, candidates: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Those of `candidates` at which a copy of `length` codes begins, and where in `source` it stands, each."""
    candidates = candidates[candidates <= len(codes) - length]
    wanted, which = np.unique(window_hashes(codes, length)[candidates], return_inverse=True)
    places = np.full(len(wanted), -1, np.intp)
    for start in range(0, len(source) - length + 1 if len(wanted) else 0, AT_ONCE):
        hashes = window_hashes(source[start : start + AT_ONCE + length - 1], length)
        found = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        hits = np.flatnonzero((wanted[found] == hashes) & (places[found] < 0))[::-1]  # the first one counts
        places[found[hits]] = start + hits
    at = places[which]
    candidates, at = candidates[at >= 0], at[at >= 0]
    same = np.ones(len(at), bool)
    for k in range(length if len(at) else 0):
        same &= codes[candidates + k] == source[at + k]
    return candidates[same], at[same]


def window_hashes(codes: Codes, length: int) -> NDArray[np.uint64]:
    """A hash of each window of `length` codes [N]: [N - length + 1], none where N is less."""
    count = max(0, len(codes) - length + 1)
    powers, inverse = (np.full(len(codes), base, np.uint64).cumprod() for base in (FACTOR, INVERSE))
    sums = np.concatenate([[np.uint64(0)], ((codes + np.uint64(1)) * powers).cumsum()])
    hashes: NDArray[np.uint64] = (sums[length:] - sums[:count]) * inverse[:count]
    return hashes


def _covered(starts: NDArray[np.intp], length: int, size: int) -> int:
    """How many of `size` places lie in a window of `length` from one of `starts` on."""
    ends = np.zeros(size + 1, np.int64)
    ends[starts] += 1
    ends[starts + length] -= 1
    return int(np.count_nonzero(ends.cumsum()))


def codes_of(text: str) -> Codes:
    """The code points of `text`."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _text(codes: Codes) -> str:
    return codes.tobytes().decode("utf-32-le", "surrogatepass")
