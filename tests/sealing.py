"""Files of a model with right checksums, whatever is in them."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from afterword.commands import attached_files
from afterword.errors import ModelError
from afterword.model.folder.saved import CONFIG, NGRAM, TOKENIZER, WEIGHTS
from afterword.model.folder.tensors import KEY, _crc32, _crc_of_record, checksum, read_tensors
from afterword.model.ngram.tables import Ngram
from afterword.storage import read_whole


def seal(path: Path, tensors: dict[str, Any], about: Any) -> None:
    """Write arrays of any kind, with the right checksums."""
    whole = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    sums = {name: _crc32(name, array) for name, array in whole.items()}
    header = {"about": about, "crc32": sums, "record_crc32": _crc_of_record(about, sums)}
    path.write_bytes(safetensors.numpy.save(whole, {KEY: json.dumps(header, sort_keys=True)}))


def reseal(folder: Path) -> None:
    """Correct the checksums in the config.json of a changed model, as far as there are any."""
    with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError, OSError):
        values = json.loads(read_whole(folder / CONFIG))
        sums = values.pop("checksums", {})
        with contextlib.suppress(ModelError, LookupError, TypeError, ValueError, OSError):
            for name in {*attached_files()} & {*os.listdir(folder)}:
                values["attachments"][name] = zlib.crc32(read_whole(folder / name))
            sums[CONFIG] = zlib.crc32(json.dumps(values, sort_keys=True).encode())
            sums[TOKENIZER] = zlib.crc32(read_whole(folder / TOKENIZER))
            sums[WEIGHTS] = checksum(read_tensors(folder / WEIGHTS)[0])
            sums[NGRAM] = Ngram.from_tensors(read_tensors(folder / NGRAM)[0]).checksum
        (folder / CONFIG).write_text(json.dumps(values | {"checksums": sums}))
