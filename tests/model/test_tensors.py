from __future__ import annotations

import contextlib
import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from afterword.errors import ModelError, StorageError
from afterword.model.folder.tensors import read_tensors, write_tensors

TENSORS: dict[str, Any] = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "step": np.array(7, np.int64),
    "generator": np.arange(9, dtype=np.uint8),
    "nothing": np.empty((0, 4), np.float32),
    "flags": np.array([True, False]),
    "turned": np.arange(12, dtype=np.float64).reshape(3, 4).T,
}
ABOUT = {"step": 12, "words": ["ß", "\n"], "nested": {"b": 1.5, "a": None}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_tensors(tmp_path / "x.safetensors", TENSORS, ABOUT)
    return tmp_path / "x.safetensors"


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_tensors(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def metadata(path: Path) -> Any:
    with safetensors.safe_open(path, framework="numpy") as opened:
        return opened.metadata()


def assert_ours(file: Path) -> None:
    tensors, about = read_tensors(file)
    assert about == ABOUT
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        assert tensors[name].tobytes() == tensor.tobytes()


def test_what_was_written_comes_back_bit_for_bit_in_any_order_and_by_any_library(file: Path, tmp_path: Path) -> None:
    assert_ours(file)
    other = tmp_path / "y.safetensors"
    write_tensors(other, dict(reversed(TENSORS.items())), dict(reversed(ABOUT.items())))
    assert other.read_bytes() == file.read_bytes()
    assert list(metadata(other)) == ["afterword"]
    assert np.array_equal(safetensors.numpy.load_file(file)["a"], TENSORS["a"])


def test_every_truncation_is_noticed(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content + b"\0")
    refused(file)
    for length in reversed(range(len(content))):
        os.truncate(file, length)
        refused(file)


def test_a_flipped_bit_is_noticed_unless_it_changes_nothing(file: Path) -> None:
    content = bytearray(file.read_bytes())
    unnoticed = []
    with open(file, "r+b", buffering=0) as opened:
        for position, byte in enumerate(content):
            for bit in range(8):
                opened.seek(position)
                opened.write(bytes([byte ^ 1 << bit]))
                with contextlib.suppress(ModelError):
                    assert_ours(file)
                    unnoticed.append(position)
            opened.seek(position)
            opened.write(bytes([byte]))
    hexadecimal = content.index(b"u00df")  # JSON's ß; u00Df and u00dF are the same
    assert unnoticed == [hexadecimal + 3, hexadecimal + 4]


KINDS = [b"", pickle.dumps({"a": 1}), b"PK\x03\x04" + bytes(100)]
HEADERS = [(2**63, b"{}"), (2**64 - 1, b"{}"), (2, b"{}"), (2, b"[]"), (5000, b"[" * 5000)]
RECORDS = ["", "[]", "{}", "null", "[" * 9999, json.dumps({"record_crc32": 0, "crc32": {}})]


def test_what_is_missing_or_of_another_kind_or_record_is_refused(tmp_path: Path) -> None:
    for content in (
        *KINDS,
        *(struct.pack("<Q", length) + header for length, header in HEADERS),
        *(safetensors.numpy.save({"a": TENSORS["a"]}, {"afterword": record}) for record in RECORDS),
        safetensors.numpy.save({"a": TENSORS["a"]}),
    ):
        (tmp_path / "x").write_bytes(content)
        refused(tmp_path / "x")
    for name in ("nowhere", "", "n" * 3000):
        refused(tmp_path / name)


def test_tensors_that_are_not_the_records_are_refused(file: Path) -> None:
    record = metadata(file)
    for changed in ({**TENSORS, "b": TENSORS["a"]}, {**TENSORS, "a": TENSORS["a"].T}, {"a": TENSORS["a"]}):
        file.write_bytes(safetensors.numpy.save({k: np.asarray(v, order="C") for k, v in changed.items()}, record))
        assert "checksum" in refused(file)


def test_a_place_that_cannot_be_written_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere is gone"):
        write_tensors(tmp_path / "nowhere" / "x", TENSORS)
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        write_tensors(tmp_path / "folder", TENSORS)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
