"""Faults while a run trains: it is killed at random moments, and its disk is full."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.folder import RunFolder
from afterword.runs.loop import train_run
from afterword.runs.record import Progress
from afterword.text.corpus import TextSettings
from tests.bases.small import save
from tests.processes import Forked

# Dropout, carried state, two layers, averaging, many epochs; small, so that the time goes into being killed.
KEPT = ["--threads", "1", "--dropout", "0.3", "--checkpoint-every", "7"]
SMALL = [*KEPT, "--hidden-size", "10", "--num-layers", "2"]
BASE = "the base"  # in place of its folder
KINDS = {
    "running text": [*SMALL, "--steps", "160", "--seq-length", "16"],
    "lines": [*SMALL, "--steps", "120", "--lines", "--batch-size", "9", "--seq-length", "16"],
    "from a base": [*KEPT, "--steps", "120", "--seq-length", "16", "--base", BASE],
    "classic": [*SMALL, "--steps", "120", "--recipe", "classic", "--seq-length", "12", "--validation", "0.1"],
}


def write_text(path: Path) -> Path:
    """Write about 4,000 characters of text in lines of many lengths."""
    path.write_text("".join(f"The {k}th line of this book, and no more{' at all' * (k % 4)}.\n" for k in range(90)))
    return path


def start(arguments: list[Any], log: Path, **environment: str) -> Forked:
    """Start `afterword ARGUMENTS`; what it prints goes to the end of `log`."""
    command = [sys.executable, "-m", "afterword", *map(str, arguments)]
    with open(log, "ab") as file:
        return Forked(command, stdout=file, stderr=file, env={**os.environ, **environment})


def outcome(folder: Path) -> dict[str, Any]:
    """Return the results of a run without its times: its last state and position, reports, model, record and files."""
    run = RunFolder(folder)
    record = run.read_record()
    loaded = run.load_checkpoint([], record.rollbacks)
    assert loaded is not None
    tensors, position = loaded
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {
        "state": {name: (tensor.dtype.str, tensor.shape, tensor.tobytes()) for name, tensor in tensors.items()},
        "position": dataclasses.replace(position, seconds=0.0),
        "metrics": [{name: value for name, value in line.items() if name != "seconds"} for line in metrics],
        "model": (run.model / "model.safetensors").read_bytes(),
        "record": dataclasses.replace(record, asked={}, expected=None, text={}, versions={}, stages=(), ended=None),
        "files": sorted(re.sub(r"\d", "0", str(path.relative_to(folder))) for path in folder.rglob("*")),
    }


# --- killed at random moments ----------------------------------------------------------------------------------------


def kill_at_random(kind: str, kills: int, seed: int = 0) -> tuple[str, bool]:
    """Kill runs of this kind at `kills` random moments; each run is resumed until it is done.

    Return the outcome in words, and whether no run was lost, and all ended as one that was never killed.
    """
    draw = random.Random(f"{kind} {seed}")
    killed = early = runs = lost = different = 0
    with tempfile.TemporaryDirectory() as place:
        text, base = write_text(Path(place, "book.txt")), save(Path(place, "base"))
        log, whole = Path(place, "log"), Path(place, "whole")
        options = [str(base) if option == BASE else option for option in KINDS[kind]]
        for _ in range(2):  # the second is timed, when all that it reads is in memory
            began = time.monotonic()
            process = start(["train", text, "--out", whole, "--overwrite", *options], log)
            assert process.wait() == 0, log.read_text()
        takes, expected = time.monotonic() - began, outcome(whole)
        while killed < kills:
            folder = Path(place, f"run-{runs}")
            while True:
                checkpoint = bool(RunFolder(folder).checkpoints)
                log.unlink(missing_ok=True)
                command = ["train", "--resume", folder] if checkpoint else ["train", text, "--out", folder, *options]
                process = start(command, log)
                # none after the last kill: on a machine that has become slower, a run could be killed forever
                moment = draw.uniform(0, 0.7 * takes) if killed < kills else None
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(moment)
                process.send_signal(signal.SIGKILL)
                if process.wait() >= 0:
                    break
                killed, early = killed + 1, early + (not checkpoint)
            runs += 1
            if process.returncode:
                lost += 1
                print(log.read_text(), file=sys.stderr)
            elif (found := outcome(folder)) != expected:
                different += 1
                differing = [what for what in expected if found[what] != expected[what]]
                print(f"{kind}, run {runs}: other {', '.join(differing)}", file=sys.stderr)
    figure = f"{killed} kills ({early} before a first checkpoint) in {runs} runs: {lost} lost, "
    return f"{figure}{runs - different - lost} end bitwise equal", not lost and not different


# --- a full disk -----------------------------------------------------------------------------------------------------

Full = Callable[[int], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Let the kernel refuse this process every write beyond `size` bytes of a file (RLIMIT_FSIZE), inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """Mount a file system of 4 MiB in memory. Raises CalledProcessError if that is not allowed."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=True, capture_output=True)
        try:
            yield Path(place)
        finally:
            gc.collect()  # a run that is done with may still hold its text, mapped from the disk
            subprocess.run(["umount", place], check=True)


@contextlib.contextmanager
def filled(disk: Path, left: int) -> Iterator[None]:
    """Fill the file system `disk` until so many bytes are left, in whole pages, inside the block."""
    filling, facts = disk / "filling", os.statvfs(disk)
    with open(filling, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, (facts.f_bavail - -(-left // facts.f_frsize)) * facts.f_frsize)
    try:
        yield
    finally:
        filling.unlink()


def fill_disk(disk: Path, full: Full, offsets: int) -> Iterator[str]:
    """Let a save stop at each of `offsets` bytes; yield "" if training continued and lost nothing, else the error."""
    text = write_text(disk / "book.txt")
    # a state of some 180 kB, so that there are many different pages at which a save can stop
    settings = TrainingSettings(steps=24, hidden_size=48, seq_length=16, dropout=0.3, threads=1, checkpoint_every=5)
    whole = begin([text], disk / "whole", TextSettings(), settings)
    list(train_run(whole))
    expected = outcome(whole.folder.path)
    size = max((disk / "whole" / "checkpoints").iterdir()).stat().st_size
    for left in (k * size // offsets for k in range(offsets)):
        run = begin([text], disk / "run", TextSettings(), settings, overwrite=True)
        reports, notes = train_run(run), list[str]()
        wrong = ""

        def train_to(step: int, reports: Iterator[Progress] = reports, notes: list[str] = notes) -> None:
            for progress in reports:
                notes += progress.notes
                if progress.step >= step:
                    break

        train_to(12)
        with full(left):
            train_to(22)
            loaded = run.folder.load_checkpoint([])
            if loaded is None or loaded[1].step not in (10, 15, 20):
                wrong = "the checkpoint before it is not there"
            if not any("more bytes are needed" in note for note in notes):
                wrong = f"nothing was said: {notes}"
            if list((disk / "run").rglob("*.part")):
                wrong = "half-written files are left"
        train_to(25)  # which is beyond its end
        if not any("writing works again" in note for note in [*notes, *run.take_notes()]):
            wrong = "it was not written in the end"
        if outcome(disk / "run") != expected:
            wrong = "the end is another"
        yield f"full after {left} bytes: {wrong}" if wrong else ""
