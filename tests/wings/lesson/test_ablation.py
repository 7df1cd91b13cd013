"""What each gate is worth, and networks that have none."""

from __future__ import annotations

import numpy as np
import pytest

import afterword
from afterword.errors import ModelError
from afterword.text.characters import ClassicTokenizer
from tests.inspection.test_gates import TEXT, made


def test_each_figure_is_the_score_with_that_gate_held_and_stands_in_the_table() -> None:
    model = made()
    found, trace = afterword.ablate(model, TEXT), model.gates(TEXT)
    assert found.bits_per_character == pytest.approx(made().score(TEXT).bits_per_character)
    bits = {(one.layer, one.gate, one.way): one.bits_per_character for one in found.each}
    assert bits[1, "forget", "open"] == pytest.approx(made().hold("l1.forget=1").score(TEXT).bits_per_character)
    assert bits[None, "output", "open"] == pytest.approx(made().hold("output=1").score(TEXT).bits_per_character)
    assert len(found.each) == len(bits) == 7 * 3  # each gate once in all layers and in each
    assert len(afterword.ablate(made(num_layers=1), TEXT).each) == 7
    means = trace.input[:, 0].mean(axis=0)
    held = made().hold(*(f"l0.u{unit}.input={mean:.9f}" for unit, mean in enumerate(means)))
    assert bits[0, "input", "mean"] == pytest.approx(held.score(TEXT).bits_per_character, abs=1e-5)
    assert str(found).startswith(f"all gates at work: {found.bits_per_character:.3f} bits per character")
    [row] = [row for row in found.rows() if row[:2] == ("l1", "candidate")]
    assert row[2:4] == ("–", "–")
    assert float(row[5]) == pytest.approx(float(row[4]) - found.bits_per_character, abs=1e-3)
    assert found._repr_html_().count("\n") == 1 + len(found.rows())


def test_a_gate_that_is_held_anyway_stays_so() -> None:
    held = afterword.ablate(made().hold("forget=0.5"), TEXT)
    bits = [one.bits_per_character for one in held.each if one.gate == "forget"]
    np.testing.assert_allclose(bits, held.bits_per_character, atol=1e-6)


def test_a_plain_recurrent_network_keeps_words_but_has_no_gate_to_hold() -> None:
    model = made(cell="rnn").hold("l0.u2=0.5")
    with pytest.raises(ModelError, match="none of an LSTM's gates: afterword inspect shows its hidden state"):
        afterword.ablate(model, TEXT)
    for one in afterword.keeps(model, TEXT, "Divya", instead=["Reena"]).stretches:
        assert one.forget is one.forget_where_held is None
        assert one.output_where_held is None
        assert 0 < one.held <= 1


def test_a_classic_model_has_no_horizon() -> None:
    model = made(ClassicTokenizer.of(TEXT, lowercase=True), embedding_size=1, input="number", window=6, residual=False)
    with pytest.raises(ModelError, match="a classic model reads its last 6 characters anew for each one"):
        afterword.horizon(model, TEXT * 9)
