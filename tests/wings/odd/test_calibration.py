from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import ModelError, OptionError
from afterword.wings.odd.calibration import FEWEST, TAIL, ByLength, Calibration, Costs, check_enough


def costs(seed: int, count: int) -> Costs:
    """Lines whose characters cost 2 bits on average."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 60, count).astype(float)
    expected = 2 * lengths
    bits = expected + random.normal(0, 1, count) * np.sqrt(lengths)
    return Costs(bits, expected, random.normal(6, 1, count), lengths)


def one(bits: float, expected: float, length: float, peak: float = 6.0) -> Costs:
    return Costs(*(np.array([number]) for number in (bits, expected, peak, length)))


def calibration(count: int = 2000, seed: int = 0) -> Calibration:
    return Calibration.of(costs(seed, count), np.random.default_rng(seed).exponential(2, 5000), ["[0-9]+"], "both")


def test_as_many_normal_lines_are_flagged_as_is_asked_whatever_their_length() -> None:
    found = calibration(4000)
    others = costs(1, 20_000)
    p_values, lengths = found.p_values(found.figure(others)), others.lengths
    for rate in (0.01, 0.1):
        assert (p_values <= rate).mean() == pytest.approx(rate, rel=0.5)
    short, long = lengths < 20, lengths > 40
    assert (p_values[short] <= 0.1).mean() == pytest.approx((p_values[long] <= 0.1).mean(), abs=0.06)


def test_what_falls_with_the_length_is_as_usual_at_every_length() -> None:
    lengths = np.arange(1.0, 201)
    each = 500 - 2 * lengths + (-1) ** np.arange(200)
    found = ByLength.of(each, lengths).deviations(each, lengths)
    for some in (found[:50], found[-50:]):
        assert some.std() == pytest.approx(1, rel=0.1)


def test_a_few_long_lines_that_cost_much_do_not_make_short_ones_odd() -> None:
    lengths = np.append(np.linspace(10, 50, 200), [200.0, 201.0])
    each = np.append(1 + 0.1 * (-1) ** np.arange(200), [4.0, 4.0])
    found = ByLength.of(each, lengths).deviations(each, lengths)
    assert found[:200].max() < 1.1
    assert found[-1] > 3


@given(st.integers(FEWEST, 60), st.floats(-20, 20))
def test_a_p_value_counts_the_normal_lines_that_are_as_odd(count: int, figure: float) -> None:
    found = calibration(count)
    at_least = sum(float(other) >= np.float32(figure) for other in found.figures)
    [p_value] = found.p_values(np.array([figure]))
    if at_least >= TAIL or at_least >= count // 4:
        assert p_value == pytest.approx((1 + at_least) / (count + 1))
    else:
        assert 0 < p_value <= (1 + TAIL) / (count + 1)


def test_one_strange_normal_line_hides_no_odd_ones() -> None:
    normal = costs(0, 160)
    found = Calibration.of(normal, np.ones(50), (), "both")
    strange = dataclasses.replace(found, figures=np.append(found.figures[:-1], np.float32(22)))
    assert strange.p_values(np.array([15.0])) < 0.005  # where (1 + 1) / 161 is 0.0124


def test_p_values_fall_as_figures_rise() -> None:
    p_values = calibration(160).p_values(np.linspace(-5, 30, 500))
    assert (np.diff(p_values) <= 1e-9).all()
    assert p_values[-1] == pytest.approx(0.1 / 161)  # the tail goes no further beyond what was seen


@pytest.mark.parametrize(
    ("line", "least", "most"),
    [
        (one(120, 120, 60, peak=20), 5, 99),  # a letter that is wrong in a long line
        (one(120, 120, 60, peak=7), -9, 0.5),  # but not one that costs a little more than usual
        (one(65, 65, 30), -1, 1),
        (one(150, 150, 30), 5, 99),  # it costs much
        (one(65, 10, 30), 5, 99),  # and was not expected to
    ],
)
def test_a_line_is_odd_for_its_cost_its_surprise_or_a_letter(line: Costs, least: float, most: float) -> None:
    assert least < calibration().figure(line) < most


def test_lines_longer_than_any_normal_one_are_judged_as_the_longest() -> None:
    found = calibration()
    at = [float(found.figure(one(2.1 * n, 2 * n, n))[0]) for n in (59.0, 10_000.0, 1e6)]
    assert at[0] == at[1] == at[2]


def test_equal_lines_have_equal_figures_in_spite_of_rounding() -> None:
    found = calibration()
    exact = costs(3, 100)
    rounded = exact._replace(bits=exact.bits * (1 + 1e-9), expected=exact.expected * (1 - 1e-9))
    assert np.array_equal(found.figure(exact), found.figure(rounded))


def test_lines_that_all_cost_the_same_can_be_calibrated_with() -> None:
    same = np.full(50, 10.0)
    found = Calibration.of(Costs(same, same, same / 4, np.full(50, 5.0)), np.full(250, 2.0), [], "lstm")
    assert found.p_values(found.figure(one(10.0, 10.0, 5.0, peak=2.5))) == [1.0]
    assert found.p_values(found.figure(one(30.0, 10.0, 5.0, peak=2.5))) < 0.01


def test_too_few_lines_are_refused_for_calibrating_and_for_a_rate() -> None:
    with pytest.raises(OptionError, match="20 normal lines"):
        calibration(FEWEST - 1)
    check_enough(0.01, 99)
    with pytest.raises(
        OptionError, match=r"a false-alarm rate of 0\.001 needs at least 999 normal lines; there were 99: use more"
    ):
        check_enough(0.001, 99)


def test_it_comes_back_from_a_file_and_damage_is_noticed() -> None:
    found = calibration(50)
    tensors, about = found.record()
    again = Calibration.from_record(tensors, about)
    assert again.checksum == found.checksum
    assert dataclasses.replace(found, odd_bits=9.0).checksum != found.checksum
    flat = {"mean": [1.0, 0.0], "variance": [0.0, 0.0, 0.0]}
    wrong: dict[str, list[Any]] = {"lengths": [[1], [9, 1]], "bits": [{}, flat], "odd_bits": ["x"], "masks": [["("]]}
    for broken in ({}, *({**about, name: value} for name, values in wrong.items() for value in values)):
        with pytest.raises(ModelError, match="calibration is damaged"):
            Calibration.from_record(tensors, broken)
    with pytest.raises(ModelError, match="calibration is damaged"):
        Calibration.from_record({"figures": tensors["figures"].astype(np.float64)}, about)
