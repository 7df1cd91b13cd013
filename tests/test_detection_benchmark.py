"""The figures by which benchmarks judge detectors, against their plain definitions; and the n-grams beside them."""

import itertools

import numpy as np
import pytest

from benchmarks.detection import Floats, auc


def drawn(seed: int) -> tuple[Floats, Floats]:
    """Scores of odd and of normal lines, of which many are equal."""
    random = np.random.default_rng(seed)
    return random.integers(2, 9, 12).astype(float), random.integers(0, 7, 30).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_how_often_an_odd_line_scores_above_a_normal_one(seed: int) -> None:
    odd, normal = drawn(seed)
    pairs = [(a > b) + (a == b) / 2 for a, b in itertools.product(odd, normal)]
    assert auc(odd, normal) == pytest.approx(np.mean(pairs))
