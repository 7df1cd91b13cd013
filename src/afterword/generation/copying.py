"""Keeping copies of the training text from being written, while a text is written.

All passages of N + 1 characters of that text are kept as sorted 64-bit hashes (those of `novelty`). A token that would
complete one is refused. Two passages with one hash could refuse a token too many, never let a copy through.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

import numpy as np

from afterword.generation.novelty import AT_ONCE, FACTOR, INVERSE, codes_of, window_hashes

MODULUS = 2**64


class Passages:
    """The passages of `length` + 1 characters of a text; a copy that is longer than `length` holds one."""

    def __init__(self, text: str, length: int) -> None:
        self.length = length
        self.powers = [pow(FACTOR, k, MODULUS) for k in range(length + 1)]
        parts = [
            np.unique(window_hashes(codes_of(text[start : start + AT_ONCE + length]), length + 1))
            for start in range(0, len(text), AT_ONCE)
        ]
        self._hashes = memoryview(np.unique(np.concatenate([np.empty(0, np.uint64), *parts])))  # type: ignore[arg-type]

    def __contains__(self, hash: int) -> bool:
        at = bisect_left(self._hashes, hash)
        return at < len(self._hashes) and self._hashes[at] == hash


class Guard:
    """The last characters of one text, as far as a copy may reach back."""

    def __init__(self, passages: Passages, prompt: str) -> None:
        self._passages = passages
        self._last: deque[int] = deque()
        self._hash = 0  # of them
        self.push(prompt[-passages.length :])

    def copies(self, text: str) -> bool:
        """Whether `text`, as what comes next, would make a copy that is too long."""
        if len(text) == 1:
            return self._completes(ord(text))
        tried = Guard(self._passages, "")
        tried._last, tried._hash = self._last.copy(), self._hash
        for character in text:
            if tried._completes(ord(character)):
                return True
            tried.push(character)
        return False

    def push(self, text: str) -> None:
        """Go on with `text`."""
        length = self._passages.length
        for character in text:
            if len(self._last) == length:
                self._hash = (self._hash - self._last.popleft() - 1) * INVERSE % MODULUS
            self._hash = (self._hash + (ord(character) + 1) * self._passages.powers[len(self._last)]) % MODULUS
            self._last.append(ord(character))

    def _completes(self, code: int) -> bool:
        if len(self._last) < self._passages.length:
            return False
        return (self._hash + (code + 1) * self._passages.powers[-1]) % MODULUS in self._passages
