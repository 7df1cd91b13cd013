"""Laws of the routes that score, made from operations: their figures are those of the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.model.folder.saved import load_model, save_model
from tests.serving.server import Serving, serving

TEXT = "abé\ncd☃\n\nab"


def test_line_ends_and_a_mark_are_read_as_in_a_file(server: Serving) -> None:
    plain = server.answer("/v1/score", model="tiny", text="ab\ncd\n", lines=True)
    assert server.answer("/v1/score", model="tiny", text="\ufeffab\r\ncd\r", lines=True) == plain


def test_labels_are_told_of_a_model_that_knows_them(models: Path, tmp_path: Path) -> None:
    saved, labelled = load_model(models / "lines"), tmp_path / "labelled"
    saved.about["labels"] = {"a": 2, "b": 2}
    save_model(labelled, saved, "")
    with serving(labelled) as server:
        found = server.answer("/v1/score", model="labelled", text="abcd\na\tcd", lines=True)["lines"]
    expected = load(labelled).classify(["abcd", "a\tcd"])
    for line, one in zip(found, expected, strict=True):
        assert (line["text"], line["label"], line["given_label"]) == (one.text, one.label, one.given_label)
        assert line["label_probability"] == pytest.approx(one.label_probability)
        assert line["bits"] == pytest.approx(one.bits)
