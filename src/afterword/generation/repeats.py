"""Loops: at a low temperature a model repeats itself, and the longer a repetition, the likelier it continues.

If the last `LENGTH` characters of a text, or more, occurred in it before, the token that followed them there would
continue a repetition. It is made less likely: the more so, the longer the repetition already is and the lower the
temperature. Shorter repetitions, such as names and turns of phrase, are left alone, and so is everything from the
temperature `WARM` on, at which a model of prose repeats itself less than the prose does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import copy
from typing import Annotated

from afterword.model.arrays import Ids
from afterword.model.ngram.repeating import Occurrences

LENGTH = 16  # characters that may repeat freely
LONGEST_REPETITION = 48  # characters of a repetition that count
LEAST_TOKENS = 4  # tokens of a repetition, if they have several characters
TOKENS_KEPT = 1024  # at least; and at most twice as many, so that memory does not grow
PLACES = 8  # the latest places of the last tokens that are looked at
WARM = 0.8  # the temperature from which on nothing is penalised
PENALTY, USUAL = 4.0, 0.0125  # for a text in which this fraction of the characters continues a repetition
JUDGED = 200_000  # characters of a text that decide its penalty


class Repeats:
    """The last tokens of one text, and where they occurred before."""

    def __init__(self, penalty: float, lengths: Sequence[int] = ()) -> None:
        """`penalty` is how many times less likely each token beyond `LENGTH` makes the next one.

        `lengths` are the characters of each token, by id; without them, each has one.
        """
        self._nats, self._lengths = math.log(penalty), lengths
        self._least = LEAST_TOKENS if lengths else LENGTH
        self._read = Occurrences(self._least, 2 * TOKENS_KEPT, TOKENS_KEPT)
        self._before: list[int] = []  # for each token, the place at which the same tokens ended before, or -1
        self.repeats = False
        """True if the last tokens occurred before, so that there may be penalties."""

    def copy(self) -> Repeats:
        """Return a copy, which can continue differently."""
        other = copy(self)
        other._read, other._before = self._read.copy(), self._before.copy()
        return other

    def push(self, tokens: Iterable[int]) -> None:
        """Append `tokens`."""
        read = self._read
        for token in tokens:
            read.push(token)
            before = read.noted()
            self._before.append(before)
            if len(self._before) > 2 * TOKENS_KEPT:
                del self._before[:TOKENS_KEPT]  # as `read` does
            # of forgotten tokens that a place needs, nothing is known
            self.repeats = before >= read.first + self._least or before > read.first == 0

    def penalties(self) -> list[tuple[int, float]]:
        """Return the tokens that would continue a repetition, and what their logits lose (nats)."""
        read = self._read
        free, most = self._tokens(LENGTH), self._tokens(LONGEST_REPETITION)
        lengths: dict[int, int] = {}
        place = read.first + len(read)
        for _ in range(PLACES):
            place = self._before[place - read.first - 1] if place > read.first else -1
            if place <= read.first:
                break
            token = read[place]
            lengths[token] = max(lengths.get(token, 0), read.common(place, most))
        return [(token, (length - free + 1) * self._nats) for token, length in lengths.items() if length >= free]

    def _tokens(self, characters: int) -> int:
        """Return how many of the last tokens are needed for this number of `characters`."""
        if not self._lengths:
            return characters
        read = self._read
        place = end = read.first + len(read)
        while characters > 0 and place > read.first:
            place -= 1
            characters -= self._lengths[read[place]]
        return end - place


def suited_penalty(ids: Annotated[Ids, "N"], lengths: Sequence[int] = ()) -> float:
    """Return the repetition penalty for a model of the text `ids`: the less, the more that text repeats itself.

    Prose continues a repetition at 1 to 2 % of its characters, source code at a quarter of them. See docs/planning.md.
    """
    tokens: list[int] = ids[:JUDGED].tolist()
    repeats, repeated, characters = Repeats(PENALTY, lengths), 0, 0
    for token in tokens:
        if characters >= JUDGED:
            break
        length = lengths[token] if lengths else 1
        characters += length
        if repeats.repeats and (not lengths or repeats.penalties()):
            repeated += length
        repeats.push([token])
    return round(math.exp(math.log(PENALTY) * (USUAL / max(repeated / max(1, characters), USUAL)) ** 2), 2)
