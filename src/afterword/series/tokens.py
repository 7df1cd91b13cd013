"""Turn values into characters, so that a series is a line of text that the network learns like any other.

Each character says how far a value is from the one a season before, in units of the series' usual distance:

    value ──minus the value a season before, ÷ scale──► change ──asinh, into 256 equal bins──► character

The first season has no characters. Bins are narrow near 0 and wide far from it. A change beyond ±`FURTHEST` scales is
in the outermost bin. A character is read back as a change at a place drawn evenly from its bin.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 256
FIRST = 0x2800  # the first of Unicode's 256 Braille patterns, which take one column each and are not letters
FURTHEST = 12.0  # scales
SHARPNESS = 2.0  # near 0, bins are this many times as narrow as without asinh, about
EDGES = np.linspace(-1, 1, BINS + 1) * math.asinh(SHARPNESS * FURTHEST)  # [257], of asinh(SHARPNESS · change)
CHARACTERS = "".join(map(chr, range(FIRST, FIRST + BINS)))


def scale_of(values: Floats, season: int) -> float:
    """Return the mean distance between values a season apart; 0 without such values."""
    return float(np.abs(values[season:] - values[:-season]).mean()) if len(values) > season else 0.0


def changes_in(values: Floats, season: int, scale: float) -> Floats:
    """Return the changes of `values`, from the second season on, in scales. [n] -> [n - season]"""
    return (values[season:] - values[:-season]) / scale


def bins_of(changes: Floats) -> NDArray[np.int64]:
    """Return the bins, from 0 to 255, of changes [...] in scales."""
    places = np.searchsorted(EDGES, np.arcsinh(SHARPNESS * changes), side="right") - 1
    return np.asarray(np.clip(places, 0, BINS - 1))


def changes_of(bins: NDArray[np.integer[Any]], within: Floats) -> Floats:
    """Return the changes in scales that lie at `within`, from 0 to 1, in their bins. [...], [...] -> [...]"""
    width = EDGES[1] - EDGES[0]
    return np.asarray(np.sinh(EDGES[bins] + within * width) / SHARPNESS)


def to_text(values: Floats, season: int, scale: float) -> str:
    """Return the characters of `values` from the second season on. [n] -> n - season characters"""
    return (bins_of(changes_in(values, season, scale)) + FIRST).astype("<u4").tobytes().decode("utf-32-le")
