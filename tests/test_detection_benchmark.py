"""The figure by which benchmarks judge detectors, against its plain definition."""

from itertools import product

import numpy as np
import pytest

from benchmarks.detection import auc


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_how_often_an_odd_line_scores_above_a_normal_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    odd, normal = random.integers(2, 9, 12).astype(float), random.integers(0, 7, 30).astype(float)  # many are equal
    assert auc(odd, normal) == pytest.approx(np.mean([(a > b) + (a == b) / 2 for a, b in product(odd, normal)]))
