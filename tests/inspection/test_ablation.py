"""A model without each of its gates in turn."""

from __future__ import annotations

import numpy as np
import pytest

from tests.inspection.test_gates import TEXT, made

MODEL = made()


def test_each_figure_is_the_score_with_that_gate_held() -> None:
    found = MODEL.ablate(TEXT)
    trace = MODEL.gates(TEXT)
    assert found.bits_per_character == pytest.approx(MODEL.score(TEXT).bits_per_character)
    bits = {(one.layer, one.gate, one.way): one.bits_per_character for one in found.each}
    assert bits[1, "forget", "open"] == pytest.approx(MODEL.hold("l1.forget=1").score(TEXT).bits_per_character)
    assert bits[None, "output", "open"] == pytest.approx(MODEL.hold("output=1").score(TEXT).bits_per_character)
    means = trace.input[:, 0].mean(axis=0)
    held = MODEL.hold(*(f"l0.u{unit}.input={mean:.9f}" for unit, mean in enumerate(means)))
    assert bits[0, "input", "mean"] == pytest.approx(held.score(TEXT).bits_per_character, abs=1e-5)


def test_every_gate_is_taken_once_in_all_layers_and_in_each() -> None:
    keys = [(one.layer, one.gate, one.way) for one in MODEL.ablate(TEXT).each]
    assert len(keys) == len(set(keys)) == 7 * 3
    assert len(made(num_layers=1).ablate(TEXT).each) == 7


def test_a_gate_that_is_held_anyway_stays_so() -> None:
    held = MODEL.hold("forget=0.5").ablate(TEXT)
    bits = [one.bits_per_character for one in held.each if one.gate == "forget"]
    np.testing.assert_allclose(bits, held.bits_per_character, atol=1e-6)


def test_the_table_tells_bits_and_what_the_gate_is_worth() -> None:
    found = MODEL.ablate(TEXT)
    text = str(found)
    assert text.startswith(f"all gates at work: {found.bits_per_character:.3f} bits per character")
    [row] = [row for row in found.rows() if row[:2] == ("l1", "candidate")]
    assert row[2:4] == ("–", "–")
    assert float(row[5]) == pytest.approx(float(row[4]) - found.bits_per_character, abs=1e-3)
    assert found._repr_html_().count("\n") == 1 + len(found.rows())
    assert np.isfinite([one.bits_per_character for one in found.each]).all()
