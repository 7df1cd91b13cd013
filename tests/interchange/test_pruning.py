"""The n-gram of a page: rounded, pruned by count, and as JavaScript reads it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from afterword.interchange.pruning import divergence, tree_of
from afterword.model.folder.saved import SavedModel
from afterword.model.ngram.tables import Ngram
from tests.bases.small import base_of

ROWS = 30


@pytest.fixture(scope="module")
def ngram() -> Ngram:
    random = np.random.default_rng(0)
    words = [random.integers(0, ROWS - 2, 5) for _ in range(60)]
    text = np.concatenate([words[int(k)] for k in np.minimum(random.zipf(1.3, 3000), len(words)) - 1])
    return Ngram.learn(text, ROWS, ROWS - 2, 0)


def contexts() -> np.ndarray:
    return np.random.default_rng(1).integers(0, ROWS - 2, (20, 9))


def mixed(ngram: Ngram) -> SavedModel:
    model = base_of("".join(map(chr, range(97, 97 + ROWS - 2)))).model
    return dataclasses.replace(model, ngram=ngram, mixture_weight=0.5)


def test_a_tree_without_a_limit_keeps_all_and_hardly_changes_a_probability(ngram: Ngram) -> None:
    tree = tree_of(ngram, 1e9)
    assert tree.share == 1
    assert tree.levels == [(len(level.contexts), len(level.tokens)) for level in ngram.levels]
    np.testing.assert_allclose(tree.ngram.probabilities(contexts(), 0), ngram.probabilities(contexts(), 0), rtol=0.2)
    assert divergence(mixed(ngram), tree.ngram) < 1e-3
    again = tree_of(tree.ngram, 1e9)
    assert again.data == tree.data  # rounding what is rounded changes nothing


def test_two_bytes_are_finer_than_one(ngram: Ngram) -> None:
    tree = tree_of(ngram, 1e9, parts=2)
    np.testing.assert_allclose(tree.ngram.probabilities(contexts(), 0), ngram.probabilities(contexts(), 0), rtol=1e-3)
    assert divergence(mixed(ngram), tree.ngram) < 1e-7


@pytest.mark.parametrize("most", [20_000, 5_000, 1_000, 0])
def test_a_tree_fits_its_limit_and_its_probabilities_sum_to_one(ngram: Ngram, most: int) -> None:
    tree = tree_of(ngram, most)
    assert len(tree.data) <= max(most, 3 * ROWS)  # single tokens always stay
    assert 0 < tree.share < 1
    np.testing.assert_allclose(tree.ngram.probabilities(contexts(), 0).sum(axis=2), 1, rtol=1e-5)
    assert len(tree.ngram.levels[0].tokens) == len(ngram.levels[0].tokens)


def test_the_less_is_kept_the_more_it_costs(ngram: Ngram) -> None:
    costs = [divergence(mixed(ngram), tree_of(ngram, most).ngram) for most in (1e9, 5_000, 1_000)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]
