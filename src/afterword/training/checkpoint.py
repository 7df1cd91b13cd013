"""The run folder: what a run keeps on the disk so that it can go on after any interruption.

run.json        the plan, the corpus' fingerprint, versions, threads; written last, so a folder with it is a run
metrics.jsonl   one object a report
lock            held by the process that trains
corpus/         the text as token ids
checkpoints/    the newest states, each one file
model/          the best model so far
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from afterword.errors import ModelError, RunError, StorageError
from afterword.model.tensors import read_tensors, write_tensors
from afterword.storage import write_bytes, write_json

try:
    import fcntl
except ImportError:  # Windows has no advisory locks of this kind: a run there is not guarded against a second one
    fcntl = None  # type: ignore[assignment]

KEPT_CHECKPOINTS = 2


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.corpus, self.model = path / "corpus", path / "model"
        self._checkpoints = path / "checkpoints"
        self._lock: IO[bytes] | None = None

    @property
    def is_run(self) -> bool:
        return (self.path / "run.json").exists()

    def lock(self) -> None:
        """Hold the folder for this process until `unlock`. Raises RunError where another one trains in it."""
        if fcntl is None:
            return
        try:
            file = open(self.path / "lock", "ab")  # noqa: SIM115 - kept open: it is the lock
        except OSError as error:
            raise RunError(f"cannot write in {self.path}: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise RunError(
                f"{self.path} is being trained by another process: wait for it, or choose another --out"
            ) from None
        self._lock = file

    def unlock(self) -> None:
        if self._lock is not None:
            (self.path / "lock").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def clear(self) -> None:
        """Remove what a run keeps here, and nothing else; run.json first, so that no half of a run looks like one."""
        for name in ("run.json", "metrics.jsonl", "checkpoints", "corpus", "model"):
            place = self.path / name
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)

    def write_record(self, record: dict[str, Any]) -> None:
        write_json(self.path / "run.json", record)

    def read_record(self) -> dict[str, Any]:
        if not self.is_run:
            raise RunError(f"{self.path} holds no run: there is no run.json in it")
        try:
            record = json.loads((self.path / "run.json").read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path / 'run.json'} cannot be read: {error}") from None
        if not isinstance(record, dict) or record.get("format") != 1:
            raise RunError(f"{self.path / 'run.json'} is not a run's record of this version of Afterword")
        return record

    def save_checkpoint(self, step: int, tensors: dict[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Keep a state, and the one before it."""
        self._checkpoints.mkdir(exist_ok=True)
        write_tensors(self._checkpoint_path(step), tensors, {"step": step, **position})
        for old in self._checkpoint_steps()[:-KEPT_CHECKPOINTS]:
            self._checkpoint_path(old).unlink(missing_ok=True)

    def load_checkpoint(self, notes: list[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """The newest good state and its position; None where there is none. Damaged ones are noted and passed over."""
        for step in reversed(self._checkpoint_steps()):
            try:
                return read_tensors(self._checkpoint_path(step))
            except ModelError as error:
                notes.append(f"the checkpoint at step {step} is damaged and was passed over: {error}")
        return None

    def _checkpoint_path(self, step: int) -> Path:
        return self._checkpoints / f"step-{step:09d}.safetensors"

    def _checkpoint_steps(self) -> list[int]:
        names = [p.name for p in self._checkpoints.glob("step-*.safetensors")]
        return sorted(int(name[5:-12]) for name in names if name[5:-12].isdigit())

    def append_metrics(self, entry: dict[str, Any]) -> None:
        try:
            with open(self.path / "metrics.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise StorageError(f"cannot write {self.path / 'metrics.jsonl'}: {error.strerror}") from None

    def cut_metrics(self, step: int) -> None:
        """Drop what was reported after `step`: the resumed run reports it again."""
        path = self.path / "metrics.jsonl"
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            try:
                if not line.endswith("\n") or json.loads(line)["step"] > step:
                    break
            except (ValueError, KeyError, TypeError):
                break
            kept.append(line)
        write_bytes(path, "".join(kept).encode())


def can_be_written(folder: Path) -> bool:
    """Whether `folder`, or the first of its parents that exists, takes new files."""
    place = folder
    while not place.exists():
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK)
