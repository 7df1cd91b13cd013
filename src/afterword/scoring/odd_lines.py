"""Finding odd lines by comparing them with the costs of normal lines (`model.folder.calibration`)."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from afterword.model.folder.calibration import Calibration, Costs, Normal
from afterword.model.network.network import Network
from afterword.oddities.usual import UsualLines
from afterword.scoring.costs import LineScore, score_lines
from afterword.settings import OnProgress
from afterword.text.lines import Masks
from afterword.text.tokenizer import Tokenizer

AT_ONCE = 1000  # lines
LONGEST = 20_000  # characters of a line that are read, because more would take seconds
LOOKED_INTO = 10_000  # lines whose single tokens are counted too


@dataclass(frozen=True, repr=False)
class OddLine(LineScore):
    """The cost of a line compared with that of normal lines. `text` is the line unmasked; the costs are masked."""

    figure: float = 0.0
    """Its bits above those of normal lines of its length, or above the expected bits, in standard deviations."""
    p_value: float = 1.0
    """How often a normal line has at least that figure, among the lines of the calibration."""
    odd: bool = False
    """Whether the p-value is within the rate of false alarms."""
    odd_pieces: Sequence[tuple[int, int]] = ()
    """The pieces of an odd line, as (start, stop) in `text`, that cost more than those of normal lines."""

    def __repr__(self) -> str:
        return f"OddLine({self.line}: {reprlib.repr(self.text)}, figure {self.figure:.1f}, p {self.p_value:.2g})"


def normal_costs(
    network: Network, tokenizer: Tokenizer, lines: Sequence[str], masks: Sequence[str], on_progress: OnProgress
) -> Normal:
    """Return what masked normal `lines` cost `network`. Raises OptionError for an invalid mask."""
    hide = Masks(masks)
    parts = [Normal(_costs([]), np.empty(0))]
    for at in range(0, len(lines), AT_ONCE):
        scores = score_lines(network, tokenizer, map(hide, lines[at : at + AT_ONCE]), entropies=True)
        tokens = [score.token_nats for score in scores] if at < LOOKED_INTO else [np.empty(0)]
        parts.append(Normal(_costs(scores), np.concatenate(tokens) / math.log(2)))
        on_progress(min(1.0, (at + AT_ONCE) / len(lines)))
    return Normal.joined(parts)


def judge(
    calibration: Calibration,
    network: Network,
    tokenizer: Tokenizer,
    lines: Sequence[str],
    rate: float,
    usual: UsualLines,
    on_progress: OnProgress,
) -> list[OddLine]:
    """Compare the cost of each of `lines` with normal lines. Odd are those within `rate`, of false alarms.

    The first `LONGEST` characters of each masked line are read.
    """
    hide, origins = usual.hiding(Masks(calibration.masks))
    hidden = [hide(line)[:LONGEST] for line in lines]
    scores = score_lines(network, tokenizer, hidden, on_progress, entropies=True)
    figures = calibration.figure(_costs(scores))
    p_values = calibration.p_values(figures)
    return [
        OddLine(
            **{**vars(score), "line": number, "text": line},
            figure=float(figure),
            p_value=float(p_value),
            odd=(odd := bool(p_value <= rate and line)),
            odd_pieces=_odd_pieces(calibration, tokenizer, origins(line), line, score) if odd else (),
        )
        for number, (line, score, figure, p_value) in enumerate(zip(lines, scores, figures, p_values, strict=True), 1)
    ]


def _odd_pieces(
    calibration: Calibration, tokenizer: Tokenizer, spans: Sequence[tuple[int, int]], line: str, score: LineScore
) -> list[tuple[int, int]]:
    """Return the pieces of `line` whose tokens cost more than those of normal lines, or else its costliest piece.

    `spans` has the span in `line` of each character of the masked line.
    """
    starts = tokenizer.starts(score.text)
    token_bits = score.token_nats[: len(starts)] / math.log(2)  # without the end of the line
    threshold = min(calibration.odd_bits, float(score.token_nats.max()) / math.log(2))
    pieces: list[tuple[int, int]] = []
    for start in np.unique(starts[token_bits >= threshold]).tolist():
        after = int(np.searchsorted(starts, start, side="right"))
        stop = int(starts[after]) if after < len(starts) else len(score.text)
        first, last = spans[start][0], spans[stop - 1][1]
        if pieces and first <= pieces[-1][1]:
            first = pieces.pop()[0]
        pieces.append((first, last))
    return pieces or [(len(line), len(line))]  # its end came too early


def _costs(scores: Sequence[LineScore]) -> Costs:
    rows = [
        (one.bits, one.expected_bits, one.token_nats.max(initial=0) / math.log(2), max(one.characters, 1))
        for one in scores
    ]
    return Costs(*np.array(rows, np.float64).reshape(-1, 4).T.copy())
