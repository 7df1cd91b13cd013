"""Where a run may begin: refused, locked, and left as it was where nothing comes of it."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from afterword.errors import RunError
from afterword.runs.folder import RunFolder, can_be_written
from afterword.text.sources import Source


@contextlib.contextmanager
def held(folder: RunFolder) -> Iterator[None]:
    """Make and lock `folder`; where the block fails, let it go and take away what was made."""
    made = [place for place in folder.path.parents if not place.exists()]
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder.path}: {error.strerror}") from None
    folder.lock()  # from here on nobody else trains in it
    try:
        yield
    except BaseException:
        folder.give_up()
        folder.unlock()
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()
        raise


def check_place(folder: RunFolder, overwrite: bool, asked: dict[str, Any]) -> None:
    """Refuse a place where no run of the settings `asked` can begin."""
    out = folder.path
    try:
        if folder.is_run and not overwrite and not _learned_nothing(folder, asked):
            raise RunError(
                f"{out} holds a run: go on with it by --resume {shlex.quote(str(out))}, or replace it by --overwrite"
            )
        if out.exists() and not out.is_dir():
            raise RunError(f"{out} is a file: give --out a folder")
        if not can_be_written(out):
            raise RunError(f"cannot write in {out}: choose another --out")
        if not folder.is_run and not folder.is_free:
            raise RunError(f"{out} holds other files, and no run: give --out a new folder")
        if strangers := folder.strangers:
            more = f" and {len(strangers) - 3:,} more" if len(strangers) > 3 else ""
            raise RunError(
                f"{out} also holds files that are no part of a run, {', '.join(strangers[:3])}{more}: "
                "move them away, or give --out a new folder"
            )
    except OSError as error:
        raise RunError(f"cannot use {out} for a run: {error.strerror}") from None


def _learned_nothing(folder: RunFolder, asked: dict[str, Any]) -> bool:
    """Whether the run in `folder` has these settings and was killed before its first checkpoint."""
    return not folder.checkpoints and folder.read_record().asked == asked


def check_sources(sources: Sequence[Source], folder: RunFolder) -> None:
    """Refuse a text, or a run to be repeated, that is part of the run whose place is to be taken."""
    out = Path(os.path.realpath(folder.path))
    for source in sources:
        place = Path(os.path.realpath(source))
        if os.fspath(source) != "-" and out in (place, *place.parents):
            raise RunError(f"{os.fspath(source)} lies in {folder.path}: give --out another folder")
