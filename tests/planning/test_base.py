"""Laws of which base a plan takes: the one asked for, or by itself none that anything excludes; and it says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.bases.shipped import FOLDERS
from afterword.cli.plan import _record, _table
from afterword.planning.settings import TrainingSettings
from afterword.runs.begin import Preview, preview
from afterword.text.corpus import TextSettings
from tests.bases.small import base_of, save

Planned = Callable[..., Preview]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """What is planned with a tiny model in place of the one that ships."""
    monkeypatch.setitem(FOLDERS, "english", save(tmp_path / "shipped"))
    book = tmp_path / "book.txt"
    book.write_text("".join(f"The {k}th line of this book, and no more.\n" for k in range(120)))

    def plan(text: dict[str, Any] | None = None, **settings: Any) -> Preview:
        return preview([book], TextSettings(**text or {}), TrainingSettings(**{"steps": 2, "threads": 1} | settings))

    return plan


@pytest.mark.parametrize(
    ("text", "settings", "why"),
    [
        ({}, {"base": "none"}, "as you asked"),
        ({}, {"hidden_size": 12}, "hidden-size is set, and that of english is 6"),
        ({}, {"num_layers": 1}, "num-layers is set, and that of english is 2"),
        ({}, {"embedding_size": 8}, "embedding-size is set, and that of english is 4"),
        ({}, {"cell": "rnn"}, "english is made of lstm cells"),
        ({"vocabulary": "byte"}, {}, "english reads char, and this run byte"),
        ({"vocabulary": "bpe:60"}, {}, "english reads char, and this run bpe"),
        ({}, {"recipe": "classic"}, "as in the founding recipe"),
        ({}, {"recipe": "classic", "base": "none"}, "as you asked"),
    ],
)
def test_what_excludes_the_base_that_ships_is_said(
    planned: Planned, text: dict[str, Any], settings: dict[str, Any], why: str
) -> None:
    found = planned(text, **settings)
    assert found.plan.base is None
    assert found.plan.reasons["base"] == why
    rows = [line.split(maxsplit=2) for line in _table(found).splitlines()]
    assert ["base", "none", why] in rows
    assert _record(found)["base"] is None


def test_by_itself_it_says_what_it_decided(planned: Planned) -> None:
    found = planned()
    assert found.plan.reasons["base"].startswith("as it is, english takes ")
    assert found.base_name in (None, "english")


@pytest.mark.parametrize("name", ["english", "friend"])
def test_the_one_that_is_asked_for_is_taken_and_told(planned: Planned, tmp_path: Path, name: str) -> None:
    base = base_of("\n ,.0123456789Tabdefhiklmnorst", seed=name == "friend")
    friend = save(tmp_path / "friend", base)
    found = planned(base=name if name == "english" else str(friend))
    assert found.plan.reasons["base"] == "as you asked"
    assert (found.recipe.hidden_size, found.recipe.num_layers, found.recipe.embedding_size) == (6, 2, 4)
    assert found.recipe.residual
    lines = _table(found).splitlines()
    assert f"from {name}: 2 × 6 LSTM" in lines[1]
    assert ["base", name, "as", "you", "asked"] in [line.split() for line in lines]
    assert _record(found)["base"] == {"name": name, "fingerprint": base.fingerprint}
    assert not [place for place in tmp_path.iterdir() if place.name not in ("shipped", "friend", "book.txt")]
