"""Lines that do not belong: judged by what normal lines cost (`model.calibration`)."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afterword.model.calibration import Calibration
from afterword.scoring.score import LineScore
from afterword.text.masking import Masks
from afterword.text.tokenizer import Tokenizer

LOOKED_INTO = 10_000  # lines, of which it is seen what single tokens cost


@dataclass(frozen=True, repr=False)
class OddLine(LineScore):
    """A line's cost beside what normal lines cost. `text` is the line as it was; its cost that of it masked."""

    figure: float = 0.0
    """By how many standard deviations it has more bits than normal lines of its length, or than was expected."""
    p_value: float = 1.0
    """How often a normal line has such a figure or a higher one, by those that were calibrated with."""
    odd: bool = False
    """Whether the p-value is within the rate of false alarms that was asked for."""
    odd_pieces: Sequence[tuple[int, int]] = ()
    """Of an odd line, the pieces of `text`, from and to, that cost more than those of normal lines."""

    def at(self, line: int) -> OddLine:
        """The same with another number, without the costs of its tokens."""
        return replace(self, line=line, token_nats=np.empty(0))

    def __repr__(self) -> str:
        return f"OddLine({self.line}: {reprlib.repr(self.text)}, figure {self.figure:.1f}, p {self.p_value:.2g})"


def calibrate(scores: Iterable[LineScore], masks: Sequence[str], using: str) -> Calibration:
    """What normal lines cost, that were masked and scored. Raises OptionError where there are too few."""
    kept: list[LineScore] = []
    tokens = [np.empty(0)]
    for score in scores:
        if len(kept) < LOOKED_INTO:
            tokens.append(score.token_nats)
        kept.append(replace(score, token_nats=np.array([score.nats])))  # of many lines, the sums alone
    return Calibration.of(*_costs(kept), np.concatenate(tokens) / math.log(2), masks, using)


def judge(
    calibration: Calibration, tokenizer: Tokenizer, lines: Sequence[str], scores: Sequence[LineScore], rate: float
) -> list[OddLine]:
    """Each of `lines` beside its cost, masked; odd are those that a rate of false alarms of `rate` allows."""
    figures = calibration.figure(*_costs(scores))
    p_values = calibration.p_values(figures)
    masks = Masks(calibration.masks)
    return [
        OddLine(
            score.token_nats,
            score.characters,
            score.bytes,
            score.apart,
            score.line,
            line,
            score.expected_nats,
            float(figure),
            float(p_value),
            odd := bool(p_value <= rate and line),
            _odd_pieces(calibration, tokenizer, masks, line, score) if odd else (),
        )
        for line, score, figure, p_value in zip(lines, scores, figures, p_values, strict=True)
    ]


def _odd_pieces(
    calibration: Calibration, tokenizer: Tokenizer, masks: Masks, line: str, score: LineScore
) -> list[tuple[int, int]]:
    """The pieces of `line` whose tokens cost more than those of normal lines; if there are none, the costliest one."""
    token_bits = score.token_nats / math.log(2)
    threshold = min(calibration.odd_bits, float(token_bits.max()))
    if len(tokenizer.normalise(score.text)) != len(score.text):  # lower case that has another length
        return [(0, len(line))]
    origins = masks.origins(line) if masks.patterns else None
    decoder = tokenizer.decoder()
    pieces: list[tuple[int, int]] = []
    start, costs_much = 0, False  # the next character, and whether a token of it does
    for id, cost in zip(tokenizer.encode(score.text).tolist(), token_bits.tolist(), strict=False):
        stop = start + len(decoder.push(id))
        costs_much |= cost >= threshold
        if stop == start:
            continue
        if costs_much:
            first, last = (start, stop) if origins is None else (origins[start][0], origins[stop - 1][1])
            if pieces and first <= pieces[-1][1]:
                first = pieces.pop()[0]
            pieces.append((first, last))
        start, costs_much = stop, False
    return pieces or [(len(line), len(line))]  # its end came too early


def _costs(scores: Sequence[LineScore]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Bits, expected bits and lengths, as a calibration takes them."""
    bits, expected = ([getattr(score, name) for score in scores] for name in ("bits", "expected_bits"))
    lengths = [max(score.characters, 1) for score in scores]
    return np.array(bits), np.array(expected), np.array(lengths, np.float64)
