"""A model's folder is one whole: each change of a file but the card is noticed, and content that no save writes."""

from __future__ import annotations

import copy
import json
import math
import random
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.errors import AfterwordError, ModelError
from afterword.model.folder.saved import CARD, CONFIG, FILES, load_model
from tests.cases import cases
from tests.sealing import reseal
from tests.tiny import save_tiny_whole

FLIPS = 60  # bits of each file
CHANGES = [*range(FLIPS), "missing", "another's"]
PARTS = [name for name in FILES if name != CARD]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_whole(tmp_path_factory.mktemp("whole") / "mine", seed=0)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_whole(tmp_path_factory.mktemp("other") / "yours", seed=1)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "mine"))


def one_line(error: AfterwordError) -> str:
    assert "\n" not in str(error)
    assert len(str(error)) < 600
    return str(error)


@pytest.mark.parametrize("name", PARTS)
def test_each_flipped_bit_a_missing_file_and_another_models_are_noticed(name: str, folder: Path, other: Path) -> None:
    content, draw = (folder / name).read_bytes(), random.Random(name)
    assert content != (other / name).read_bytes()
    for change in CHANGES:
        if change == "missing":
            (folder / name).unlink()
        elif change == "another's":
            shutil.copy(other / name, folder / name)
        else:
            damaged, at = bytearray(content), draw.randrange(len(content))
            damaged[at] ^= 1 << draw.randrange(8)
            (folder / name).write_bytes(damaged)
        with pytest.raises(ModelError) as caught:
            load_model(folder)
        assert folder.name in one_line(caught.value), change
        assert change != "missing" or name in str(caught.value)
    (folder / name).write_bytes(content)
    (folder / CARD).write_text("What people write here is theirs.")
    load_model(folder)


WRONG: list[Any] = [None, -1, 10**400, 0.5, math.nan, math.inf, -1e308, True, "x", [], {}, [[]], {"x": -1}, [10**30]]


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in a JSON value with each of its keys."""
    for key in [*value] if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from leaves(value[key])


def changed(value: Any, count: int, seed: int) -> Iterator[Any]:
    """Yield copies of a JSON value, each with a wrong value at a place of it."""
    draw = random.Random(seed)
    for _ in range(count):
        copied = copy.deepcopy(value)
        place, key = draw.choice([*leaves(copied)])
        place[key] = draw.choice(WRONG)
        yield copied


def is_refused_or_works(folder: Path) -> bool:
    """Return whether the model is refused when it is loaded; otherwise it scores lines, and wings use their own."""
    try:
        model = afterword.load(folder)
    except ModelError as error:
        one_line(error)
        return True
    assert model.info()
    assert model.score_lines(["a b"])
    for use in cases("USE"):
        try:
            use(folder)
        except AfterwordError as error:
            one_line(error)
    return False


def test_a_field_changed_together_with_its_checksum_is_refused_or_does_no_harm(folder: Path) -> None:
    refused, count = 0, 60
    value = json.loads((folder / CONFIG).read_text())
    about = value.pop("about")  # facts for people
    for one in changed(value, count, seed=1):
        (folder / CONFIG).write_text(json.dumps({**one, "about": about}))
        reseal(folder)
        refused += is_refused_or_works(folder)
    assert refused > count / 2


def test_an_attachment_without_a_checksum_and_an_unknown_one_are_refused(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    for attachments, says in (
        ({**config["attachments"], "lines": None}, r"attachments\[...] must be a whole number"),
        ({**config["attachments"], "../../notes": 1}, "'notes' is unknown: it may need a newer Afterword"),
        ({**config["attachments"], "tables.json": 1}, "'tables.json' is unknown: it may need a newer Afterword"),
        (None, "attachments must be an object, not null"),
        (..., "attachments is missing"),
    ):
        values = {**config, "attachments": attachments}
        values = {name: value for name, value in values.items() if value is not ... and name != "checksums"}
        sums = {**config["checksums"], CONFIG: zlib.crc32(json.dumps(values, sort_keys=True).encode())}
        (folder / CONFIG).write_text(json.dumps({**values, "checksums": sums}))
        with pytest.raises(ModelError, match=says):
            load_model(folder)
