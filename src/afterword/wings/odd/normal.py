"""What a model knows of normal lines, which are two attachments of it: their costs, and what else is usual in them.

Lines are odd if they cost more than those (see `calibration`).
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.model.folder.attachments import Attachment
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.records import read_json
from afterword.scoring.costs import LineScore, score_lines
from afterword.settings import OnProgress, ignore_progress, suggests
from afterword.storage import read_whole, write_bytes
from afterword.text.lines import Masks
from afterword.text.tokenizer import Tokenizer, checked_lines
from afterword.wings.odd.calibration import LEAST_RATE, Calibration, Costs, check_enough, check_false_alarms
from afterword.wings.odd.fields import AT_ONCE
from afterword.wings.odd.good_lines import GoodLines

CALIBRATION_FILE, LINES_FILE = "calibration.safetensors", "lines.json"
LONGEST = 20_000  # characters of a line that are read, because more would take seconds
MOST_SCORED = 1_000  # masked texts whose costs are kept, because logs repeat them, and characters of each
LOOKED_INTO = 2_000  # lines whose single tokens are counted too

CALIBRATION = Attachment(
    write=lambda path, calibration: write_tensors(path, *calibration.record()),
    read=lambda path: Calibration.from_record(*read_tensors(path)),
    outlives=lambda calibration: False,
)
LINES = Attachment(
    write=lambda path, good: write_bytes(path, msgspec.json.encode(good)),
    read=lambda path: read_json(GoodLines, read_whole(path)),
    outlives=lambda good: bool(good.accepted),  # the next calibration takes them up
)


def calibration_of(model: LanguageModel) -> Calibration | None:
    """Return the costs of normal lines, if `model` was calibrated."""
    found: Calibration | None = model.saved.attachments.get(CALIBRATION_FILE)
    return found


def good_lines_of(model: LanguageModel) -> GoodLines:
    """Return what else is usual in those lines; it has no `places` if nothing is known."""
    found: GoodLines = model.saved.attachments.get(LINES_FILE) or GoodLines()
    return found


def facts(model: LanguageModel) -> dict[str, Any]:
    return {"calibrated": calibration_of(model) is not None}


@partial(suggests, name="calibrated")
def calibrated(
    model: LanguageModel,
    lines: Iterable[str],
    *,
    masks: Sequence[str] | None = None,
    on_progress: OnProgress = ignore_progress,
) -> LanguageModel:
    """Return the same model with the costs of normal `lines`, so that it can find odd ones; `save` stores them.

    `masks` are regular expressions for what changes in every line; their matches are hidden, here and in `odd_lines`.
    By default, they are those of the model's calibration, if it has one. Raises OptionError for too few lines or an
    invalid mask, TextError.
    """
    if masks is None:
        masks = before.masks if (before := calibration_of(model)) else ()
    if model.is_held:
        raise OptionError("a held model cannot be calibrated: leave out hold")
    texts = checked_lines(lines, "calibrated")
    costs, token_bits, hide = [_costs([])], [np.empty(0)], Masks(masks)
    for at in range(0, len(texts), AT_ONCE):
        scores = score_lines(model.predictor, model.tokenizer, map(hide, texts[at : at + AT_ONCE]), entropies=True)
        token_bits += [score.token_nats / math.log(2) for score in scores if at < LOOKED_INTO]
        costs.append(_costs(scores))
        on_progress(min(1.0, (at + AT_ONCE) / len(texts)))
    normal = Costs(*map(np.concatenate, zip(*costs, strict=True)))
    of_these = Calibration.of(normal, np.concatenate(token_bits), masks, model.predicts_with)
    return model.attach({CALIBRATION_FILE: of_these})


def with_good_lines(model: LanguageModel, good: GoodLines) -> LanguageModel:
    """Return the same calibrated model, with what else is usual in normal lines. Late new kinds are measured."""
    if good.late_kinds:
        new = odd_lines(model, map(good.hide, good.late_kinds), 0.5)
        good = replace(good, late_figures=sorted(line.figure for line in new), late_kinds=[])
    return model.attach({CALIBRATION_FILE: calibration_of(model), LINES_FILE: good})


def check_calibrated(model: LanguageModel, false_alarms: float = 1 - LEAST_RATE) -> Calibration:
    """Return the calibration. Raises OptionError if `odd_lines` cannot work at that rate of false alarms, or at any."""
    check_false_alarms(false_alarms)
    calibration = calibration_of(model)
    if calibration is None:
        raise OptionError("this model does not know what normal lines cost: run afterword calibrate MODEL FILE")
    if model.is_held:
        raise OptionError("a held model cannot find odd lines: leave out hold")
    if calibration.using != model.predicts_with:
        parts = f"calibrated with {calibration.using}, not with {model.predicts_with}"
        raise OptionError(f"the model was {parts}: use that, or calibrate it again")
    check_enough(false_alarms, len(calibration.figures))
    return calibration


@dataclass(frozen=True, repr=False)
class OddLine(LineScore):
    """The cost of a line compared with that of normal lines. `text` is the line unmasked; the costs are masked."""

    figure: float = 0.0
    """Its bits above those of normal lines of its length, or above the expected bits, in standard deviations."""
    p_value: float = 1.0
    """The fraction of the lines of the calibration that have at least that figure."""
    odd: bool = False
    """Whether the p-value is within the rate of false alarms."""
    odd_pieces: Sequence[tuple[int, int]] = ()
    """The pieces of an odd line, as (start, stop) in `text`, that cost more than those of normal lines."""

    def __repr__(self) -> str:
        return f"OddLine({self.line}: {reprlib.repr(self.text)}, figure {self.figure:.1f}, p {self.p_value:.2g})"


@partial(suggests, name="odd_lines")
def odd_lines(
    model: LanguageModel, lines: Iterable[str], false_alarms: float = 0.01, *, on_progress: OnProgress = ignore_progress
) -> list[OddLine]:
    """Compare each line with the costs of normal lines. The fraction `false_alarms` of normal lines counts as odd too.

    The first `LONGEST` characters of each masked line are read. Raises OptionError if the model is not calibrated, or
    with too few lines for that rate; TextError.
    """
    calibration, texts = check_calibrated(model, false_alarms), checked_lines(lines, "odd_lines")
    good, masks = good_lines_of(model), Masks(calibration.masks)
    hidden = [good.hide(masks(line))[:LONGEST] for line in texts]
    known: dict[str, LineScore] = {**calibration.scored}
    new = [text for text in hidden if text not in known]
    known |= {score.text: score for score in score_lines(model.predictor, model.tokenizer, new, on_progress, True)}
    calibration.scored.update(islice((one for one in known.items() if len(one[0]) <= MOST_SCORED), MOST_SCORED))
    scores = [known[text] for text in hidden]
    figures = calibration.figure(_costs(scores))
    p_values = calibration.p_values(figures)
    return [
        OddLine(
            **{**vars(score), "line": number, "text": line},
            figure=float(figure),
            p_value=float(p_value),
            odd=(odd := bool(p_value <= false_alarms and line)),
            odd_pieces=_odd_pieces(calibration, model.tokenizer, good.origins(masks, line), line, score) if odd else (),
        )
        for number, (line, score, figure, p_value) in enumerate(zip(texts, scores, figures, p_values, strict=True), 1)
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
    peaks = (one.token_nats.max(initial=0) / math.log(2) for one in scores)
    each = zip(scores, peaks, strict=True)
    rows = [(one.bits, one.expected_bits, peak, max(one.characters, 1)) for one, peak in each]
    return Costs(*np.array(rows, np.float64).reshape(-1, 4).T.copy())
