"""Named arrays in one safetensors file, with a checksum of everything in it.

Equal content makes equal bytes: the metadata stands under one key, as sorted JSON (the library keeps several keys in
no particular order), and holds no time. Reading runs nothing from the file, and notices whatever has changed in it.
"""

from __future__ import annotations

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
from afterword.storage import write_bytes

KEY = "afterword"

Tensors = dict[str, NDArray[Any]]


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any] | None = None) -> None:
    """Write `tensors`, and `about` as JSON beside them, whole or not at all. Raises StorageError."""
    whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    record: dict[str, Any] = {"about": dict(about or {}), "crc32": {name: _crc32(name, whole[name]) for name in whole}}
    record["record_crc32"] = zlib.crc32(_sorted_json(record).encode())
    write_bytes(path, safetensors.numpy.save(whole, {KEY: _sorted_json(record)}))


def read_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """The tensors that `write_tensors` wrote to `path`, and its `about`. Raises ModelError for anything else."""
    if not os.path.isfile(path):  # False also where the name is too long or may not be looked at
        raise ModelError(f"{path} is missing; take a fresh copy of the model")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
            record = json.loads((file.metadata() or {})[KEY])
        kept = record.pop("record_crc32")
        sound = kept == zlib.crc32(_sorted_json(record).encode()) and record["crc32"] == {
            name: _crc32(name, tensor) for name, tensor in tensors.items()
        }
        about: dict[str, Any] = record["about"]
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from None
    except Exception as error:  # the library and a hostile record raise many kinds, a missing key among them
        raise ModelError(
            f"{path} is damaged or not Afterword's ({_short(error)}); take a fresh copy of the model"
        ) from None
    if not sound:
        raise ModelError(f"{path} is damaged (its checksum is not that of its content); take a fresh copy of the model")
    return tensors, about


def _crc32(name: str, tensor: NDArray[Any]) -> int:
    head = f"{name} {tensor.dtype.str} {tensor.shape}".encode()
    return zlib.crc32(tensor.data, zlib.crc32(head))


def _sorted_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:100]
