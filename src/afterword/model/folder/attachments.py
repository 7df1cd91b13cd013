"""Attachments: files that are added to a trained model, each with a checksum in config.json.

`model.folder` saves, loads, sends and fetches them by their names in this table, and does not know what they are. A new
one is a row here. Its content is checked when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from afterword.model.folder.calibration import Calibration
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.oddities.usual import UsualLines
from afterword.records import read_json
from afterword.storage import read_whole, write_bytes

CALIBRATION, LINES = "calibration.safetensors", "lines.json"


class Attachment(NamedTuple):
    """A kind of attachment."""

    write: Callable[[Path, Any], None]
    """Raises StorageError."""
    read: Callable[[Path], Any]
    """Return the content. Raises ModelError, ValueError for a file that `write` cannot have written."""
    reveals: tuple[str, ...]
    """What the file contains of a user's texts: sentences, as lines of a model's card."""
    outlives: Callable[[Any], bool]
    """Whether this content is still true of a model that is trained further."""


ATTACHMENTS = {
    CALIBRATION: Attachment(
        lambda path, calibration: write_tensors(path, *calibration.record()),
        lambda path: Calibration.from_record(*read_tensors(path)),
        ("`calibration.safetensors` contains the costs of normal lines, as numbers, and the masks.",),
        lambda calibration: False,
    ),
    LINES: Attachment(
        lambda path, usual: write_bytes(path, msgspec.json.encode(usual)),
        lambda path: read_json(UsualLines, read_whole(path)),
        (
            "`lines.json` contains the words of the normal lines, such as the names of users, their numbers and",
            "addresses, and the lines that were accepted. In place of masked numbers and addresses, it has 20-bit",
            "hashes, and their range: the outermost numbers, or the outermost networks of 256 addresses.",
        ),
        lambda usual: bool(usual.accepted),  # the next calibration takes them up
    ),
}
