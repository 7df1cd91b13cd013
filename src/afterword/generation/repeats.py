"""Loops: at a low temperature a model repeats itself, and the longer a repetition, the likelier it goes on.

Where the last tokens of a text, `LENGTH` of them or more, stand in it already, the token that followed them there would
go on with a repetition. It is made less likely, the more so the longer the repetition is already; what repeats no more
than a name or a turn of phrase is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import copy

LENGTH = 16  # tokens that may repeat freely
LONGEST = 48  # tokens of a repetition that count
REMEMBERED = 1024  # tokens, at least; and at most twice as many, so that memory stays flat
PLACES = 8  # where the last tokens stood before: the latest of them


class Repeats:
    """The last tokens of one text, and where they stood before."""

    def __init__(self, penalty: float) -> None:
        """`penalty` is how many times less likely each token beyond `LENGTH` makes the next one."""
        self._nats = math.log(penalty)
        self._tokens: list[int] = []
        self._forget_at = 2 * REMEMBERED  # tokens
        self._ends: dict[tuple[int, ...], list[int]] = {}  # by `LENGTH` tokens: where they ended
        self._older: dict[tuple[int, ...], list[int]] = {}

    def copy(self) -> Repeats:
        """The same text once more, to go on otherwise."""
        other = copy(self)
        other._tokens = self._tokens.copy()
        other._ends = {key: ends.copy() for key, ends in self._ends.items()}
        return other

    def push(self, tokens: Iterable[int]) -> None:
        """Go on with `tokens`."""
        for token in tokens:
            self._tokens.append(token)
            self._ends.setdefault(tuple(self._tokens[-LENGTH:]), []).append(len(self._tokens))
            if len(self._tokens) == self._forget_at:
                self._forget()

    def penalties(self) -> list[tuple[int, float]]:
        """The tokens that would go on with a repetition, and what their logits lose (nats)."""
        key = tuple(self._tokens[-LENGTH:])
        ends = self._ends.get(key, [])[:-1]  # the last one is where the text ends
        if key in self._older:
            ends = self._older[key] + ends
        lengths: dict[int, int] = {}
        for end in ends[-PLACES:]:
            token = self._tokens[end]
            lengths[token] = max(lengths.get(token, 0), self._repeated(end))
        return [(token, (length - LENGTH + 1) * self._nats) for token, length in lengths.items() if length >= LENGTH]

    def _repeated(self, end: int) -> int:
        """How many tokens before `end` are the last ones too."""
        tokens, last, length = self._tokens, len(self._tokens), 0
        while length < min(end, LONGEST) and tokens[end - length - 1] == tokens[last - length - 1]:
            length += 1
        return length

    def _forget(self) -> None:
        """Forget the older half."""
        gone = len(self._tokens) - REMEMBERED
        del self._tokens[:gone]
        kept = {key: [end - gone for end in ends if end > gone] for key, ends in self._ends.items()}
        self._older, self._ends = {key: ends for key, ends in kept.items() if ends}, {}
        self._forget_at = 2 * REMEMBERED
