"""Comparing models: which of them predicts a text better, and with what margin of error.

The difference in cost between two models is summed over blocks of the text, which are the same for both, whatever their
tokens are. In such a paired comparison, passages that are hard for both cancel out. The variation between blocks shows
how much the difference would vary in other texts of the kind (batch means).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Floats
from afterword.scoring.costs import LineScore, Score, total
from afterword.settings import OnProgress, ignore_progress
from afterword.text.tokenizer import Tokenizer

SHORTEST = 500  # characters of a block, so that blocks depend little on each other
FEWEST = 20  # blocks for a margin of error
MOST_BLOCKS = 50  # longer texts have longer blocks: passages of a thousand characters still resemble each other
PLACES = 1 << 18  # in the text, whose costs are kept: one character each, or more in a longer text
NORMAL = 1.959964  # standard errors on either side that contain 95 % of a normal distribution


class Comparable(Protocol):
    """A model that can be compared, such as a `LanguageModel`."""

    @property
    def tokenizer(self) -> Tokenizer: ...

    def score(self, text: str, *, on_progress: OnProgress = ..., after: Score | None = ...) -> Score: ...

    def score_lines(self, lines: Iterable[str], *, on_progress: OnProgress = ...) -> list[LineScore]: ...


def block_sums(
    characters: int, starts: Annotated[NDArray[np.intp], "N"], values: Annotated[NDArray[np.number], "N"]
) -> Annotated[Floats, "blocks"]:
    """Return the sum of `values` over each block; each belongs to the character at `starts`.

    The blocks of a text have the same number of its `characters`, give or take one.
    """
    number = max(1, min(MOST_BLOCKS, characters // SHORTEST))
    return np.bincount(starts * number // max(characters, 1), values, number).astype(np.float64)


class Difference(NamedTuple):
    """The bits that a text costs one model beyond another, block by block. The order of the blocks does not matter."""

    bits: Annotated[Floats, "blocks"]
    characters: Annotated[Floats, "blocks"]
    """A block inside a long line has none."""

    @property
    def blocks(self) -> int:
        return int(np.count_nonzero(self.characters))

    @property
    def bits_per_character(self) -> float:
        return math.fsum(self.bits) / max(math.fsum(self.characters), 1)

    @property
    def standard_error(self) -> float | None:
        """The standard error of `bits_per_character`, a ratio of two sums over blocks; None with too few blocks."""
        if self.blocks < FEWEST:
            return None
        residuals = self.bits - self.bits_per_character * self.characters
        return math.sqrt(math.fsum(residuals**2) * self.blocks / (self.blocks - 1)) / math.fsum(self.characters)

    @property
    def margin_of_error(self) -> float | None:
        """Half the 95 % interval, by Student's distribution (Abramowitz & Stegun 26.7.5, accurate to 0.5 % here)."""
        error = self.standard_error
        return None if error is None else error * (NORMAL + (NORMAL**3 + NORMAL) / (4 * (self.blocks - 1)))


class Compared(NamedTuple):
    """The cost of a text for one of several models, and the difference from the first of them."""

    score: Score
    difference: Difference


class Comparison:
    """A comparison of models on a text that comes in parts. Its memory does not grow with the text."""

    def __init__(self, models: Sequence[Comparable]) -> None:
        self._models = models
        self._last: list[Score | None] = [None] * len(models)
        self._scores = [Score()] * len(models)
        self._sums = np.zeros((len(models) + 1, PLACES))  # characters and nats of each model, by place
        self._each = 1  # characters of a place

    def read(self, part: str | list[str], on_progress: OnProgress = ignore_progress) -> None:
        """Read the next part of a text, as `tokenizer.parts` cuts it, or some lines, each from a fresh state.

        Raises TextError as `score` does.
        """
        before = self._scores[0].characters
        lengths = np.ones(len(part), np.intp)  # of characters, or of lines
        for number, model in enumerate(self._models):

            def on_part(fraction: float, done: int = number) -> None:
                on_progress((done + fraction) / len(self._models))

            if isinstance(part, str):
                score = self._last[number] = model.score(part, on_progress=on_part, after=self._last[number])
                starts, nats = model.tokenizer.starts(part), score.token_nats
            else:
                lines = model.score_lines(part, on_progress=on_part)
                score, lengths = total(lines), np.array([line.characters for line in lines], np.intp)
                starts, nats = lengths.cumsum() - lengths, np.array([line.nats for line in lines])
            self._scores[number] = total([self._scores[number], score]) if before else score
            self._add(number + 1, before + starts, nats)
        self._add(0, before + lengths.cumsum() - lengths, lengths)

    def _add(self, row: int, starts: NDArray[np.intp], values: NDArray[np.floating] | NDArray[np.intp]) -> None:
        while len(starts) and starts[-1] >= self._each * PLACES:
            halves = self._sums.reshape(len(self._sums), -1, 2).sum(axis=-1)
            self._sums = np.pad(halves, [(0, 0), (0, PLACES // 2)])
            self._each *= 2
        np.add.at(self._sums[row], starts // self._each, values)

    def result(self) -> list[Compared]:
        """Return the cost of the text for each of the models, in their order."""
        length = self._scores[0].characters
        starts = np.arange(0, length, self._each)
        characters, *nats = (block_sums(length, starts, sums[: len(starts)]) for sums in self._sums)
        bits = [each / math.log(2) for each in nats]
        found = zip(self._scores, bits, strict=True)
        return [Compared(score, Difference(some - bits[0], characters)) for score, some in found]
