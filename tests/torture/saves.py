"""Faults while a run's files are saved, without training: a kill at each operation, a power cut, damage."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afterword.errors import AfterwordError
from afterword.model.folder.saved import SavedModel, load_model, recover_model, save_model
from afterword.model.network.config import Config, weight_shapes
from afterword.runs.folder import RunFolder
from afterword.runs.record import Position, RunRecord
from afterword.storage import MARK
from afterword.text.characters import CharTokenizer
from tests.learning.small import RECIPE
from tests.processes import fork_server
from tests.torture.disk import Disk, Operation, watched, write_state

FIRST, LAST = 1, 4  # saves that are watched: the first of a run, and such as remove an older one


@dataclass(frozen=True)
class Subject:
    """Something that is saved repeatedly: `save(folder, k)` is the k-th save; `load` returns k, or None before one.

    `load` raises AfterwordError if it finds neither.
    """

    name: str
    save: Callable[[Path, int], None]
    load: Callable[[Path], int | None]


def _state(k: int) -> dict[str, Any]:
    return {"weight": np.arange(400, dtype=np.float32) + k, "hidden/0": np.full((1, 3, 5), k, np.float32)}


def _save_checkpoint(folder: Path, k: int) -> None:
    run = RunFolder(folder)
    run.append_metrics({"step": k})
    run.save_checkpoint(_state(k), Position(k))


def _load_checkpoint(folder: Path) -> int | None:
    """Raises AfterwordError if a damaged checkpoint was skipped, which must not happen."""
    notes: list[str] = []
    loaded = RunFolder(folder).load_checkpoint(notes)
    if notes:
        raise AfterwordError(notes[0])
    if loaded is None:
        return None
    step = loaded[1].step
    assert all(np.array_equal(tensor, loaded[0][name]) for name, tensor in _state(step).items())
    reports = (folder / "metrics.jsonl").read_text().splitlines()
    assert reports[:step] == [f'{{"step": {k}}}' for k in range(FIRST, step + 1)], "a report before the state is lost"
    return step


def _save_model(folder: Path, k: int) -> None:
    tokenizer = CharTokenizer.of("\nab")
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=2, hidden_size=3, num_layers=1)
    weights = {name: np.full(shape, k, np.float32) for name, shape in weight_shapes(config).items()}
    save_model(folder / "model", SavedModel(config, weights, tokenizer, [3, 4], {"step": k}), f"# {k}\n")


def _load_model(folder: Path) -> int | None:
    if not (folder / "model").exists() and not list(folder.glob(".model.*.old")):
        return None
    loaded = load_model(folder / "model")
    k: int = loaded.about["step"]
    assert all((weight == k).all() for weight in loaded.weights.values())
    recover_model(folder / "model")
    assert load_model(folder / "model").about["step"] == k
    return k


def _save_record(folder: Path, k: int) -> None:
    corrections = tuple((step, 100) for step in range(k))
    RunFolder(folder).write_record(RunRecord({}, RECIPE, None, {}, "", {"afterword": "0.1.0"}, (), corrections))


def _load_record(folder: Path) -> int | None:
    return len(RunFolder(folder).read_record().corrections) if (folder / "run.json").exists() else None


SUBJECTS = {
    "checkpoint": Subject("checkpoint", _save_checkpoint, _load_checkpoint),
    "model": Subject("model", _save_model, _load_model),
    "record": Subject("record", _save_record, _load_record),
}


def judged(subject: Subject, folder: Path, allowed: tuple[int | None, ...]) -> str:
    """Return "" if one of `allowed` loads from `folder`, or else what is wrong."""
    try:
        found = subject.load(folder)
    except (AfterwordError, AssertionError, OSError) as error:
        return f"{type(error).__name__} {error}"
    return "" if found in allowed else f"found {found}, not {allowed}"


# --- killed at every operation ---------------------------------------------------------------------------------------


def _killed_save(subject: str, folder: Path, k: int, at: int, halfway: bool) -> None:
    """Save, and die before operation number `at` or, if `halfway`, in the middle of its write."""
    left = at

    def happens(operation: Operation) -> None:
        nonlocal left
        if left == 0:
            if halfway and operation.kind == "write":
                half = operation.content[: len(operation.content) // 2]
                os.pwrite(os.open(operation.path, os.O_WRONLY), half, operation.at)
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    with watched(folder, happens):
        SUBJECTS[subject].save(folder, k)
    os._exit(0)


def kill_at_every_operation(subject: Subject) -> Iterator[str]:
    """Kill a save at each operation; yield "" if the old or the new one loads and the next save tidies up."""
    for k in (FIRST, LAST):
        with tempfile.TemporaryDirectory() as place:
            before, whole, folder = (Path(place, name) for name in ("before", "whole", "killed"))
            before.mkdir()
            for earlier in range(FIRST, k):
                subject.save(before, earlier)
            shutil.copytree(before, whole)
            operations: list[Operation] = []
            with watched(whole, operations.append):
                subject.save(whole, k)
            subject.save(whole, k + 1)
            moments = [(at, False) for at in range(len(operations) + 1)]
            moments += [(at, True) for at, operation in enumerate(operations) if operation.kind == "write"]
            for at, halfway in moments:
                shutil.copytree(before, folder)
                process = fork_server().Process(target=_killed_save, args=(subject.name, folder, k, at, halfway))
                process.start()
                process.join()
                wrong = judged(subject, folder, (None if k == FIRST else k - 1, k))
                if (process.exitcode == -signal.SIGKILL) != (at < len(operations)):
                    wrong = f"it ended with {process.exitcode}"
                RunFolder(folder).tidy()
                for again in (k, k + 1):
                    subject.save(folder, again)
                if left := _names(folder) ^ _names(whole):
                    wrong = f"left behind: {left}"
                yield f"save {k}, operation {at}: {wrong}" if wrong else ""
                shutil.rmtree(folder)


def _names(folder: Path) -> set[str]:
    """Return what is in `folder`, but for incomplete marks: a process that has just begun could own them."""
    found = (path for path in folder.rglob("*") if path.suffix != ".afterword" or path.read_bytes() == MARK)
    return {str(path.relative_to(folder)) for path in found}


# --- power cuts ------------------------------------------------------------------------------------------------------


def power_cuts(subject: Subject, seed: int = 0, without: str = "") -> Iterator[str]:
    """Cut the power at any moment of the saves and yield, for each state of the disk, "" or what is wrong.

    It must load as the one that was saved last, or during a save as that or the new one.
    """
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder, found_in = Path(place, "run"), Path(place, "found")
        folder.mkdir()
        disk = Disk(folder)
        for k in range(FIRST, LAST + 1):
            operations: list[Operation] = []
            with watched(folder, operations.append, without):
                subject.save(folder, k)
            for done, operation in enumerate(operations, 1):
                disk.do(operation)
                allowed = (None if k == FIRST else k - 1, k) if done < len(operations) else (k,)
                for state in disk.after_power_cut(draw):
                    found_in.mkdir()
                    write_state(state, found_in)
                    wrong = judged(subject, found_in, allowed)
                    yield f"save {k} after {operation.kind} {operation.path}: {wrong}" if wrong else ""
                    shutil.rmtree(found_in)


# --- damage ----------------------------------------------------------------------------------------------------------


def damages(flips: int, seed: int = 0) -> Iterator[str]:
    """Cut a small checkpoint at every length and flip `flips` single bits; yield "" if one line reports it."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        run = RunFolder(Path(place))
        tensors = {"weight": np.arange(50, dtype=np.float32), "hidden/0": np.ones((1, 2, 3), np.float32)}
        run.save_checkpoint(tensors, Position(1, {"at": [1, 2]}, nats=2.5))
        (path,) = (run.path / "checkpoints").iterdir()
        whole = path.read_bytes()
        damaged = {f"cut to {length} bytes": whole[:length] for length in range(len(whole))}
        bits = range(8 * len(whole))
        for bit in draw.sample(bits, min(flips, len(bits))):
            turned = bytearray(whole)
            turned[bit // 8] ^= 1 << bit % 8
            damaged[f"bit {bit} turned"] = bytes(turned)
        for what, content in damaged.items():
            path.write_bytes(content)
            notes: list[str] = []
            try:
                run.load_checkpoint(notes)
                yield f"{what}: not noticed"
            except AfterwordError:
                yield "" if len(notes) == 1 and "\n" not in notes[0] else f"{what}: {notes}"
