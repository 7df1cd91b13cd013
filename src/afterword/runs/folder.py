"""The run folder: what a run keeps on the disk so that it can go on after any interruption.

run.json          the plan, the corpus' fingerprint, versions, threads; written last, so a folder with it is a run
base.safetensors  the weights that it begins with, where it begins from a base
metrics.jsonl     one object a report
lock              held by the process that trains; made first, so a folder with it is one of ours
corpus/           the text as tokens
checkpoints/      the newest states, each one file
model/            the best model so far
.new/             a run that is being made ready to take this place
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from afterword.errors import ModelError, RunError
from afterword.model.config import Config, check_weights
from afterword.model.saved import FILES as MODEL_FILES
from afterword.model.saved import recover_model
from afterword.model.tensors import read_tensors, write_tensors
from afterword.runs.record import FORMAT, FORMATS, Position, Record, is_record
from afterword.storage import append, make_folder, remove_leftovers, sync_file, sync_folder, write_json
from afterword.text.encoded import FILES as CORPUS_FILES

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from filelock import FileLock

KEPT_CHECKPOINTS = 2
LOCK, NEW = "lock", ".new"
ASKED_FOR = 0.2  # seconds, far longer than it takes to ask whether a lock is held
LOCK_TEXT = b"An Afterword run. While it trains, its process holds this file.\n"
Checkpoint = tuple[dict[str, NDArray[Any]], Position]  # tensors by name, and how far they are
RECORD, METRICS, BASE = "run.json", "metrics.jsonl", "base.safetensors"


def _written(*names: str) -> re.Pattern[str]:
    """The names of files that match the patterns `names`, and of such as a killed process left half-written."""
    name = "|".join(names)
    return re.compile(rf"{name}|\.(?:{name})\.\d+\.part")


FOLDERS = {  # what a run writes in each: nothing else is ever removed
    "checkpoints": _written(r"step-\d+\.safetensors"),
    "corpus": _written(*map(re.escape, CORPUS_FILES)),
    "model": _written(*map(re.escape, MODEL_FILES)),
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
        """Whether there is a run's record here, of this version of Afterword or another."""
        try:
            return is_record(json.loads((self.path / RECORD).read_bytes()))
        except (OSError, ValueError, RecursionError):
            return False

    @property
    def is_free(self) -> bool:
        """Whether a run may be made here: there is nothing, or only what a run left that died before it was made."""
        if not self.path.exists():
            return True
        names = {entry.name for entry in self.path.iterdir()}
        if not names:
            return True
        ours = LOCK in names and (self.path / LOCK).read_bytes() in (LOCK_TEXT, b"")
        return ours and all(name in (LOCK, METRICS, BASE, *FOLDERS) or name.startswith(".") for name in names)

    @property
    def strangers(self) -> list[str]:
        """What stands where a run keeps its files, and is none of them: names relative to the folder, in order."""
        found = [
            name for name in (RECORD, METRICS, BASE) if _stands(self.path / name) and not _is_file(self.path / name)
        ]
        for name, written in FOLDERS.items():
            place = self.path / name
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                found.append(name)
            elif place.is_dir():
                found += [
                    f"{name}/{entry.name}"
                    for entry in place.iterdir()
                    if not (written.fullmatch(entry.name) and _is_file(entry))
                ]
        return sorted(found)

    def lock(self) -> None:
        """Hold the folder for this process until `unlock`. Raises RunError where another one trains in it."""
        from filelock import FileLock, Timeout

        place = self.path / LOCK
        # the system's own lock alone: it goes with the process, however that ends
        lock = FileLock(place, timeout=ASKED_FOR, poll_interval=ASKED_FOR / 10, fallback_to_soft=False)
        try:
            lock.acquire()
            if place.stat().st_size == 0:
                place.write_bytes(LOCK_TEXT)
        except Timeout:
            raise RunError(
                f"{self.path} is being trained by another process: wait for it, or choose another --out"
            ) from None
        except OSError as error:
            lock.release()
            raise RunError(f"cannot write in {self.path} or lock it: {error.strerror}") from None
        self._lock = lock

    @property
    def is_held(self) -> bool:
        """Whether a process trains in it just now. Whoever asks holds the lock for a moment, which `lock` waits for."""
        if sys.platform == "win32":  # where nothing is trained
            return False
        try:
            with open(self.path / LOCK, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # it is not there, or the file system has no locks
            return False
        return False

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def tidy(self) -> None:
        """Remove what a killed process left half-written here. The lock must be held."""
        shutil.rmtree(self.path / NEW, ignore_errors=True)
        recover_model(self.model)
        for folder in (self.path, self.corpus, self._checkpoints, self.model):
            remove_leftovers(folder)

    def begin_new(self) -> RunFolder:
        """An empty folder inside this one, in which a new run is made ready; a run that stands here is not touched."""
        shutil.rmtree(self.path / NEW, ignore_errors=True)
        new = RunFolder(self.path / NEW)
        new.corpus.mkdir(parents=True)
        return new

    def take(self, new: RunFolder) -> None:
        """Put the run that was made ready in the place of the one that stands here. run.json comes last."""
        self.clear()
        os.replace(new.corpus, self.corpus)
        if new._base.exists():
            os.replace(new._base, self._base)
        sync_folder(self.path)
        os.replace(new.path / RECORD, self.path / RECORD)
        new.path.rmdir()
        sync_folder(self.path)

    def clear(self) -> None:
        """Remove the files that a run writes here, the record first, and nothing else."""
        for name in (RECORD, METRICS, BASE):
            (self.path / name).unlink(missing_ok=True)
        for name, written in FOLDERS.items():
            place = self.path / name
            if not place.is_dir() or place.is_symlink():
                continue
            for entry in place.iterdir():
                if written.fullmatch(entry.name):
                    entry.unlink()
            with contextlib.suppress(OSError):  # somebody else's file is in it
                place.rmdir()

    def give_up(self) -> None:
        """Take away what was made ready, and the folder itself where nothing else is in it. The lock must be held."""
        shutil.rmtree(self.path / NEW, ignore_errors=True)
        if {entry.name for entry in self.path.iterdir()} == {LOCK}:
            (self.path / LOCK).unlink()
            self.path.rmdir()

    def write_record(self, record: Record) -> None:
        write_json(self.path / RECORD, record.to_json())

    def read_record(self) -> Record:
        """What `write_record` wrote. Raises RunError where it is not there, damaged, or of a version to come."""
        place = self.path / RECORD
        if not place.is_file():
            inside = "there is no run.json in it" if self.path.is_dir() else "it is a file"
            why = inside if self.path.exists() else "there is no such folder"
            raise RunError(f"{self.path} holds no run: {why}")
        try:
            record = json.loads(place.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{place} cannot be read: {error}") from None
        if not is_record(record):
            raise RunError(f"{place} is not the record of a run")
        if record["format"] not in FORMATS:
            raise RunError(
                f"{place} has the format {record['format']}, and this Afterword reads {FORMAT}: upgrade Afterword"
            )
        try:
            return Record.from_json(record)
        except (LookupError, TypeError, ValueError) as error:
            raise RunError(f"the run in {self.path} is damaged: {RECORD}: {type(error).__name__}: {error}") from None

    def write_base(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Keep the weights that the run begins with, where it begins from a base. Raises StorageError."""
        write_tensors(self._base, weights)

    def read_base(self, config: Config) -> dict[str, NDArray[Any]]:
        """What `write_base` wrote, for a network of `config`. Raises RunError where it is damaged or not there."""
        try:
            weights, _ = read_tensors(self._base)
            check_weights(config, weights)
        except ModelError as error:
            raise RunError(f"the run in {self.path} is damaged: {error}") from None
        return weights

    @property
    def checkpoints(self) -> list[int]:
        """The steps at which a state was kept, in order."""
        names = [p.name for p in self._checkpoints.glob("step-*.safetensors")]
        return sorted(int(name[5:-12]) for name in names if name[5:-12].isdigit())

    def save_checkpoint(self, tensors: dict[str, NDArray[Any]], position: Position) -> None:
        """Keep a state, and the one before it; what was reported up to here is made durable first.

        Raises StorageError, and leaves the states before it as they were.
        """
        if self._metrics.exists():
            sync_file(self._metrics)
        make_folder(self._checkpoints)
        write_tensors(self._checkpoint_path(position.step), tensors, position.to_json())
        for old in self.checkpoints[:-KEPT_CHECKPOINTS]:
            self._checkpoint_path(old).unlink(missing_ok=True)

    def read_checkpoint(self, step: int) -> Checkpoint:
        """The state that was kept at `step`. Raises ModelError where it is damaged."""
        tensors, position = read_tensors(self._checkpoint_path(step))
        try:
            return tensors, Position.from_json(position)
        except (LookupError, TypeError, ValueError) as error:
            raise ModelError(f"{self._checkpoint_path(step)}: {error}") from None

    def load_checkpoint(self, notes: list[str], rollbacks: Sequence[int] = ()) -> Checkpoint | None:
        """The newest good state; None where there is none yet. Damaged ones are noted and passed over.

        `rollbacks` are the steps to which the run has rolled back. A state that was kept beyond such a step before the
        run rolled back to it lies on a path that was abandoned: it is removed.
        Raises RunError where there are states and all are damaged: to begin anew would lose what the run has learned.
        """
        damaged = False
        for step in reversed(self.checkpoints):
            try:
                tensors, position = self.read_checkpoint(step)
            except ModelError as error:
                notes.append(f"the checkpoint at step {step} is damaged and was passed over: {error}")
                damaged = True
                continue
            if [to for to in rollbacks if to < step] == [to for to in position.rollbacks if to < step]:
                return tensors, position
            self._checkpoint_path(step).unlink(missing_ok=True)
        if damaged:
            raise RunError(
                f"all checkpoints in {self._checkpoints} are damaged: remove that folder to begin anew; "
                f"the best model so far is in {self.model}"
            )
        return None

    def _checkpoint_path(self, step: int) -> Path:
        return self._checkpoints / f"step-{step:09d}.safetensors"

    def append_metrics(self, entry: dict[str, Any]) -> None:
        """Add a report, whole or not at all. Raises StorageError."""
        append(self._metrics, (json.dumps(entry) + "\n").encode())

    def reports(self) -> list[dict[str, Any]]:
        """What was reported so far; a line that is not whole, or damaged, ends it."""
        found: list[dict[str, Any]] = []
        with contextlib.suppress(FileNotFoundError, ValueError):
            for line in self._metrics.read_bytes().splitlines(keepends=True):
                report = json.loads(line) if line.endswith(b"\n") else None
                if not isinstance(report, dict):
                    break
                found.append(report)
        return found

    def cut_metrics(self, step: int) -> None:
        """Drop what was reported after `step`, and a line that is not whole: the run reports it again.

        Raises StorageError.
        """
        if not self._metrics.exists():
            return
        kept = 0
        for line in self._metrics.read_bytes().splitlines(keepends=True):
            try:
                if not line.endswith(b"\n") or json.loads(line)["step"] > step:
                    break
            except (ValueError, KeyError, TypeError):
                break
            kept += len(line)
        os.truncate(self._metrics, kept)  # needs no space, unlike a new file


def _stands(place: Path) -> bool:
    return place.exists() or place.is_symlink()


def _is_file(place: Path) -> bool:
    return place.is_file() and not place.is_symlink()


def can_be_written(folder: Path) -> bool:
    """Whether `folder`, or the first of its parents that exists, takes new files."""
    place = folder
    while not place.exists():
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK)
