from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import ModelError, OptionError
from afterword.model.calibration import FEWEST, Calibration


def costs(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bits, expected bits and lengths of lines whose characters cost 2 bits on average."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 60, count).astype(float)
    expected = 2 * lengths
    return expected + random.normal(0, 1, count) * np.sqrt(lengths), expected, lengths


def calibration(count: int = 2000, seed: int = 0) -> Calibration:
    return Calibration.of(*costs(seed, count), np.random.default_rng(seed).exponential(2, 5000), ["[0-9]+"], "both")


def test_as_many_normal_lines_are_flagged_as_is_asked_whatever_their_length() -> None:
    found = calibration(4000)
    bits, expected, lengths = costs(1, 20_000)
    p_values = found.p_values(found.figure(bits, expected, lengths))
    for rate in (0.01, 0.1):
        assert (p_values <= rate).mean() == pytest.approx(rate, rel=0.5)
    short, long = lengths < 20, lengths > 40
    assert (p_values[short] <= 0.1).mean() == pytest.approx((p_values[long] <= 0.1).mean(), abs=0.06)


@given(st.integers(FEWEST, 60), st.floats(-20, 20))
def test_a_p_value_counts_the_normal_lines_that_are_as_odd(count: int, figure: float) -> None:
    found = calibration(count)
    at_least = sum(float(other) >= np.float32(figure) for other in found.figures)
    assert found.p_values(np.array([figure])) == pytest.approx([(1 + at_least) / (count + 1)])


def test_a_line_is_odd_that_costs_much_and_one_that_was_not_expected_to() -> None:
    found = calibration()
    length = np.array([30.0])
    usual = found.figure(np.array([65.0]), np.array([65.0]), length)
    dear = found.figure(np.array([150.0]), np.array([150.0]), length)
    unexpected = found.figure(np.array([65.0]), np.array([10.0]), length)
    assert abs(usual) < 1
    assert dear > 5
    assert unexpected > 5


def test_lines_longer_than_any_normal_one_are_judged_as_the_longest() -> None:
    found = calibration()
    each = np.array([2.1])
    at = [float(found.figure(each * n, 2 * n * np.ones(1), np.array([n]))[0]) for n in (59.0, 10_000.0, 1e6)]
    assert at[0] == at[1] == at[2]


def test_equal_lines_have_equal_figures_in_spite_of_rounding() -> None:
    found = calibration()
    bits, expected, lengths = costs(3, 100)
    assert np.array_equal(
        found.figure(bits, expected, lengths), found.figure(bits * (1 + 1e-9), expected * (1 - 1e-9), lengths)
    )


def test_lines_that_all_cost_the_same_can_be_calibrated_with() -> None:
    same = np.full(50, 10.0)
    found = Calibration.of(same, same, np.full(50, 5.0), np.full(250, 2.0), [], "lstm")
    assert found.p_values(found.figure(same[:1], same[:1], np.array([5.0]))) == [1.0]
    assert found.p_values(found.figure(3 * same[:1], same[:1], np.array([5.0]))) == pytest.approx([1 / 51])


def test_too_few_lines_are_refused_for_calibrating_and_for_a_rate() -> None:
    with pytest.raises(OptionError, match="20 normal lines"):
        calibration(FEWEST - 1)
    found = calibration(99)
    found.check(0.01, "both")
    with pytest.raises(OptionError, match=r"false-alarms 0\.001 takes 999 normal lines"):
        found.check(0.001, "both")
    with pytest.raises(OptionError, match="calibrated with both, not with lstm"):
        found.check(0.01, "lstm")
    assert found.holds_roughly(0.01) is not None
    assert calibration(1600).holds_roughly(0.01) is None


def test_it_comes_back_from_a_file_and_damage_is_noticed() -> None:
    found = calibration(50)
    tensors, about = found.record()
    again = Calibration.from_record(tensors, about)
    assert again.checksum == found.checksum
    assert dataclasses.replace(found, odd_bits=9.0).checksum != found.checksum
    for broken in ({**about, "lengths": [1]}, {**about, "bits": {}}, {**about, "odd_bits": "x"}, {}):
        with pytest.raises(ModelError, match="calibration is damaged"):
            Calibration.from_record(tensors, broken)
    with pytest.raises(ModelError, match="calibration is damaged"):
        Calibration.from_record({"figures": tensors["figures"].astype(np.float64)}, about)
