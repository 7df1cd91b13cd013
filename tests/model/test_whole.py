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
from afterword.model.folder.tensors import read_tensors
from afterword.wings.odd.attachments import CALIBRATION_FILE, LINES_FILE
from benchmarks.grammars import reseal, seal
from tests.tiny import save_tiny_calibrated

FLIPS = 60  # bits of each file
CHANGES = [*range(FLIPS), "missing", "another's"]
PARTS = [name for name in FILES if name != CARD]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_calibrated(tmp_path_factory.mktemp("whole") / "mine", seed=0)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_calibrated(tmp_path_factory.mktemp("other") / "yours", seed=1)


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


def is_refused_or_works(folder: Path, tmp_path: Path) -> bool:
    """Return whether the model is refused when it is loaded; otherwise it finds odd lines."""
    try:
        model = afterword.load(folder)
    except ModelError as error:
        one_line(error)
        return True
    (tmp_path / "today.log").write_text("a b 3 é\nd d d\na 10.0.0.7 b 700000 b\n" + "a a\n" * 70)
    assert model.info()
    try:
        [*afterword.odd(folder, tmp_path / "today.log", all=True)]
    except AfterwordError as error:
        one_line(error)
    return False


@pytest.mark.parametrize("name", [CONFIG, LINES_FILE, CALIBRATION_FILE])
def test_a_field_changed_together_with_its_checksum_is_refused_or_does_no_harm(
    name: str, folder: Path, tmp_path: Path
) -> None:
    refused, count = 0, 60
    tensors, about = read_tensors(folder / CALIBRATION_FILE)
    value = about if name == CALIBRATION_FILE else json.loads((folder / name).read_text())
    if name == CONFIG:
        value.pop("about")  # facts for people
        about = json.loads((folder / name).read_text())["about"]
    for one in changed(value, count, seed=1):
        if name == CALIBRATION_FILE:
            seal(folder / CALIBRATION_FILE, tensors, one)
        else:
            (folder / name).write_text(json.dumps({**one, "about": about} if name == CONFIG else one))
        reseal(folder)
        refused += is_refused_or_works(folder, tmp_path)
    assert refused > count / 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"late": -1}, "lines.json: late must be a whole number >= 0"),
        ({"accepted": ["x"] * 100_001}, "lines.json: accepted must be a list of length <= 100000"),
        ({"late_bits": [math.nan]}, r"lines.json: late_bits\[0] must be a number"),
        ({"places": {"a": {"0 ": {"ordered": [3.0, 2.0]}}}}, "lines.json: .* its numbers must rise"),
        ({"places": {"a": {"0 ": {"ordered": [3.0], "records": 99}}}}, "lines.json: .* enough for its records"),
        ([], "lines.json: it must be an object, not a list"),
    ],
)
def test_what_no_save_writes_is_named(folder: Path, content: Any, says: str) -> None:
    (folder / LINES_FILE).write_text(json.dumps(content))
    reseal(folder)
    with pytest.raises(ModelError, match=says):
        load_model(folder)


def test_an_attachment_without_a_checksum_and_an_unknown_one_are_refused(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    for attachments, says in (
        (
            {CALIBRATION_FILE: config["attachments"][CALIBRATION_FILE], LINES_FILE: None},
            r"attachments\[...] must be a whole number",
        ),
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
