"""What normal lines cost a model, against which other lines are judged.

A line is odd where it has more bits per character than normal lines of its length; or where it has more than the model
expected: its bits less the entropy of each prediction. A random number costs many bits and is no surprise, a wrong
word costs few and is one. Both are counted in standard deviations of normal lines; the larger one is the line's figure.

How odd a figure is, the normal lines' own figures say: of n of them, the p-value of a line is
(1 + how many are at least as high) / (n + 1), which is conformal prediction (Vovk et al. 2005). Where lines are drawn
like the normal ones, the share of those whose p-value is at most r is at most r, on average over what was calibrated
with.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError

FEWEST = 20  # lines that can be calibrated with
LEAST_SPREAD = 0.05  # of the variance over all lengths, that is left for each length
RARE = 0.001  # of the tokens of normal lines cost more than one that is shown as odd
LEAST_RATE = 1e-9
LEAST_VARIANCE = 1e-4  # (bits per character)², far above what rounding adds
DECIMALS = 2  # of a figure, so that equal lines have the same, whatever they were read beside
FOR_ONE_AND_A_HALF = 16  # ÷ rate: as many lines hold a rate within a factor of 1.5, at two standard errors
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Usual:
    """How much of something per character normal lines have, by their length."""

    mean: tuple[float, float]
    """a, b: a + b · length."""
    variance: tuple[float, float, float]
    """a, b, least: a + b ÷ length, but no less."""

    @staticmethod
    def of(each: Floats, lengths: Floats) -> Usual:
        """Fit it to n lines that have `each` [n] per character, by least squares."""
        ones = np.ones(len(lengths))
        mean = np.linalg.lstsq(np.stack([ones, lengths], axis=1), each, rcond=None)[0]
        squares = (each - mean[0] - mean[1] * lengths) ** 2
        variance = np.linalg.lstsq(np.stack([ones, 1 / lengths], axis=1), squares, rcond=None)[0]
        least = max(LEAST_SPREAD * float(squares.mean()), LEAST_VARIANCE)
        return Usual((float(mean[0]), float(mean[1])), (float(variance[0]), float(variance[1]), least))

    def deviations(self, each: Floats, lengths: Floats) -> Floats:
        """By how many standard deviations lines of `lengths` [n] have more."""
        spread = np.maximum(self.variance[0] + self.variance[1] / lengths, self.variance[2])
        found: Floats = (each - self.mean[0] - self.mean[1] * lengths) / np.sqrt(spread)
        return found


@dataclass(frozen=True, eq=False)
class Calibration:
    """What normal lines cost."""

    figures: NDArray[np.float32]
    """Of the normal lines, [n], in rising order."""
    lengths: tuple[float, float]
    """The shortest and the longest of them, in characters with the end; others are taken for one of these."""
    bits: Usual
    """Bits per character."""
    excess: Usual
    """Bits per character less what was expected."""
    odd_bits: float
    """All but one in a thousand tokens of normal lines cost less."""
    masks: tuple[str, ...]
    """The regular expressions behind which parts of the lines were hidden."""
    using: str
    """What predicted: lstm, ngram or both."""

    @staticmethod
    def of(
        bits: Floats, expected: Floats, lengths: Floats, token_bits: Floats, masks: Sequence[str], using: str
    ) -> Calibration:
        """Calibrate with n lines that cost `bits` [n] where `expected` [n] were expected and have `lengths` [n].

        `token_bits` are those of all their tokens. Raises OptionError where there are too few lines.
        """
        if len(bits) < FEWEST:
            raise OptionError(f"calibrating takes {FEWEST} normal lines or more, and there are {len(bits)}")
        fitted = Calibration(
            figures=np.empty(0, np.float32),
            lengths=(float(lengths.min()), float(lengths.max())),
            bits=Usual.of(bits / lengths, lengths),
            excess=Usual.of((bits - expected) / lengths, lengths),
            odd_bits=float(np.quantile(token_bits, 1 - RARE)),
            masks=tuple(masks),
            using=using,
        )
        return replace(fitted, figures=np.sort(fitted.figure(bits, expected, lengths)).astype(np.float32))

    def figure(self, bits: Floats, expected: Floats, lengths: Floats) -> Floats:
        """Of lines that cost `bits` [n] where `expected` [n] were expected, and have `lengths` [n]."""
        as_long = np.clip(lengths, *self.lengths)
        more = (
            self.bits.deviations(bits / lengths, as_long),
            self.excess.deviations((bits - expected) / lengths, as_long),
        )
        return np.maximum(*more).round(DECIMALS)

    def p_values(self, figures: Floats) -> Floats:
        """Of lines with these `figures` [n]."""
        at_least = len(self.figures) - np.searchsorted(self.figures, figures.astype(np.float32))
        found: Floats = (1 + at_least) / (len(self.figures) + 1)
        return found

    def check(self, rate: float, using: str) -> None:
        """Raise OptionError for a rate of false alarms that so few lines cannot hold, and where another part of the
        model predicts."""
        if self.using != using:
            raise OptionError(
                f"the model was calibrated with {self.using}, not with {using}: use that, or calibrate it again"
            )
        if rate * (len(self.figures) + 1) < 1:
            raise OptionError(
                f"false-alarms {rate:g} takes {math.ceil(1 / rate) - 1:,} normal lines or more to calibrate with, and "
                f"there were {len(self.figures):,}"
            )

    def holds_roughly(self, rate: float) -> str | None:
        """A note, where `rate` can be off by a factor of more than 1.5."""
        enough = math.ceil(FOR_ONE_AND_A_HALF / rate)
        if len(self.figures) >= enough:
            return None
        return (
            f"with {len(self.figures):,} normal lines a false-alarm rate of {rate:g} can be off by a factor of more "
            f"than 1.5; {enough:,} would hold it"
        )

    @property
    def checksum(self) -> int:
        """CRC-32 of all of it."""
        tensors, values = self.record()
        return zlib.crc32(json.dumps(values, sort_keys=True).encode(), zlib.crc32(tensors["figures"].data))

    def record(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """As arrays and plain values, for a file."""
        return {"figures": self.figures}, {name: value for name, value in asdict(self).items() if name != "figures"}

    @staticmethod
    def from_record(tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> Calibration:
        """What `record` gave. Raises ModelError for anything else."""
        try:
            figures = tensors["figures"]
            found = Calibration(
                figures,
                _numbers(about["lengths"], 2),
                _usual(about["bits"]),
                _usual(about["excess"]),
                float(about["odd_bits"]),
                tuple(map(str, about["masks"])),
                str(about["using"]),
            )
            if not (figures.dtype == np.float32 and figures.ndim == 1 and len(figures) >= FEWEST):
                raise ValueError("its figures are none")
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the calibration is damaged: {error}") from None
        return found


def check_false_alarms(rate: float) -> None:
    """Raise OptionError for what is no rate of false alarms."""
    if not LEAST_RATE <= rate < 1:
        raise OptionError(f"false-alarms must be from {LEAST_RATE:g} to below 1, not {rate:g}")


def _usual(about: Mapping[str, Any]) -> Usual:
    return Usual(_numbers(about["mean"], 2), _numbers(about["variance"], 3))


def _numbers(values: Any, number: int) -> Any:
    """So many finite numbers. Raises ValueError."""
    found = tuple(map(float, values))
    if len(found) != number or not all(map(math.isfinite, found)):
        raise ValueError("its numbers do not fit together")
    return found
