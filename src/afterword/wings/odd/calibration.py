"""The cost of normal lines, with which other lines are compared.

A line is odd if it has more bits per character than normal lines of its length, or more bits than the model expected
(its bits less the entropy of the predictions), or, unless it is short, a token that costs more than those of normal
lines. The bits of a random number are many but expected; those of a wrong word are few but unexpected; a wrong letter
hides in a long line. All three are measured in standard deviations of normal lines, the token's less one. The largest
is the line's figure.

The figures of the normal lines say how odd a figure is: with n of them, the p-value of a line is (1 + the number that
are at least as high) / (n + 1), which is conformal prediction (Vovk et al. 2005). If lines come from the same
distribution as the normal ones, at most a fraction r of them has a p-value of at most r, on average over calibrations.
Above the tenth highest figure, an exponential tail replaces the count, so that no p-value depends on one strange line.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Annotated, Any, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError
from afterword.model.arrays import Floats
from afterword.records import as_record
from afterword.settings import number
from afterword.text.lines import Masks

FEWEST = 20  # lines to calibrate with
LEAST_SPREAD = 0.05  # of the variance over all lengths: the least variance for each length
RARE = 0.001  # of the tokens of normal lines cost more than a token that is shown as odd
LEAST_RATE = 1e-9
LEAST_VARIANCE = 1e-4  # (bits per character)², far above what rounding adds
HANDICAP = 1.0  # standard deviations: a costliest token means less than a whole line unless it is extreme
SHORT = 32  # characters, counting the end: in a shorter line, such as a name, no wrong letter can hide
DECIMALS = 2  # of a figure, so that equal lines have equal figures, whatever lines they are read with

TAIL = 10  # of the highest figures of normal lines, which an exponential tail replaces
LEAST_SCALE = 0.1  # standard deviations, of that tail

LARGEST = 1e100  # far from where a product of two numbers overflows
Positive = Annotated[float, Meta(ge=1 / LARGEST, le=LARGEST)]
Finite = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]


class Costs(NamedTuple):
    """The costs of n lines, and what they are compared by."""

    bits: Floats
    expected: Floats
    """The bits that the model expected."""
    peaks: Floats
    """The bits of the costliest token."""
    lengths: Floats
    """In characters, with the end."""

    @property
    def measures(self) -> tuple[Floats, Floats, Floats]:
        """The figures that are compared, [n] each: bits per character, those above the expected ones, and the peaks."""
        return self.bits / self.lengths, (self.bits - self.expected) / self.lengths, self.peaks


@dataclass(frozen=True)
class ByLength:
    """The usual amount of something in normal lines, by their length."""

    mean: tuple[Finite, Finite]
    """a, b: a + b · length, which does not rise."""
    variance: tuple[Finite, Finite, Positive]
    """a, b, least: a + b ÷ length, but no less."""

    @staticmethod
    def of(each: Floats, lengths: Floats) -> ByLength:
        """Fit n lines that have `each` [n], by least squares."""
        ones = np.ones(len(lengths))
        mean = np.linalg.lstsq(np.stack([ones, lengths], axis=1), each, rcond=None)[0]
        if mean[1] > 0:  # a few long lines that cost much, not all long ones
            mean = np.array([each.mean(), 0.0])
        squares = (each - mean[0] - mean[1] * lengths) ** 2
        variance = np.linalg.lstsq(np.stack([ones, 1 / lengths], axis=1), squares, rcond=None)[0]
        least = max(LEAST_SPREAD * float(squares.mean()), LEAST_VARIANCE)
        return ByLength((float(mean[0]), float(mean[1])), (float(variance[0]), float(variance[1]), least))

    def deviations(self, each: Floats, lengths: Floats) -> Floats:
        """Return how far above usual lines of `lengths` [n] are, in standard deviations, if they have `each` [n]."""
        spread = np.maximum(self.variance[0] + self.variance[1] / lengths, self.variance[2])
        found: Floats = (each - self.mean[0] - self.mean[1] * lengths) / np.sqrt(spread)
        return found


@dataclass(frozen=True, eq=False)
class Calibration:
    """The cost of normal lines."""

    figures: NDArray[np.float32]
    """The figures of the normal lines, [n], in rising order."""
    lengths: tuple[Positive, Positive]
    """The shortest and the longest length, in characters with the end; other lines count as one of these."""
    bits: ByLength
    """Bits per character."""
    excess: ByLength
    """Bits per character above the expected ones."""
    peaks: ByLength
    """The bits of the costliest token."""
    odd_bits: Finite
    """The cost that one token in a thousand of normal lines exceeds."""
    masks: tuple[str, ...]
    """The regular expressions whose matches were masked."""
    using: str
    """The part that predicted: lstm, ngram or both."""

    @staticmethod
    def of(costs: Costs, token_bits: Floats, masks: Sequence[str], using: str) -> Calibration:
        """Calibrate with the costs of normal lines that were masked, and with the bits of their tokens, or of many.

        Raises OptionError for too few lines."""
        lengths = costs.lengths
        if len(lengths) < FEWEST:
            raise OptionError(f"calibration needs at least {FEWEST} normal lines; there are {len(lengths)}")
        bits, excess, peaks = (ByLength.of(each, lengths) for each in costs.measures)
        reach, odd_bits = (float(lengths.min()), float(lengths.max())), float(np.quantile(token_bits, 1 - RARE))
        fitted = Calibration(np.empty(0, np.float32), reach, bits, excess, peaks, odd_bits, tuple(masks), using)
        return replace(fitted, figures=np.sort(fitted.figure(costs)).astype(np.float32))

    def figure(self, costs: Costs) -> Floats:
        """Return the figures [n] of lines."""
        usual, as_long = (self.bits, self.excess, self.peaks), np.clip(costs.lengths, *self.lengths)
        *whole, peaks = (one.deviations(each, as_long) for one, each in zip(usual, costs.measures, strict=True))
        peaks = np.where(costs.lengths < SHORT, -np.inf, peaks - HANDICAP)
        found: Floats = np.max([*whole, peaks], axis=0).round(DECIMALS)
        return found

    def p_values(self, figures: Floats) -> Floats:
        """Return the p-values of lines with these `figures` [n]."""
        n = len(self.figures)
        at_least = n - np.searchsorted(self.figures, figures.astype(np.float32))
        m = min(TAIL, n // 4)
        high, lower = (float(self.figures[-k]) for k in (m, 4 * m))  # an exponential tail falls to a quarter between
        scale = max((high - lower) / math.log(4), LEAST_SCALE)
        tail = m / (n + 1) * np.exp(-np.maximum(figures - high, 0) / scale)
        return np.where(at_least < m, np.maximum(tail, 0.1 / (n + 1)), (1 + at_least) / (n + 1))

    @cached_property
    def scored(self) -> dict[str, Any]:
        """The scores of some masked texts, kept by `odd_lines`, so that lines that repeat are not scored again."""
        return {}

    @property
    def checksum(self) -> int:
        """The CRC-32 of the record."""
        tensors, values = self.record()
        return zlib.crc32(json.dumps(values, sort_keys=True).encode(), zlib.crc32(tensors["figures"].data))

    def record(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the calibration as arrays and plain values, for a file."""
        return {"figures": self.figures}, {name: value for name, value in asdict(self).items() if name != "figures"}

    @staticmethod
    def from_record(tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> Calibration:
        """Return the calibration of such a record. Raises ModelError for anything else."""
        try:
            found = as_record(Calibration, {**tensors, **about})
            Masks(found.masks)
        except (ValueError, OptionError) as error:
            raise ModelError(f"the calibration is damaged: {error}") from None
        figures = found.figures
        if not (figures.dtype == np.float32 and figures.ndim == 1 and len(figures) >= FEWEST):
            raise ModelError(f"the calibration is damaged: figures must be {FEWEST} or more float32 numbers")
        if not np.isfinite(figures).all() or (np.diff(figures) < 0).any() or found.lengths[0] > found.lengths[1]:
            raise ModelError("the calibration is damaged: figures and lengths must be finite and in rising order")
        return found


def check_enough(rate: float, count: int, least: int = 0, source: str = "there were") -> None:
    """Raise OptionError if `count` normal lines of a `source` are too few for `rate`, or fewer than `least`."""
    if count < (needed := max(least, math.ceil(1 / rate) - 1)):
        few = f"a false-alarm rate of {rate:g} needs at least {needed:,} normal lines; {source} {count:,}"
        raise OptionError(f"{few}: use more lines{', or a higher `false_alarms`' * (count >= least)}")


def check_false_alarms(rate: float) -> None:
    """Raise OptionError for an invalid rate of false alarms."""
    if not LEAST_RATE <= number("`false_alarms`", rate) < 1:
        raise OptionError(f"`false_alarms` must be from {LEAST_RATE:g} to below 1, not {rate:g}")
