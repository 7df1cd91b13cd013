"""What is known of normal lines is stored and read back whole, or refused in one line."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.errors import ModelError
from afterword.model.folder.saved import load_model
from afterword.model.folder.tensors import read_tensors
from afterword.wings.odd.calibration import ByLength, Calibration
from afterword.wings.odd.normal import CALIBRATION_FILE, LINES_FILE
from tests.model.test_whole import changed, folder, is_refused_or_works, whole
from tests.sealing import reseal, seal

__all__ = ["folder", "whole"]


def test_a_field_changed_together_with_its_checksum_is_refused_or_does_no_harm(folder: Path) -> None:
    tensors, about = read_tensors(folder / CALIBRATION_FILE)
    lines = (folder / LINES_FILE).read_text()
    for name, value in ((CALIBRATION_FILE, about), (LINES_FILE, json.loads(lines))):
        refused, count = 0, 60
        for one in changed(value, count, seed=1):
            if name == CALIBRATION_FILE:
                seal(folder / CALIBRATION_FILE, tensors, one)
            else:
                (folder / name).write_text(json.dumps(one))
            reseal(folder)
            refused += is_refused_or_works(folder)
        assert refused > count / 2
        seal(folder / CALIBRATION_FILE, tensors, about)


def test_what_no_save_writes_is_named(folder: Path) -> None:
    cases: list[tuple[Any, str]] = [
        ({"late": -1}, "late must be a whole number >= 0"),
        ({"accepted": ["x"] * 100_001}, "accepted must be a list of length <= 100000"),
        ({"late_bits": [math.nan]}, r"late_bits\[0] must be a number"),
        ({"places": {"a": {"0 ": {"ordered": [3.0, 2.0]}}}}, ".* its numbers must rise"),
        ({"places": {"a": {"0 ": {"ordered": [3.0], "records": 99}}}}, ".* enough for its records"),
        ([], "it must be an object, not a list"),
    ]
    for content, says in cases:
        (folder / LINES_FILE).write_text(json.dumps(content))
        reseal(folder)
        with pytest.raises(ModelError, match=f"lines.json: {says}"):
            load_model(folder)


def test_masks_that_take_seconds_to_compile_are_refused_when_a_model_is_read() -> None:
    usual = ByLength((0.0, 0.0), (0.0, 0.0, 1.0))
    sound = Calibration(np.arange(50, dtype=np.float32), (1.0, 9.0), usual, usual, usual, 9.0, ("[0-9]+",), "both")
    assert Calibration.from_record(*sound.record()).masks == ("[0-9]+",)
    for masks, says in (
        ([f"a{k}" for k in range(20_000)], "at most 100 masks are allowed, not 20,000"),
        (["a" * 5000], "mask 'a{60}' is too large: it may have at most 300 characters"),
        (["[0-9]+", "a{999999999}"], r"mask 'a\{999999999}' is too large"),
        (["(" * 14 + "a" + ")+" * 14], "is too large"),
    ):
        with pytest.raises(ModelError, match=f"the calibration is damaged: .*{says}"):
            Calibration.from_record(*dataclasses.replace(sound, masks=tuple(masks)).record())
