"""What all benchmarks share: the machine's line, the real command, environments of peers, results on disk, tables."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import random
import shlex
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from pydoc_data.topics import topics as TOPICS
from typing import Any

import click

PLACE = Path(__file__).parent
DATA = Path("../shared/data")
CACHE = Path(".cache")
TRIAL = bool(os.environ.get("TRIAL"))
"""Do a twentieth of everything, to see that it runs, and keep no results."""


def as_written(documentation: str | None) -> str:
    """Return a module's documentation as a help text that click does not wrap anew."""
    return "\b\n" + (documentation or "").replace("\n\n", "\n\n\b\n")


def machine(*packages: str) -> str:
    """Describe where a figure is measured: processor, cores, load, versions, threads and kernels."""
    from afterword.runs.environment import processor  # not in the processes that are timed

    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", *packages))
    asked = ", ".join(f"{name} {os.environ.get(name, 'not set')}" for name in ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS"))
    return (
        f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Python "
        f"{platform.python_version()}, {versions}; {asked}"
    )


def run_afterword(*arguments: object) -> str:
    """Run the real command and return what it prints on standard output. Raises CalledProcessError."""
    command = [sys.executable, "-m", "afterword", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


# Run by a small process: the peak that Linux tells of a process is at least that of the one that started it.
WATCH = """
import os, sys
nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
child = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ, file_actions=nowhere)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def watched(module: str, *arguments: object) -> tuple[float, float]:
    """Run a module; return the seconds that it takes and its peak memory in MB. Raises CalledProcessError."""
    command, began = [sys.executable, "-S", "-c", WATCH, "-m", module, *map(str, arguments)], time.monotonic()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return time.monotonic() - began, int(done.stdout) * 1024 / 1e6


def peer_python(name: str, *packages: str, options: Sequence[str] = ()) -> Path:
    """Return the Python of the environment .venv-NAME, which is made with these packages if it is missing.

    Raises ClickException if they cannot be installed.
    """
    environment = PLACE.parent / f".venv-{name}"
    python, ready = environment / "bin" / "python", environment / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        install: list[str | Path] = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        done = subprocess.run([*install, *options, *packages], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            why = done.stderr.strip().split("\n")[-1].removeprefix("ERROR: ")
            raise click.ClickException(f"cannot install {' '.join(packages)}: {why}")
        ready.touch()
    return python.absolute()


def run_peer(python: Path, script: str, *arguments: object, timeout: float | None = None) -> str:
    """Run a script of benchmarks/peers and return what it prints on standard output.

    Raises CalledProcessError, with the status 124 after `timeout` seconds.
    """
    limited = [] if timeout is None else ["timeout", f"{timeout}"]  # which ends the script's own processes too
    command = [*limited, str(python), str(PLACE / "peers" / script), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def ppmd(training: str, held_out: str, order: int = 6) -> float:
    """Return the nats per character that PPMd, which learns as it reads, adds for `held_out` after `training`."""
    python = peer_python("ppmd", "pyppmd==1.3.1")
    with tempfile.TemporaryDirectory() as place:
        files = write_parts(Path(place), training, held_out)
        bits = float(run_peer(python, "ppmd.py", *files, order))
    return bits * math.log(2) / len(held_out)


def write_parts(place: Path, training: str, held_out: str) -> tuple[Path, Path]:
    """Write both parts of a text as files in `place`."""
    first, last = place / "training.txt", place / "held-out.txt"
    first.write_text(training, encoding="utf-8")
    last.write_text(held_out, encoding="utf-8")
    return first, last


def split(text: str) -> tuple[str, str]:
    """Return the first 90 % of a text and the last 10 %."""
    cut = int(0.9 * len(text))
    return text[:cut], text[cut:]


def lines_of(path: Path) -> list[str]:
    """Return the lines of a text that are not empty."""
    return list(filter(None, path.read_text(encoding="utf-8").split("\n")))


def save_lines(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def shuffled(lines: Iterable[str]) -> list[str]:
    """Return lines in an order that is always the same."""
    return random.Random(0).sample(found := list(lines), len(found))


def some(number: int) -> int:
    """Return how many of so many lines are taken: all, unless it is a trial."""
    return number // 20 if TRIAL else number


def parts(lines: Iterable[str], *sizes: int) -> list[list[str]]:
    """Return so many lines, then so many more, and so on."""
    rest = iter(lines)
    found = [list(islice(rest, some(size))) for size in sizes]
    assert [*map(len, found)] == [*map(some, sizes)], "there are too few lines"
    return found


def trained_on_lines(name: str, lines: Sequence[str], minutes: float, *options: object) -> Path:
    """Return the run of `afterword train --lines --base none`, kept in .cache/lines: delete that to train anew."""
    minutes = 0.1 if TRIAL else minutes
    key = zlib.crc32("\n".join([*map(str, (minutes, *options)), *lines]).encode())
    folder = CACHE / "lines" / f"{name}-{key:08x}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "done").exists():
        text = save_lines(folder / "lines.txt", lines)
        given = ["--lines", "--base", "none", "--overwrite", "--minutes", minutes]
        run_afterword("train", text, *given, "--out", folder / "run", *options)
        (folder / "done").touch()
    return folder / "run"


def topics() -> str:
    """Return a text that every Python has: the topics of its help, some 465,000 characters of prose and code."""
    return "\n\n".join(TOPICS[name].strip("\n") for name in sorted(TOPICS)) + "\n"


TABLES = {  # and the files whose change makes a figure stale that depends on them
    "plan": ("src/afterword/planning",),
    "bases": ("src/afterword/bases", "bases"),
    "filters": ("src/afterword/generation/sampling.py",),
    "detectors": ("src/afterword/wings/odd",),
    "methods": ("src/afterword/wings/series",),
    "voice": ("src/afterword/wings/voice",),
}
DEPENDS = {  # the results, and the tables that they depend on
    "adapting": ["plan", "bases"],
    "base": ["plan", "bases"],
    "classic": ["plan"],
    "comparison": ["plan", "bases", "filters"],
    "ends": ["plan", "bases", "filters"],
    "expectation": ["plan"],
    "harness": ["bases"],
    "horizon": ["plan"],
    "odd": ["plan", "detectors"],
    "plan": ["plan"],
    "busy": ["plan"],
    "helping": ["plan"],
    "quality": ["plan"],
    "series": ["methods"],
    "teach": ["plan"],
    "voice": ["bases", "voice"],
    "ways": ["plan", "bases", "filters"],
}


def write_result(name: str, **result: Any) -> None:
    """Append a result to results/NAME.jsonl, with its command, commit, machine and date, and what it depends on."""
    if TRIAL:
        return
    with open(PLACE / "results" / f"{name}.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({**result, **_origin(), "depends": DEPENDS[name]}) + "\n")


def _origin() -> dict[str, Any]:
    from afterword.runs.environment import processor

    spec = getattr(sys.modules["__main__"], "__spec__", None)
    command = ["python", "-m", spec.name, *sys.argv[1:]] if spec else sys.argv
    asked = ["git", "-C", str(PLACE), "rev-parse", "HEAD"]
    commit = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    today = datetime.date.today().isoformat()
    return {"command": shlex.join(command), "commit": commit, "machine": processor(), "date": today}


def results(name: str, **same: Any) -> Iterator[dict[str, Any]]:
    """Yield the results in results/NAME.jsonl that have these values, oldest first."""
    path = PLACE / "results" / f"{name}.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        result = json.loads(line)
        if all(result.get(key) == value for key, value in same.items()):
            yield result


def measured_here() -> dict[str, Any]:
    """Return the load of the machine, as a part of a result."""
    return {"cores": os.cpu_count(), "load": os.getloadavg()[0]}


def echo_table(columns: Sequence[str], rows: Iterable[Sequence[str]] = ()) -> None:
    """Print a Markdown table, or its head alone if its rows come later."""
    click.echo(f"| {' | '.join(columns)} |\n| --- {'| ---: ' * (len(columns) - 1)}|")
    for row in rows:
        echo_row(row)


def echo_row(row: Sequence[str]) -> None:
    click.echo(f"| {' | '.join(row)} |")


def bits(nats: float) -> float:
    return nats / math.log(2)
