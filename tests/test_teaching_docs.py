"""docs/teaching.md: its answers, in a network that is trained as the lab trains it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from afterword.operations.train import train
from benchmarks.subjects import TRAIN

DOCS = Path(__file__).parents[1] / "docs"
LAB = (DOCS / "teaching.md").read_text(encoding="utf-8")
TEXT = "Divya likes to eat. Reena is not fat. So "
SENTENCE = slice(4, 20)  # of Divya, after her name begins


def best_unit(cells: np.ndarray) -> int:
    """The unit that the page finds for #4-19, by its cell states [T, H]."""
    inside = np.zeros(len(cells), bool)
    inside[SENTENCE] = True
    here, elsewhere = cells[inside], cells[~inside]
    apart = np.abs(here.mean(axis=0) - elsewhere.mean(axis=0)) / (here.std(axis=0) + elsewhere.std(axis=0))
    return int(apart.argmax())


def test_the_lab_trains_the_network_of_the_lesson() -> None:
    assert TRAIN.replace("docs/subjects.txt", "subjects.txt") in LAB
    assert f'afterword inspect subjects "{TEXT}" --html gates.html --step step.html' in LAB


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_answers_are_those_of_a_trained_network() -> None:
    sizes = {"hidden_size": 128, "batch_size": 16, "dropout": 0.0, "learning_rate": 0.014, "threads": 1}
    model = train(DOCS / "subjects.txt", steps=3500, ngram=0, **sizes)  # type: ignore[arg-type]
    trace = model.gates(TEXT)
    unit = best_unit(trace.cell[:, 0])
    forget, input_gate, output = (getattr(trace, gate)[:, 0, unit] for gate in ("forget", "input", "output"))
    cell, space = trace.cell[:, 0, unit], TEXT.index(" R")
    assert np.sign(cell[5:19]).tolist() == [np.sign(cell[10])] * 14  # Divya's
    assert abs(cell[25:].mean() - cell[5:19].mean()) > 3  # Reena's
    assert forget[6:18].mean() > 0.95
    assert forget[space] > 0.5  # the full stop and the space are not the moment
    assert forget[space + 1] < 0.1  # at the R
    assert input_gate[[4, 24]].min() > 0.8  # at the ends of the names
    assert output[4] < 0.5
    assert output[[space, len(TEXT) - 1]].min() > 0.9  # where a name is due
    expected = {one.text: one.probability for one in model.next_characters(TEXT)}
    assert expected["R"] > 0.9
    hidden = {
        one.text: one.probability for one in model.hold(f"l0.u{unit}.output=0").next_characters(TEXT[: space + 1])
    }
    shown = {one.text: one.probability for one in model.next_characters(TEXT[: space + 1])}
    assert hidden["D"] < shown["D"]
