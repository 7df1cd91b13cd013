"""Which of several models predicts a text better, and how sure that is.

What one model pays more than another is summed over blocks of the text, the same ones for both, whatever their tokens:
a paired comparison, in which what is hard for either of them cancels. How the blocks differ says how much another
text of the kind would have differed (batch means).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from afterword.scoring.score import LineScore, Score, total
from afterword.text.tokenizer import Tokenizer

SHORTEST = 500  # characters of a block, so that blocks know little of each other
FEWEST = 20  # blocks, for an uncertainty
MOST = 50  # blocks; of longer texts they are longer, since passages of a thousand characters still resemble each other
NORMAL = 1.959964  # standard errors to either side that hold 95 % of a normal distribution

Progress = Callable[[float], object]


class Scorer(Protocol):
    """What is compared: a `LanguageModel`."""

    @property
    def tokenizer(self) -> Tokenizer: ...

    def score(self, text: str, *, on_progress: Progress = ...) -> Score: ...

    def score_lines(self, lines: Iterable[str], *, on_progress: Progress = ...) -> list[LineScore]: ...


@dataclass(frozen=True)
class Blocks:
    """A text of so many characters, cut into blocks of the same length but for one character."""

    characters: int

    @property
    def number(self) -> int:
        return max(1, min(MOST, self.characters // SHORTEST))

    def sums(self, starts: NDArray[np.intp], values: NDArray[np.floating] | NDArray[np.intp]) -> NDArray[np.float64]:
        """The sum of `values` [N] over each block, [number]; each belongs where the character `starts` [N] stands."""
        blocks = starts * self.number // max(self.characters, 1)
        return np.bincount(blocks, values, self.number).astype(np.float64)


@dataclass(frozen=True)
class Difference:
    """How many more bits a text costs one model than another, block by block. The order of blocks changes nothing."""

    bits: NDArray[np.float64]
    """[B]"""
    characters: NDArray[np.float64]
    """[B]; a block within a long line has none."""

    @property
    def blocks(self) -> int:
        return int(np.count_nonzero(self.characters))

    @property
    def bits_per_character(self) -> float:
        return math.fsum(self.bits) / max(math.fsum(self.characters), 1)

    @property
    def standard_error(self) -> float | None:
        """Of `bits_per_character`, as a ratio of two sums over blocks; None where there are too few of them."""
        if self.blocks < FEWEST:
            return None
        residuals = self.bits - self.bits_per_character * self.characters
        return math.sqrt(math.fsum(residuals**2) * self.blocks / (self.blocks - 1)) / math.fsum(self.characters)

    @property
    def margin_of_error(self) -> float | None:
        """Half of the 95 % interval, by Student's distribution (Abramowitz & Stegun 26.7.5, to 0.5 % here)."""
        error = self.standard_error
        return None if error is None else error * (NORMAL + (NORMAL**3 + NORMAL) / (4 * (self.blocks - 1)))


@dataclass(frozen=True)
class Compared:
    """What a text costs one of several models, and how much more than the first of them."""

    score: Score
    difference: Difference


def compare(
    models: Sequence[Scorer], text: str | list[str], on_progress: Progress = lambda fraction: None
) -> list[Compared]:
    """What `text` costs each of `models`, in their order: read as one, or each of its lines from a fresh state.

    Raises TextError as `score` does. `on_progress` is called with the fraction that is done.
    """
    scores: list[Score] = []
    costs: list[tuple[NDArray[np.intp], NDArray[np.float64]]] = []  # where each token or line begins, and its nats
    lengths = np.ones(len(text), np.intp)  # of characters, or of lines
    for number, model in enumerate(models):

        def on_part(fraction: float, done: int = number) -> None:
            on_progress((done + fraction) / len(models))

        if isinstance(text, str):
            score = model.score(text, on_progress=on_part)
            costs.append((model.tokenizer.starts(text), score.token_nats))
        else:
            lines = model.score_lines(text, on_progress=on_part)
            score = total(lines)
            lengths = np.array([line.characters for line in lines], np.intp)
            costs.append((lengths.cumsum() - lengths, np.array([line.nats for line in lines])))
        scores.append(score)
    blocks = Blocks(int(lengths.sum()))
    characters = blocks.sums(lengths.cumsum() - lengths, lengths)
    bits = [blocks.sums(starts, nats) / math.log(2) for starts, nats in costs]
    return [Compared(score, Difference(some - bits[0], characters)) for score, some in zip(scores, bits, strict=True)]
