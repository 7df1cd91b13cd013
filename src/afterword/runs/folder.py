"""The run folder: what a run keeps on the disk so that it can continue after any interruption.

run.json          the plan, the corpus' fingerprint, versions, threads; written last, so a folder with it is a run
base.safetensors  the weights that it begins with, if it begins from a base
metrics.jsonl     one object per report
lock              held by the process that trains; created first, so a folder with it is one of ours
corpus/           the text as tokens
checkpoints/      the newest states, each one file
model/            the best model so far
.run.json.0123abcd.new/  a run being prepared to replace this one: see `storage`
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from afterword.errors import ModelError, RunError, StorageError
from afterword.model.folder.saved import FILES as MODEL_FILES
from afterword.model.folder.saved import recover_model
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.model.network.config import Config, check_weights
from afterword.records import as_record, read_json
from afterword.runs.record import FORMAT, Position, RunRecord, as_json, as_position, is_record
from afterword.storage import (
    NO_ROOM,
    append,
    folder_aside,
    make_folder,
    read_whole,
    recover_folder,
    remove_leftovers,
    sync_file,
    sync_folder,
    with_leftovers,
    write_json,
)
from afterword.text.documents import GivenText, Source, reason
from afterword.text.encoded import FILES as CORPUS_FILES

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from filelock import FileLock

KEPT_CHECKPOINTS = 2
LOCK = "lock"
ASKED_FOR = 0.2  # seconds, far longer than it takes to ask whether a lock is held
LOCK_TEXT = b"An Afterword run. While it trains, its process holds this file.\n"
Checkpoint = tuple[dict[str, NDArray[Any]], Position]  # tensors by name, and how far they are
RECORD, METRICS, BASE = "run.json", "metrics.jsonl", "base.safetensors"
LARGEST_METRICS = 2**30  # bytes: the reports of months


FOLDERS = {  # the files that a run writes in each: no other is ever removed
    "checkpoints": with_leftovers(r"step-\d+\.safetensors"),
    "corpus": with_leftovers(*map(re.escape, CORPUS_FILES)),
    "model": with_leftovers(*map(re.escape, MODEL_FILES)),
}


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.corpus, self.model = path / "corpus", path / "model"
        self._checkpoints, self._metrics, self._base = path / "checkpoints", path / METRICS, path / BASE
        self._lock: FileLock | None = None

    @property
    def is_run(self) -> bool:
        """True if there is a run's record here, of this version of Afterword or another."""
        with contextlib.suppress(OSError, ValueError, RecursionError):
            return is_record(json.loads(read_whole(self.path / RECORD)))
        return False

    @property
    def is_free(self) -> bool:
        """True if a run may be created here: it is missing, empty, or has only remains of a run that never began."""
        names = {entry.name for entry in self.path.iterdir()} if self.path.exists() else None
        if not names:
            return True
        ours = LOCK in names and read_whole(self.path / LOCK) in (LOCK_TEXT, b"")
        return ours and all(name in (LOCK, METRICS, BASE, *FOLDERS) or name.startswith(".") for name in names)

    @property
    def strangers(self) -> list[str]:
        """Files in the places of a run's files that are not a run's: names relative to the folder, sorted."""
        files = [self.path / name for name in (RECORD, METRICS, BASE)]
        found = [place for place in files if os.path.lexists(place) and not _is_file(place)]
        for name, written in FOLDERS.items():
            place = self.path / name
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                found.append(place)
            elif place.is_dir():
                found += [file for file in place.iterdir() if not (written.fullmatch(file.name) and _is_file(file))]
        return sorted(place.relative_to(self.path).as_posix() for place in found)

    def lock(self) -> None:
        """Hold the folder for this process until `unlock`. Raises RunError if another process does, or for a link."""
        from filelock import FileLock, Timeout

        if links := [name for name in self.strangers if (self.path / name).is_symlink()]:
            raise RunError(f"{self.path} must not have links in the place of a run's own files: {', '.join(links[:3])}")
        place = self.path / LOCK
        # the system's own lock only: it is released with the process, however that ends
        is_new = not os.path.lexists(place)
        lock = FileLock(place, timeout=ASKED_FOR, poll_interval=ASKED_FOR / 10, fallback_to_soft=False)
        try:
            lock.acquire()
            if place.stat().st_size == 0:
                place.write_bytes(LOCK_TEXT)
        except Timeout:
            raise RunError(f"{self.path} is being trained by another process: wait, or choose another `out`") from None
        except OSError as error:
            if is_new:  # and has no room for its text, or no locks
                place.unlink(missing_ok=True)
            lock.release()
            kind = StorageError if error.errno in NO_ROOM else RunError
            raise kind(f"cannot write in {self.path} or lock it: {error.strerror}") from None
        self._lock = lock

    @property
    def is_locked(self) -> bool:
        """True if a process trains in it now. Asking holds the lock for a moment, for which `lock` waits."""
        if sys.platform == "win32":  # nothing is trained there
            return False
        try:
            with open(os.open(self.path / LOCK, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe would never open
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:  # otherwise it is missing, or the file system has no locks
            return isinstance(error, BlockingIOError)
        return False

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def tidy(self) -> None:
        """Remove the half-written files and folders of a killed process. The lock must be held."""
        recover_folder(self.path / RECORD)
        recover_model(self.model)
        for name, written in {"": with_leftovers(re.escape(RECORD), re.escape(BASE)), **FOLDERS}.items():
            remove_leftovers(self.path / name, written)

    @contextlib.contextmanager
    def begin_new(self) -> Iterator[RunFolder]:
        """Yield an empty folder inside this one, for preparing a new run; an existing run stays unchanged."""
        with folder_aside(self.path / RECORD) as place:
            new = RunFolder(place)
            new.corpus.mkdir()
            yield new

    def take(self, new: RunFolder) -> None:
        """Replace the run in this folder by the one prepared in `new`. run.json comes last."""
        self.clear()
        os.replace(new.corpus, self.corpus)
        if new._base.exists():
            os.replace(new._base, self._base)
        sync_folder(self.path)
        os.replace(new.path / RECORD, self.path / RECORD)
        sync_folder(self.path)

    def clear(self) -> None:
        """Remove the files that a run writes here, the record first, and no others."""
        for name in (RECORD, METRICS, BASE):
            (self.path / name).unlink(missing_ok=True)
        for name, written in FOLDERS.items():
            place = self.path / name
            if not place.is_dir() or place.is_symlink():
                continue
            for entry in place.iterdir():
                if written.fullmatch(entry.name):
                    entry.unlink()
            with contextlib.suppress(OSError):  # someone else's file is in it
                place.rmdir()

    def write_record(self, record: RunRecord) -> None:
        write_json(self.path / RECORD, as_json(record))

    def read_record(self) -> RunRecord:
        """Return what `write_record` wrote. Raises RunError if it is missing, damaged, or of another format."""
        place = self.path / RECORD
        if not place.is_file():
            inside = "run.json is missing" if self.path.is_dir() else "it is a file"
            why = inside if self.path.exists() else "there is no such folder"
            raise RunError(f"{self.path} holds no run: {why}")
        try:
            record = read_json(dict[str, Any], read_whole(place))
        except (OSError, ValueError) as error:
            raise RunError(f"{place} cannot be read: {reason(error)}") from None
        if not is_record(record):
            raise RunError(f"{place} is not the record of a run")
        if record["format"] != FORMAT:
            raise RunError(f"{place} has the format {record['format']}, and this Afterword reads {FORMAT}: upgrade it")
        try:
            return as_record(RunRecord, record)
        except ValueError as error:
            raise RunError(f"the run in {self.path} is damaged: {RECORD}: {error}") from None

    def write_base(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Keep the weights of the base that the run begins from. Raises StorageError."""
        write_tensors(self._base, weights)

    def read_base(self, config: Config) -> dict[str, NDArray[Any]]:
        """Return what `write_base` wrote, for a network of `config`. Raises RunError if it is damaged or missing."""
        try:
            weights, _ = read_tensors(self._base)
            check_weights(config, weights)
        except ModelError as error:
            raise RunError(f"the run in {self.path} is damaged: {error}") from None
        return weights

    @property
    def checkpoints(self) -> list[int]:
        """The steps of the states that are kept, in order."""
        names = [p.name for p in self._checkpoints.glob("step-*.safetensors")]
        return sorted(int(name[5:-12]) for name in names if name[5:-12].isdigit())

    def save_checkpoint(self, tensors: dict[str, NDArray[Any]], position: Position) -> None:
        """Keep a state, and the one before it; reports up to here are made durable first.

        Raises StorageError, and leaves the earlier states as they were.
        """
        if self._metrics.exists():
            sync_file(self._metrics)
        make_folder(self._checkpoints)
        write_tensors(self._checkpoint_path(position.step), tensors, as_json(position))
        self.drop_checkpoints(position.step)

    def drop_checkpoints(self, step: int | None = None) -> None:
        """Remove all states, or those that the state of `step` replaces: all before it except the latest of them."""
        every = self.checkpoints
        for old in every if step is None else [one for one in every if one < step][: 1 - KEPT_CHECKPOINTS]:
            self._checkpoint_path(old).unlink(missing_ok=True)

    def read_checkpoint(self, step: int) -> Checkpoint:
        """Return the state of `step`. Raises ModelError if it is damaged."""
        tensors, position = read_tensors(self._checkpoint_path(step))
        try:
            return tensors, as_position(position)
        except ValueError as error:
            raise ModelError(f"{self._checkpoint_path(step)}: {error}") from None

    def load_checkpoint(self, notes: list[str], rollbacks: Sequence[int] = ()) -> Checkpoint | None:
        """Return the newest good state, or None if no state is kept yet. Damaged ones are skipped with a note.

        `rollbacks` are the steps to which the run has rolled back. If a state beyond such a step was saved before the
        run rolled back to it, it belongs to an abandoned path and is removed.
        Raises RunError if all states are damaged: a new start would lose what the run has learned.
        """
        damaged = False
        for step in reversed(self.checkpoints):
            try:
                tensors, position = self.read_checkpoint(step)
            except ModelError as error:
                notes.append(f"the checkpoint at step {step} is damaged and was skipped: {error}")
                damaged = True
                continue
            if [to for to in rollbacks if to < step] == [to for to in position.rollbacks if to < step]:
                return tensors, position
            self._checkpoint_path(step).unlink(missing_ok=True)
        if damaged:
            raise RunError(
                f"all checkpoints in {self._checkpoints} are damaged: remove that folder to start again; "
                f"the best model so far is in {self.model}"
            )
        return None

    def _checkpoint_path(self, step: int) -> Path:
        return self._checkpoints / f"step-{step:09d}.safetensors"

    def append_metrics(self, entry: dict[str, Any]) -> None:
        """Add a report, completely or not at all. Raises StorageError."""
        append(self._metrics, (json.dumps(entry) + "\n").encode())

    def reports(self) -> list[dict[str, Any]]:
        """Return the reports so far, up to a line that is incomplete or damaged."""
        return [report for report, _ in self._reports()]

    def cut_metrics(self, step: int) -> None:
        """Drop reports after `step`, and an incomplete line: the run reports them again."""
        kept = 0
        for report, end in self._reports():
            if not isinstance(at := report.get("step"), int) or at > step:
                break
            kept = end
        if self._metrics.exists():
            os.truncate(self._metrics, kept)  # needs no space, unlike a new file

    def _reports(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield each report, and the byte after its line."""
        end = 0
        try:
            content = read_whole(self._metrics, LARGEST_METRICS)
        except FileNotFoundError:
            return
        except OSError as error:
            raise RunError(f"{self._metrics} cannot be read: {reason(error)}") from None
        with contextlib.suppress(ValueError):
            for line in content.split(b"\n")[:-1]:
                report = read_json(dict[str, Any], line)
                end += len(line) + 1
                yield report, end


def _is_file(place: Path) -> bool:
    return place.is_file() and not place.is_symlink()


def can_be_written(folder: Path) -> bool:
    """Return whether `folder`, or its first parent that exists, can be written to."""
    place = next(place for place in (folder, *folder.parents) if place.exists())
    return place.is_dir() and os.access(place, os.W_OK)


@contextlib.contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Create and lock `folder`; if the block fails, unlock it and remove what was created."""
    made = [place for place in (folder.path, *folder.path.parents) if not place.exists()]
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot create the folder {folder.path}: {error.strerror}") from None
    try:
        folder.lock()  # from now on no other process trains in it
        yield
    except BaseException:
        if folder._lock is not None and os.listdir(folder.path) == [LOCK]:
            (folder.path / LOCK).unlink()
        folder.unlock()
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()
        raise


def check_run_place(folder: RunFolder, overwrite: bool, asked: dict[str, Any]) -> None:
    """Raise RunError if no run with the settings `asked` can begin in `folder`.

    A run of the same settings that was killed before its first checkpoint is not in the way.
    """
    out = folder.path
    try:
        if folder.is_run and not overwrite and (folder.checkpoints or folder.read_record().asked != asked):
            raise RunError(
                f"{out} holds a run: continue it with afterword train --resume {shlex.quote(str(out))}, or replace it "
                "with `overwrite`"
            )
        if out.exists() and not out.is_dir():
            raise RunError(f"{out} is a file: give `out` a folder")
        if not can_be_written(out):
            raise RunError(f"cannot write in {out}: choose another `out`")
        if not folder.is_run and not folder.is_free:
            raise RunError(f"{out} holds other files, and not a run: give `out` a new folder")
        if strangers := folder.strangers:
            more = f" and {len(strangers) - 3:,} more" if len(strangers) > 3 else ""
            raise RunError(
                f"{out} also holds files that do not belong to a run, {', '.join(strangers[:3])}{more}: "
                "move them away, or give `out` a new folder"
            )
    except OSError as error:
        raise RunError(f"cannot use {out} for a run: {error.strerror}") from None


def check_outside(sources: Sequence[Source], folder: RunFolder) -> None:
    """Raise RunError if a text, or a run to repeat, is inside the folder that the new run replaces."""
    out = Path(os.path.realpath(folder.path))
    for source in sources:
        place = Path(os.path.realpath(source))
        if os.fspath(source) != "-" and not isinstance(source, GivenText) and out in (place, *place.parents):
            raise RunError(f"{os.fspath(source)} is in {folder.path}: give `out` another folder")
