"""Laws of the routes that score, made from operations: their figures are those of the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from afterword.language_model import load
from afterword.model.folder.saved import load_model, save_model
from tests.serving.server import Serving, serving

TEXT = "abé\ncd☃\n\nab"
FIGURES = ("characters", "tokens", "nats_per_character", "bits_per_character", "bits_per_byte", "perplexity")


@pytest.fixture(scope="module")
def calibrated(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server whose model knows normal lines."""
    random = np.random.default_rng(0)
    normal = ["".join(random.choice(list("ab"), 8)) for _ in range(400)]
    place = tmp_path_factory.mktemp("calibrated") / "judge"
    load(models / "lines").calibrated(normal).save(place)
    with serving(place) as found:
        yield found


@pytest.mark.parametrize("name", ["tiny", "mixed", "lines"])
def test_a_text_and_its_characters_cost_what_the_model_says(server: Serving, models: Path, name: str) -> None:
    found, model = server.answer("/v1/score", model=name, text=TEXT), load(models / name)
    parts = {key: found[key] for key in ("lstm", "ngram", "both") if key in found}
    assert found.keys() == {"model", *FIGURES, *parts}
    if name == "lines":  # which reads each line from its start
        lines = model.score_lines(["abé", "cd☃", "ab"])
        assert found["characters"] == sum(line.characters for line in lines)
        assert found["bits_per_character"] * found["characters"] == pytest.approx(sum(line.bits for line in lines))
    else:
        score = model.score(TEXT)
        assert {key: found[key] for key in FIGURES} == pytest.approx({key: getattr(score, key) for key in FIGURES})
        assert parts == pytest.approx(dict(score.apart))

    surprises = server.answer("/v1/surprises", model=name, text=TEXT)
    each = surprises.pop("surprises")
    assert surprises == pytest.approx(found)
    for told, one in zip(each, model.surprises(TEXT), strict=True):
        assert [told[key] for key in ("text", "start", "line", "column")] == [one.text, one.start, one.line, one.column]
        assert (told["bits"], told["unlearned"]) == (pytest.approx(one.bits), one.unlearned)
        assert [other["text"] for other in told["alternatives"]] == [text for text, _ in one.alternatives]
    bits = sum(told["bits"] for told in each)
    assert bits == pytest.approx(found["bits_per_character"] * found["characters"])


@pytest.mark.parametrize("name", ["tiny", "lines"])
def test_lines_come_in_their_order(server: Serving, models: Path, name: str) -> None:
    found = server.answer("/v1/score", model=name, text=TEXT + "\n", lines=True)["lines"]
    expected = load(models / name).score_lines(TEXT.split("\n"))
    assert [(line["line"], line["text"]) for line in found] == [*enumerate(TEXT.split("\n"), 1)]
    assert [line["bits"] for line in found] == pytest.approx([line.bits for line in expected])
    assert found[0].keys() == {"line", "text", "bits", "bits_per_character"}


def test_line_ends_and_a_mark_are_read_as_in_a_file(server: Serving) -> None:
    plain = server.answer("/v1/score", model="tiny", text="ab\ncd\n", lines=True)
    assert server.answer("/v1/score", model="tiny", text="\ufeffab\r\ncd\r", lines=True) == plain


def test_a_part_alone_can_be_asked(server: Serving, models: Path) -> None:
    found = server.answer("/v1/score", model="mixed", text="abcd", **{"with": "ngram"})
    assert found["nats_per_character"] == pytest.approx(found["ngram"])


def test_odd_lines_are_listed_and_with_all_the_others_too(calibrated: Serving) -> None:
    lines = ["abababab", "dddddddd", "aabbaabb", "", "éédcéécd", "\u2603\u2603"]
    asked = {"model": "judge", "text": "\n".join(lines), "false_alarms": 0.05}
    every = calibrated.answer("/v1/odd", **asked, all=True)
    assert [line["text"] for line in every["lines"]] == lines
    assert any(line["odd"] for line in every["lines"])
    for line in every["lines"]:
        assert line["odd"] == bool(line["odd_pieces"])
        assert line["odd"] == (line["p_value"] <= 0.05 and line["text"] != "")
        assert line["figure"] == round(line["figure"], 2)
    some = calibrated.answer("/v1/odd", **asked)
    assert some == every | {"lines": [one for one in every["lines"] if one["odd"]]}
    assert calibrated.answer("/v1/odd", **asked | {"text": "\n"})["lines"] == []


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
