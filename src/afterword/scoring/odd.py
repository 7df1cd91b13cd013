"""Lines that do not belong: judged by what normal lines cost (`model.calibration`)."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afterword.model.calibration import Calibration
from afterword.scoring.score import LineScore
from afterword.text.masking import Masks
from afterword.text.tokenizer import Tokenizer


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
        """The same with another number."""
        return replace(self, line=line)

    def __repr__(self) -> str:
        return f"OddLine({self.line}: {reprlib.repr(self.text)}, figure {self.figure:.1f}, p {self.p_value:.2g})"


def calibrate(scores: Sequence[LineScore], masks: Sequence[str], using: str) -> Calibration:
    """What normal lines cost, that were masked and scored. Raises OptionError where there are too few."""
    tokens = np.concatenate([np.empty(0), *(score.token_nats for score in scores)]) / math.log(2)
    return Calibration.of(*_costs(scores), tokens, masks, using)


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
            odd := bool(p_value <= rate),
            _odd_pieces(calibration, tokenizer, masks, line, score) if odd else (),
        )
        for line, score, figure, p_value in zip(lines, scores, figures, p_values, strict=True)
    ]


def _odd_pieces(
    calibration: Calibration, tokenizer: Tokenizer, masks: Masks, line: str, score: LineScore
) -> list[tuple[int, int]]:
    """The pieces of `line` whose tokens cost more than those of normal lines; if there are none, the dearest one."""
    token_bits = score.token_nats / math.log(2)
    threshold = min(calibration.odd_bits, float(token_bits.max()))
    origins = masks.origins(line)
    decoder = tokenizer.decoder()
    pieces: list[tuple[int, int]] = []
    start, dear = 0, False  # the next character, and whether a token of it costs much
    for id, cost in zip(tokenizer.encode(score.text).tolist(), token_bits.tolist(), strict=False):
        stop = start + len(decoder.push(id))
        dear |= cost >= threshold
        if stop == start:
            continue
        if dear and stop <= len(origins):
            first, last = origins[start][0], origins[stop - 1][1]
            if pieces and first <= pieces[-1][1]:
                first = pieces.pop()[0]
            pieces.append((first, last))
        start, dear = stop, False
    return pieces or [(len(line), len(line))]  # its end came too early


def _costs(scores: Sequence[LineScore]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Bits, expected bits and lengths, as a calibration takes them."""
    bits, expected = ([getattr(score, name) for score in scores] for name in ("bits", "expected_bits"))
    lengths = [max(score.characters, 1) for score in scores]
    return np.array(bits), np.array(expected), np.array(lengths, np.float64)
