"""Attachments: files that wings add to a trained model, each with a checksum in config.json.

`model.folder` saves, loads and replaces them by their names in the table, and does not know what they are. Their
content is checked when the model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from afterword.commands import attached_files, resolve


class Attachment(NamedTuple):
    """A kind of attachment."""

    write: Callable[[Path, Any], None]
    """Raises StorageError."""
    read: Callable[[Path], Any]
    """Return the content. Raises ModelError, ValueError for a file that `write` cannot have written."""
    outlives: Callable[[Any], bool]
    """Whether this content is still true of a model that is trained further."""


def codec_of(name: str) -> Attachment:
    """Return the kind of the attachment `name`."""
    kind: Attachment = resolve(attached_files()[name].place)
    return kind
