"""Loops: at a low temperature a model repeats itself, and the longer a repetition, the likelier it continues.

If the last `LENGTH` characters of a text, or more, occurred in it before, the token that followed them there would
continue a repetition. It is made less likely: the more so, the longer the repetition already is and the lower the
temperature. Shorter repetitions, such as names and turns of phrase, are left alone, and so is everything from the
temperature `WARM` on, at which a model of prose repeats itself less than the prose does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import copy

from afterword.model.arrays import Ids
from afterword.model.ngram.repeating import Occurrences

LENGTH = 16  # characters that may repeat freely, counted in tokens of the mean length
LONGEST = 48  # characters of a repetition that count
REMEMBERED = 1024  # tokens, at least; and at most twice as many, so that memory does not grow
PLACES = 8  # the latest places of the last tokens that are looked at
WARM = 0.8  # the temperature from which on nothing is penalised
PENALTY, USUAL = 4.0, 0.0125  # for a text in which this fraction of the tokens continues a repetition
JUDGED = 200_000  # tokens of a text that decide its penalty


class Repeats:
    """The last tokens of one text, and where they occurred before."""

    def __init__(self, penalty: float, characters_per_token: float = 1.0) -> None:
        """`penalty` is how many times less likely each token beyond `LENGTH` makes the next one."""
        self._nats = math.log(penalty)
        self._length, self._longest = (math.ceil(length / characters_per_token) for length in (LENGTH, LONGEST))
        self._read = Occurrences(self._length, 2 * REMEMBERED, REMEMBERED)
        self._before: list[int] = []  # for each token, the place at which the same tokens ended before, or -1
        self.repeats = False
        """True if the last tokens occurred before."""

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
            if len(self._before) > 2 * REMEMBERED:
                del self._before[:REMEMBERED]  # as `read` does
            # of forgotten tokens that a place needs, nothing is known
            self.repeats = before >= read.first + self._length or before > read.first == 0

    def penalties(self) -> list[tuple[int, float]]:
        """Return the tokens that would continue a repetition, and what their logits lose (nats)."""
        read = self._read
        lengths: dict[int, int] = {}
        place = read.first + len(read)
        for _ in range(PLACES):
            place = self._before[place - read.first - 1] if place > read.first else -1
            if place <= read.first:
                break
            token = read[place]
            lengths[token] = max(lengths.get(token, 0), read.common(place, self._longest))
        free = self._length
        return [(token, (length - free + 1) * self._nats) for token, length in lengths.items() if length >= free]


def suited_penalty(ids: Ids, characters_per_token: float = 1.0) -> float:
    """Return the repetition penalty for a model of the text ids [N]: the less, the more that text repeats itself.

    Prose continues a repetition at 1 to 2 % of its tokens, source code at a quarter of them. See docs/writing.md.
    """
    tokens: list[int] = ids[:JUDGED].tolist()
    repeats, repeated = Repeats(PENALTY, characters_per_token), 0
    for token in tokens:
        repeated += repeats.repeats
        repeats.push([token])
    share = repeated / max(1, len(tokens))
    return round(math.exp(math.log(PENALTY) * (USUAL / max(share, USUAL)) ** 2), 2)
