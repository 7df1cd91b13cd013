"""Lines that do not belong: judged by what normal lines cost (`model.calibration`)."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afterword.model.calibration import Calibration
from afterword.model.network import Network
from afterword.scoring.score import LineScore, score_lines
from afterword.text.masking import Masks
from afterword.text.tokenizer import Tokenizer

AT_ONCE = 1000  # lines
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


def calibrate(
    network: Network,
    tokenizer: Tokenizer,
    lines: Sequence[str],
    masks: Sequence[str],
    using: str,
    on_progress: Callable[[float], object] = lambda fraction: None,
) -> Calibration:
    """What normal `lines` cost `network`, masked; it predicts `using` what the calibration is to say.

    Raises OptionError for too few lines and for a mask that is none. `on_progress` is called with the fraction done.
    """
    hide = Masks(masks)
    kept: list[LineScore] = []
    tokens = [np.empty(0)]
    for at in range(0, len(lines), AT_ONCE):
        for score in score_lines(network, tokenizer, map(hide, lines[at : at + AT_ONCE]), entropies=True):
            if len(kept) < LOOKED_INTO:
                tokens.append(score.token_nats)
            kept.append(replace(score, token_nats=np.array([score.nats])))  # of many lines, the sums alone
        on_progress(min(1.0, (at + AT_ONCE) / len(lines)))
    return Calibration.of(*_costs(kept), np.concatenate(tokens) / math.log(2), masks, using)


def judge(
    calibration: Calibration,
    network: Network,
    tokenizer: Tokenizer,
    lines: Sequence[str],
    rate: float,
    on_progress: Callable[[float], object] = lambda fraction: None,
) -> list[OddLine]:
    """Each of `lines` beside its cost, masked; odd are those that a rate of false alarms of `rate` allows."""
    masks = Masks(calibration.masks)
    scores = score_lines(network, tokenizer, map(masks, lines), on_progress, entropies=True)
    figures = calibration.figure(*_costs(scores))
    p_values = calibration.p_values(figures)
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
    starts = tokenizer.starts(score.text)
    token_bits = score.token_nats[: len(starts)] / math.log(2)  # without the line's end
    threshold = min(calibration.odd_bits, float(score.token_nats.max()) / math.log(2))
    origins = masks.origins(line) if masks.patterns else None
    pieces: list[tuple[int, int]] = []
    for start in np.unique(starts[token_bits >= threshold]).tolist():
        after = starts[starts > start]
        stop = int(after[0]) if len(after) else len(score.text)
        first, last = (start, stop) if origins is None else (origins[start][0], origins[stop - 1][1])
        if pieces and first <= pieces[-1][1]:
            first = pieces.pop()[0]
        pieces.append((first, last))
    return pieces or [(len(line), len(line))]  # its end came too early


def _costs(scores: Sequence[LineScore]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Bits, expected bits and lengths, as a calibration takes them."""
    bits, expected = ([getattr(score, name) for score in scores] for name in ("bits", "expected_bits"))
    lengths = [max(score.characters, 1) for score in scores]
    return np.array(bits), np.array(expected), np.array(lengths, np.float64)
