"""Values become characters and changes again: nothing is lost but what a bin holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.wings.series.value_text import (
    BINS,
    CHARACTERS,
    EDGES,
    FURTHEST,
    SHARPNESS,
    SeriesFacts,
    bins_of,
    changes_in,
    changes_of,
    lines_of,
    scale_of,
    to_text,
)

changes = st.lists(st.floats(-FURTHEST, FURTHEST), min_size=1, max_size=50).map(np.array)
bounds = np.sinh(EDGES) / SHARPNESS  # [257], of the bins, in scales
values = st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), min_size=2, max_size=60).map(np.array)


@given(changes, st.floats(0, 1))
def test_a_change_is_read_back_from_within_its_bin(given: np.ndarray, within: float) -> None:
    bins = bins_of(given)
    back = changes_of(bins, np.full(len(bins), within))
    width = bounds[bins + 1] - bounds[bins]
    assert (np.abs(back - given) <= width * (1 + 1e-9)).all()


def test_the_place_within_a_bin_goes_from_its_one_edge_to_the_other() -> None:
    bins = np.arange(BINS)
    for within, edge in ((np.zeros(BINS), bounds[:-1]), (np.ones(BINS), bounds[1:])):
        np.testing.assert_allclose(changes_of(bins, within), edge, atol=1e-9)


def test_bins_are_narrow_near_zero_and_hold_everything() -> None:
    width = np.diff(bounds)
    assert (np.diff(width[BINS // 2 :]) > 0).all()
    np.testing.assert_allclose(width, width[::-1])
    assert width[BINS // 2] < 0.03
    ends = np.array([-1e300, -FURTHEST, 0.0, FURTHEST, 1e300])
    assert bins_of(ends).tolist() == [0, 0, BINS // 2, BINS - 1, BINS - 1]


@given(values, st.integers(1, 8), st.floats(0.001, 1000), st.floats(-1e5, 1e5))
def test_a_character_is_a_value_in_any_unit(given: np.ndarray, season: int, factor: float, offset: float) -> None:
    scale = scale_of(given, season)
    text = to_text(given, season, scale or 1.0)
    assert len(text) == max(0, len(given) - season)
    assert set(text) <= set(CHARACTERS)
    if scale < 1e-3:
        return
    other = given * factor + offset
    assert scale_of(other, season) == pytest.approx(scale * factor, rel=1e-4)
    own, others = (changes_in(one, season, scale_of(one, season)) for one in (given, other))
    np.testing.assert_allclose(others, own, rtol=1e-4, atol=1e-3)


def test_the_scale_is_the_mean_distance_between_seasons_and_zero_without_one() -> None:
    assert scale_of(np.array([1.0, 2, 3, 6, 3, 2]), 2) == (2 + 4 + 0 + 4) / 4
    assert scale_of(np.array([1.0, 2, 1, 2, 1]), 2) == 0
    assert scale_of(np.array([1.0, 2]), 2) == scale_of(np.array([]), 1) == 0


def test_the_last_horizon_or_season_is_held_out_and_decides_nothing_not_even_the_scale() -> None:
    random = np.random.default_rng(0)
    series = [random.normal(size=n) for n in (40, 60)]
    for season, horizon, held in ((12, 6, 12), (4, 6, 6), (1, 1, 1)):
        facts = SeriesFacts(season, horizon, "monthly")
        lines = lines_of(series, facts)
        assert facts.held_out == held
        assert [len(line) for line in lines["training"]] == [40 - season - held, 60 - season - held]
        assert [len(line) for line in lines["validation"]] == [held, held]
        changed = [np.concatenate([one[:-held], random.normal(size=held)]) for one in series]
        assert lines_of(changed, facts)["training"] == lines["training"]


def test_series_that_are_short_or_constant_are_left_out() -> None:
    facts = SeriesFacts(2, 3, "monthly")
    varied = np.arange(20.0) ** 2
    lines = lines_of([np.ones(20), varied, varied[:5], np.tile([1.0, 2], 10)], facts)
    assert [len(part) for part in lines.values()] == [1, 1]
