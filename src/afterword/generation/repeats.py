"""Loops: at a low temperature a model repeats itself, and the longer a repetition, the likelier it goes on.

Where the last tokens of a text, `LENGTH` of them or more, stand in it already, the token that followed them there would
go on with a repetition. It is made less likely, the more so the longer the repetition is already and the lower the
temperature; what repeats no more than a name or a turn of phrase is left alone, and so is all from `WARM` on, where a
model of prose repeats itself less than the prose does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import copy

from afterword.model.arrays import Ids

LENGTH = 16  # tokens that may repeat freely
LONGEST = 48  # tokens of a repetition that count
REMEMBERED = 1024  # tokens, at least; and at most twice as many, so that memory stays flat
PLACES = 8  # where the last tokens stood before: the latest of them
WARM = 0.8  # the temperature from which on nothing is penalised
BITS = 32  # of a token
PENALTY, USUAL = 4.0, 0.0125  # of a text of which so large a part goes on with a repetition
JUDGED = 200_000  # tokens of a text, by which it is judged
ALL = (1 << BITS * LENGTH) - 1


class Repeats:
    """The last tokens of one text, and where they stood before."""

    def __init__(self, penalty: float) -> None:
        """`penalty` is how many times less likely each token beyond `LENGTH` makes the next one."""
        self._nats = math.log(penalty)
        self._begin()

    def _begin(self) -> None:
        self._tokens: list[int] = []
        self._last = 0  # the last `LENGTH` tokens, as one number
        self._ends: dict[int, int] = {}  # by such a number: where it ended, the latest place
        self._before: list[int] = []  # by place: where the same tokens ended the time before, or -1
        self.repeats = False

    def copy(self) -> Repeats:
        """The same text once more, to go on otherwise."""
        other = copy(self)
        other._tokens, other._ends, other._before = self._tokens.copy(), self._ends.copy(), self._before.copy()
        return other

    def push(self, tokens: Iterable[int]) -> None:
        """Go on with `tokens`. Then `repeats` says whether the text repeats itself."""
        for token in tokens:
            if len(self._tokens) == 2 * REMEMBERED:
                self._forget()
            last = self._last = (self._last << BITS | token) & ALL
            before = self._ends.get(last, -1)
            self._ends[last] = len(self._tokens)
            self._before.append(before)
            self._tokens.append(token)
            self.repeats = before >= 0

    def _forget(self) -> None:
        """Forget the older half."""
        kept = self._tokens[-REMEMBERED:]
        self._begin()
        self.push(kept)

    def penalties(self) -> list[tuple[int, float]]:
        """The tokens that would go on with a repetition, and what their logits lose (nats)."""
        lengths: dict[int, int] = {}
        place = len(self._tokens) - 1
        for _ in range(PLACES):
            place = self._before[place] if place >= 0 else place
            if place < 0:
                break
            token = self._tokens[place + 1]
            lengths[token] = max(lengths.get(token, 0), self._repeated(place + 1))
        return [(token, (length - LENGTH + 1) * self._nats) for token, length in lengths.items() if length >= LENGTH]

    def _repeated(self, end: int) -> int:
        """How many tokens before `end` are the last ones too."""
        tokens, last, length = self._tokens, len(self._tokens), 0
        while length < min(end, LONGEST) and tokens[end - length - 1] == tokens[last - length - 1]:
            length += 1
        return length


def suited_penalty(ids: Ids) -> float:
    """The repetition penalty for a model of the text ids [N]: the less, the more that text repeats itself.

    Prose goes on with a repetition in 1 to 2 % of its places, source code in a quarter of them. See docs/writing.md.
    """
    tokens: list[int] = ids[:JUDGED].tolist()
    repeats, repeated = Repeats(PENALTY), 0
    for token in tokens:
        repeated += repeats.repeats
        repeats.push([token])
    share = repeated / max(1, len(tokens))
    return round(math.exp(math.log(PENALTY) * (USUAL / max(share, USUAL)) ** 2), 2)
