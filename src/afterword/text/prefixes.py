"""Tokens of several characters, by the characters that they begin with.

A model of such tokens predicts the next character by a sum over the tokens that begin with it; within a token, over
those that begin with the characters so far and with it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import lru_cache
from itertools import count, groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CACHED = 2**16  # prefixes


class Following(NamedTuple):
    """The tokens that begin with a prefix: a slice of those sorted by text."""

    tokens: slice
    characters: NDArray[np.intp]
    """The characters that can follow the prefix, ascending, as indexes of `Prefixes.characters` [C]."""
    starts: NDArray[np.intp]
    """The first token of each of them, as an index of the slice [C]. Tokens before these are the prefix itself."""


class Prefixes:
    """The rows of a vocabulary whose tokens are text, sorted by it."""

    def __init__(self, texts: Iterable[str]) -> None:
        """`texts` are those of the rows [R]; rows whose text is empty are left out."""
        self._rows = {text: row for text, row in sorted(zip(texts, count(), strict=False)) if text}
        self._texts = list(self._rows)
        self.rows = np.array([*self._rows.values()], np.intp)
        """Their rows [N]."""
        self.characters = sorted({character for text in self._texts for character in text})
        """The characters of all tokens."""
        self._index = {character: k for k, character in enumerate(self.characters)}
        self.after = lru_cache(CACHED)(self._after)

    def rows_of(self, characters: str) -> list[int]:
        """Return the rows of known `characters`, each a token of its own."""
        return [self._rows[character] for character in characters]

    def longer(self, prefix: str) -> NDArray[np.intp]:
        """Return the rows whose tokens begin with `prefix` and are longer."""
        return self.rows[bisect_right(self._texts, prefix) : self.after(prefix).tokens.stop]

    def _after(self, prefix: str) -> Following:
        """Return the tokens that begin with `prefix`."""
        first = bisect_left(self._texts, prefix)
        last = bisect_left(self._texts, True, first, key=lambda text: not text.startswith(prefix))
        place = len(prefix)
        nexts = [(text[place], k) for k, text in enumerate(self._texts[first:last]) if len(text) > place]
        groups = [(character, next(group)[1]) for character, group in groupby(nexts, lambda each: each[0])]
        characters = np.array([self._index[character] for character, _ in groups], np.intp)
        return Following(slice(first, last), characters, np.array([start for _, start in groups], np.intp))

    def next_characters(self, probabilities: NDArray[np.floating], prefix: str = "") -> NDArray[np.float64]:
        """Return the sums of probabilities [N], in the order of `rows`, by the character after `prefix`: [C].

        C are `characters`. The sums leave out `prefix` itself and the tokens that do not begin with it.
        """
        following = self.after(prefix)
        sums = np.zeros(len(self.characters))
        if len(following.starts):
            tokens = probabilities[following.tokens]
            sums[following.characters] = np.add.reduceat(tokens, following.starts, dtype=np.float64)
        return sums
