"""Copies of one text in another: found in a finished text, and prevented while a text is written.

A window of ℓ characters is a copy if the same ℓ characters occur in the other text. Windows are compared by a 64-bit
hash. Copies in a finished text are then compared character by character, so that no false copy is reported. A text
being written is compared by hash alone: if two windows have the same hash, a token may be refused needlessly, but no
copy passes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.model.rolling_hash import RollingHash, window_hashes

LENGTHS = (20, 50, 100)  # characters
CHARACTERS_AT_ONCE = 2**20  # characters of the other text
BETWEEN = 0x110000  # after each text: not a character, and in no other text
BREAK = np.array([BETWEEN], np.uint32)

Codes = NDArray[np.uint32]


@dataclass(frozen=True)
class Copies:
    """Word-for-word copies of one text in others."""

    characters: int
    shares: dict[int, float]
    """By length: the fraction of the characters that lie within a copy of at least that length."""
    longest: str
    at: int
    """The place of the longest copy in the other text, in characters from its start."""
    lines: LineCopies | None = None
    """Only for a model of lines."""


@dataclass(frozen=True)
class LineCopies:
    """The lines that occur among others."""

    lines: int
    exact: float
    """The fraction that occurs there unchanged."""
    near: float
    """The fraction that does, or differs from one of them by one character added, removed or replaced."""


def find_copies(texts: Iterable[str], other: str, lengths: Sequence[int] = LENGTHS) -> Copies:
    """Find what `texts` copy from `other`. Raises TextError if they contain no characters."""
    codes = np.concatenate([np.zeros(0, np.uint32), *(part for text in texts for part in (_codes(text), BREAK))])
    source, starts = _codes(other), np.arange(len(codes))
    characters = int(np.count_nonzero(codes != BETWEEN))
    if characters == 0:
        raise TextError("the text to look for copies in is empty")
    shares, length = {}, 0
    candidates, at = starts, starts  # where copies of `length` begin, and the place of each in the other text
    for each in sorted(lengths):
        found, places = _copied(codes, source, each, candidates)
        shares[each] = _covered(found, each, len(codes)) / characters
        if len(found):
            length, candidates, at = each, found, places
    least = len(codes) + 1  # the least length known to have no copy
    while least - length > 1:
        tried = min(2 * length or 1, (length + least) // 2)
        found, places = _copied(codes, source, tried, candidates)
        if len(found):
            length, candidates, at = tried, found, places
        else:
            least = tried
    first = int(candidates[0]) if length else 0
    longest = codes[first : first + length].tobytes().decode("utf-32-le", "surrogatepass")
    return Copies(characters, shares, longest, int(at[0]) if length else 0)


def copied_spans(text: str, other: str, length: int) -> list[tuple[int, int]]:
    """Return the parts of `text` that are copied from `other`, of at least `length` characters, as start and end."""
    codes = _codes(text)
    starts, _ = _copied(codes, _codes(other), length, np.arange(len(codes)))
    breaks = np.flatnonzero(np.diff(starts) > length) + 1
    return [(int(some[0]), int(some[-1]) + length) for some in np.split(starts, breaks) if len(some)]


def find_lines(lines: Sequence[str], others: Iterable[str]) -> LineCopies:
    """Count how many of `lines` occur among `others`. Raises TextError if `lines` is empty."""
    if not lines:
        raise TextError("the lines to look for are missing")
    different, compared, count = set(lines), set(others), len(lines)
    exact = different & compared
    near = exact.copy()
    # lines by one place and the line without it; and by the line alone, for one that equals it
    shortened: dict[tuple[int | None, str], list[str]] = defaultdict(list)
    for line in different:
        for place, less in _one_less(line):
            shortened[place, less].append(line)
            shortened[None, less].append(line)
    for other in compared:
        near.update(shortened.get((None, other), ()))  # one character more than there
        for place, less in _one_less(other):
            near.update(shortened.get((place, less), ()))  # another one in its place
            near |= different & {less}  # one character less than there
    return LineCopies(count, sum(line in exact for line in lines) / count, sum(line in near for line in lines) / count)


class Passages:
    """The passages of `length` + 1 characters of a text, as sorted hashes; any longer copy contains one."""

    def __init__(self, text: str, length: int) -> None:
        self.length = length
        parts = [
            np.unique(window_hashes(_codes(text[start : start + CHARACTERS_AT_ONCE + length]), length + 1))
            for start in range(0, len(text), CHARACTERS_AT_ONCE)
        ]
        self._hashes = memoryview(np.unique(np.concatenate([np.empty(0, np.uint64), *parts])))  # type: ignore[arg-type]

    def __contains__(self, hash: int) -> bool:
        at = bisect_left(self._hashes, hash)
        return at < len(self._hashes) and self._hashes[at] == hash


class CopyGuard:
    """The last characters of one text, as far as a copy may reach back."""

    def __init__(self, passages: Passages, prompt: str) -> None:
        self._passages = passages
        self._last: deque[int] = deque()
        self._hash = RollingHash()  # of them
        self.push(prompt[-passages.length :])

    def copies(self, text: str) -> bool:
        """Return whether `text`, appended, would make a copy that is too long."""
        if len(text) == 1:
            return self._completes(ord(text))
        tried = copy(self)
        tried._last, tried._hash = self._last.copy(), copy(self._hash)
        for character in text:
            if tried._completes(ord(character)):
                return True
            tried.push(character)
        return False

    def push(self, text: str) -> None:
        """Append `text`."""
        for character in text:
            if len(self._last) == self._passages.length:
                self._hash.drop(self._last.popleft())
            self._hash.push(ord(character))
            self._last.append(ord(character))

    def _completes(self, code: int) -> bool:
        return len(self._last) == self._passages.length and self._hash.after(code) in self._passages


def _one_less(line: str) -> Iterator[tuple[int, str]]:
    """Yield each place of `line`, and `line` without its character."""
    return ((place, line[:place] + line[place + 1 :]) for place in range(len(line)))


def _copied(
    codes: Codes, source: Codes, length: int, candidates: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return those of `candidates` at which a copy of `length` codes begins, and the place of each in `source`."""
    candidates = candidates[candidates <= len(codes) - length]
    wanted, which = np.unique(window_hashes(codes, length)[candidates], return_inverse=True)
    places = np.full(len(wanted), -1, np.intp)
    for start in range(0, len(source) - length + 1 if len(wanted) else 0, CHARACTERS_AT_ONCE):
        hashes = window_hashes(source[start : start + CHARACTERS_AT_ONCE + length - 1], length)
        found = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        hits = np.flatnonzero((wanted[found] == hashes) & (places[found] < 0))[::-1]  # the first one counts
        places[found[hits]] = start + hits
    at = places[which]
    candidates, at = candidates[at >= 0], at[at >= 0]
    same = np.ones(len(at), bool)
    for k in range(length if len(at) else 0):
        same &= codes[candidates + k] == source[at + k]
    return candidates[same], at[same]


def _covered(starts: NDArray[np.intp], length: int, size: int) -> int:
    """Return how many of `size` places lie in a window of `length` that begins at one of `starts`."""
    ends = np.zeros(size + 1, np.int64)
    ends[starts] += 1
    ends[starts + length] -= 1
    return int(np.count_nonzero(ends.cumsum()))


def _codes(text: str) -> Codes:
    """Return the code points of `text`."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
