"""Wherever a function takes a model, it takes a loaded one too, and answers as for the model's folder."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import afterword
from afterword.commands import commands, find_operation
from afterword.errors import AfterwordError
from afterword.language_model import LanguageModel, load
from afterword.operations.operation import arguments_of
from afterword.operations.train import train
from afterword.operations.work import Work
from afterword.settings import kinds_of
from tests.cases import cases

GIVEN: dict[str, list[Any]] = {
    "generate": [{"seed": 1, "num": 3, "max_tokens": 20, "no_copy": 8}],
    "score": [{"files": "text"}, {"files": "text", "lines": True}],
    "novelty": [{"num": 2}],
    "surprises": [{"files": "text", "html": "page.html", "overwrite": True}],
    "compare": [{"others": "english", "file": "text"}],
    "inspect": [{"text": "The sea"}],
    "info": [{}],
    **cases("LOADED"),
}
EACH: dict[str, Any] = {"using": "lstm", "engine": "fast", "hold": ("forget=0.5",)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a text."""
    place = tmp_path_factory.mktemp("loaded")
    book = "".join(f"The {k}th ship was old. Nobody saw the sea.\n\n" for k in range(300))
    (place / "text").write_text("The sea was calm, and nobody spoke.\nIt was old.\n")
    train(text=book, out=place / "run", base="none", steps=1, hidden_size=8, threads=1)
    return place


def answer(name: str, model: object, given: dict[str, Any]) -> tuple[list[bytes], dict[str, bytes]]:
    """Return the records of an answer, or why there are none, and the files that were written."""
    operation = find_operation(name)
    try:
        found = operation.run(operation.make_request(model, **given), Work())
        each = found if isinstance(found, Iterator) else [found]
        records = [msgspec.json.encode(one.to_dict()) for one in each if one is not None]
    except AfterwordError as error:
        records = [str(error).encode()]
    return records, {path.name: path.read_bytes() for path in Path.cwd().iterdir() if path.is_file()}


def test_all_functions_of_a_model_are_known() -> None:
    kinds = {name: [kind for _, kind in arguments_of(find_operation(name).request).values()] for name in commands()}
    assert {name for name, each in kinds.items() if any(LanguageModel in kind.types for kind in each)} == GIVEN.keys()


@pytest.mark.parametrize("name", GIVEN)
def test_a_loaded_model_answers_as_its_folder_does(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    model = load("run")
    options = {field.name for field, _ in kinds_of(find_operation(name).request)}
    more = [{}, *({option: value} for option, value in EACH.items() if option in options)]
    for given, one in itertools.product(GIVEN[name], more):
        named = answer(name, "run", given | one)
        assert answer(name, model, given | one) == named
        if one.keys() == {"using"}:
            assert answer(name, load("run", **one), given) == answer(name, model.using("lstm"), given)
            assert answer(name, model.using("lstm"), given)[0] == named[0]


def test_a_model_is_compared_with_itself_changed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    model = load("run")
    changed = [model.using("lstm"), model.using("lstm").hold("forget=0.5"), load("run", using="ngram")]
    rows = [row.to_dict() for row in afterword.compare(model, changed, file="text")]
    assert [row["model"] for row in rows] == ["run", "run (2)", "run (3)", "run (4)"]
    each = [one.to_dict() for model in (model, *changed) for one in afterword.score(model, "text")]
    assert [row["bits_per_character"] for row in rows] == [one["bits_per_character"] for one in each]
    assert len({one["bits_per_character"] for one in each}) >= 3
