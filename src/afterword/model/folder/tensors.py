"""Named arrays in one safetensors file, with a checksum of everything in it.

Equal content makes equal bytes: the metadata is sorted JSON under one key (the library stores several keys in no
particular order), and contains no time. Reading executes nothing from the file, and detects every change in it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from afterword.errors import ModelError
from afterword.model.arrays import Tensors, check_fits
from afterword.records import read_json
from afterword.storage import LARGEST_WEIGHTS, check_plausible, write_bytes

KEY = "afterword"
SPARE = 4 * 2**20  # bytes beyond twice the tensors: without room, the library panics, or ends the process
LARGEST_HEADER = 16 * 2**20  # bytes; a model's is some kilobytes


@dataclasses.dataclass(frozen=True)
class Header:
    """The JSON under `KEY` in a file's metadata."""

    about: dict[str, Any]
    crc32: dict[str, int]  # of each tensor, by name
    record_crc32: int  # of the two above


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any] | None = None) -> None:
    """Write `tensors`, and `about` as JSON, atomically. Raises StorageError."""
    whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    checksums = _checksums(whole)
    header = Header(dict(about or {}), checksums, _crc_of_record(about or {}, checksums))
    check_fits(2 * sum(tensor.nbytes for tensor in whole.values()) + SPARE)
    write_bytes(path, safetensors.numpy.save(whole, {KEY: _sorted_json(dataclasses.asdict(header))}))


def read_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors that `write_tensors` wrote to `path`, and its `about`. Raises ModelError for anything else."""
    if not os.path.isfile(path):  # False also if the name is too long or may not be looked up
        raise ModelError(f"{path} is missing; take a fresh copy of the model")
    tensors, metadata = _read(path)
    try:
        header = read_json(Header, metadata.get(KEY, ""))
    except ValueError as error:
        raise _damaged(path, error if KEY in metadata else "it has no checksums") from None
    sound = header.record_crc32 == _crc_of_record(header.about, header.crc32)
    if not (sound and header.crc32 == _checksums(tensors)):
        raise ModelError(f"{path} is damaged (its checksum does not match its content); take a fresh copy of the model")
    return tensors, header.about


def _read(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file. Raises ModelError for any other."""
    try:
        size = check_plausible(os.stat(path), LARGEST_WEIGHTS)
        with open(path, "rb") as start:  # the library ends the process if a header does not fit in memory
            if int.from_bytes(start.read(8), "little") > LARGEST_HEADER:
                raise ValueError("its header is too large")
        check_fits(2 * size + SPARE)
        with safetensors.safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
            return tensors, file.metadata() or {}
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from None
    except MemoryError:
        raise
    except Exception as error:  # the library raises many kinds
        raise _damaged(path, error) from None


def checksum(tensors: Mapping[str, NDArray[Any]]) -> int:
    """Return a CRC-32 of `tensors` and their names."""
    return _crc_of_record({}, _checksums(tensors))


def _checksums(tensors: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    return {name: _crc32(name, np.asarray(tensor, order="C")) for name, tensor in tensors.items()}


def _damaged(path: Path, why: Exception | str) -> ModelError:
    reason = f" ({str(why).splitlines()[0][:100]})" if str(why) else ""
    return ModelError(f"{path} is damaged or not Afterword's{reason}; take a fresh copy of the model")


def _crc32(name: str, tensor: NDArray[Any]) -> int:
    return zlib.crc32(tensor.data, zlib.crc32(f"{name} {tensor.dtype.str} {tensor.shape}".encode()))


def _crc_of_record(about: Mapping[str, Any], crc32: Mapping[str, int]) -> int:
    return zlib.crc32(_sorted_json({"about": about, "crc32": crc32}).encode())


def _sorted_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
