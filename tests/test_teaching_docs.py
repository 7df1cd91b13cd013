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
    middle = (cells[inside].mean(axis=0) + cells[~inside].mean(axis=0)) / 2
    on = (cells > middle) == (cells[inside].mean(axis=0) > middle)
    return int(np.argmax(on[inside].mean(axis=0) - on[~inside].mean(axis=0)))


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
    forget, output, cell = trace.forget[:, 0, unit], trace.output[:, 0, unit], trace.cell[:, 0, unit]
    assert np.sign(cell[5:19]).tolist() == [np.sign(cell[10])] * 14  # Divya's
    assert np.sign(cell[24:]).tolist() == [-np.sign(cell[10])] * (len(TEXT) - 24)  # and Reena's
    assert forget[6:19].min() > 0.9
    assert forget[20] < 0.1  # at the R
    assert output[18] > 0.9  # at the full stop
    expected = {one.text: one.probability for one in model.next_characters(TEXT)}
    assert expected["R"] > 0.9
    kept = model.hold(f"l0.u{unit}.forget=1")
    assert next(iter(kept.next_characters(TEXT))).text != "R"
