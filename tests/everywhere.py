"""The tests on other machines than this one, as far as one can play the others.

    python -m tests.everywhere                           every combination in DEFAULT
    python -m tests.everywhere haswell,threads-1 home    one run by Haswell's kernels and one thread; one without a home

A processor is played by telling the numerical libraries to use its kernels; where this one lacks them it is skipped.
Every run is made in a copy of the files that git knows, so that nothing beside the project can be needed. Where a
combination changes no more than arithmetic, only the tests of numbers are run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).parents[1]
NUMBERS = [f"tests/{room}" for room in ("model", "generation", "scoring", "inspection", "learning", "planning", "runs")]
NUMPY_ALONE = [f"tests/{room}" for room in ("text", "model", "generation", "scoring", "inspection")]
PACKAGES = ["pytest", "pytest-timeout", "hypothesis", "matplotlib"]  # what the tests of NUMPY_ALONE need
DEFAULT = [
    "folder,home,no-chromium,background",
    "user",
    "prescott,threads-1",
    "nehalem,threads-2",
    "haswell,threads-1",
    "haswell,threads-4",
    "zen,threads-2",
    "skylakex,threads-1",
    "skylakex,threads-4",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
]


class Unavailable(Exception):
    """This machine cannot play the setting."""


@dataclass
class Machine:
    """One to play: what the tests are started with."""

    folder: Path  # that holds nothing else, and lies in a temporary one
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    python: Path = Path(sys.executable)
    before: list[str] = field(default_factory=list)  # a command that takes the rest of its arguments as another one
    tests: list[str] = field(default_factory=lambda: ["tests"])
    ignored: tuple[signal.Signals, ...] = ()


# --- processors ------------------------------------------------------------------------------------------------------

# kernels of OpenBLAS: the flags of /proc/cpuinfo that they need, then what the libraries of the same machine would take
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
SSE = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
PROCESSORS = {
    "Prescott": ("pni", SSE),
    "Nehalem": ("sse4_2", SSE),
    "Haswell": ("avx2 fma", AVX2),
    "Zen": ("avx2 fma", AVX2),
    "SkylakeX": ("avx512f avx512bw avx512cd avx512dq avx512vl", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
}


def processor(name: str) -> Callable[[Machine], None]:
    _, libraries = PROCESSORS[name]

    def play(machine: Machine) -> None:
        if lacks(name):
            raise Unavailable(f"this processor cannot run {name}'s kernels")
        machine.environment |= {"OPENBLAS_CORETYPE": name, **libraries}
        machine.environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(_beyond(libraries))
        machine.tests = NUMBERS

    return play


def lacks(name: str) -> set[str]:
    """What this processor lacks, of what the kernels need; where nothing is known of it, all."""
    facts = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*: (.*)$", facts.read_text(), re.MULTILINE) if facts.exists() else None
    return set(PROCESSORS[name][0].split()) - set(found[1].split() if found else [])


def _beyond(libraries: dict[str, str]) -> list[str]:
    """The features that NumPy finds here and the processor of `libraries` would not have, by NumPy's own names."""
    import numpy

    found: list[str] = numpy.show_config(mode="dicts")["SIMD Extensions"]["found"]
    if libraries is SSE:
        return found
    return [name for name in found if "512" in name or name == "X86_V4"] if libraries is AVX2 else []


def threads(number: int) -> Callable[[Machine], None]:
    def play(machine: Machine) -> None:
        machine.environment |= {"OMP_NUM_THREADS": str(number), "OPENBLAS_NUM_THREADS": str(number)}
        machine.tests = NUMBERS

    return play


# --- places and people -----------------------------------------------------------------------------------------------


def folder(machine: Machine) -> None:
    """A folder with a space and an umlaut in its name, for the project and for what the tests write."""
    machine.folder = machine.folder.parent / "Mein Wörterbuch"
    written = machine.folder.parent / "für die Tests"
    written.mkdir()
    machine.environment["TMPDIR"] = str(written)


def home(machine: Machine) -> None:
    """A home that cannot be written and does not even exist."""
    machine.environment["HOME"] = "/proc/none" if Path("/proc").exists() else "/dev/null/none"


def user(machine: Machine) -> None:
    """Somebody who may not write everywhere as root may, with a home that is read-only."""
    place = machine.folder.parent / "home"
    place.mkdir(mode=0o555)
    machine.environment["HOME"] = str(place)
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            raise Unavailable("there is no setpriv, to be less than root")
        less = "-dac_override,-dac_read_search"
        machine.before = ["setpriv", f"--inh-caps={less}", f"--bounding-set={less}"]


def no_chromium(machine: Machine) -> None:
    machine.environment["CHROMIUM"] = "none"


def background(machine: Machine) -> None:
    """Started by `nohup make test &`."""
    machine.ignored = (signal.SIGINT, signal.SIGHUP)


def python(name: str) -> Callable[[Machine], None]:
    """Another Python with all but PyTorch, as those have it who only use a model."""

    def play(machine: Machine) -> None:
        found = shutil.which(name)
        if found is None or subprocess.run([found, "-c", "import ensurepip"], capture_output=True).returncode:
            raise Unavailable(f"there is no {name} here that can make an environment")
        place = machine.folder.parent / "environment"
        subprocess.run([found, "-m", "venv", place], check=True)
        machine.python = place / "bin" / "python"
        install = [str(machine.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *PACKAGES, str(TOP)], check=True)
        machine.tests = NUMPY_ALONE

    return play


SETTINGS: dict[str, Callable[[Machine], None]] = {
    **{name.lower(): processor(name) for name in PROCESSORS},
    **{f"threads-{number}": threads(number) for number in (1, 2, 4)},
    **{f"python3.{minor}": python(f"python3.{minor}") for minor in range(11, 15)},
    "folder": folder,
    "home": home,
    "user": user,
    "no-chromium": no_chromium,
    "background": background,
}


def run(names: str, tests: list[str]) -> tuple[bool | None, str]:
    """Play the settings `names` together: whether the tests pass, None where they cannot be run; and what was said."""
    with tempfile.TemporaryDirectory() as place:
        machine = Machine(Path(place, "project"))
        try:
            for name in names.split(","):
                SETTINGS[name](machine)
        except Unavailable as why:
            return None, str(why)
        _copy(machine.folder)
        machine.environment["PYTHONPATH"] = os.pathsep.join(str(machine.folder / part) for part in ("src", "."))
        pytest = [str(machine.python), "-m", "pytest", "-p", "no:cacheprovider"]
        before = {number: signal.signal(number, signal.SIG_IGN) for number in machine.ignored}
        try:
            done = subprocess.run(
                [*machine.before, *pytest, *(tests or machine.tests)],
                cwd=machine.folder,
                env=machine.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return done.returncode == 0, done.stdout.decode(errors="replace")


def _copy(place: Path) -> None:
    """The project's files, as they are now, in a new folder."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, check=True, capture_output=True).stdout
    for name in listed.decode().split("\0")[:-1]:
        if (TOP / name).exists():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, place / name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("combinations", nargs="*", metavar="SETTING,SETTING…", help=", ".join(SETTINGS))
    parser.add_argument("--tests", nargs="+", default=[], help="these, in place of all or those of numbers")
    chosen = parser.parse_args()
    failed = False
    for names in chosen.combinations or DEFAULT:
        began = time.monotonic()
        passed, said = run(names, chosen.tests)
        *_, last = ["", *said.strip().splitlines()]
        verdict = {True: "pass", False: "FAIL", None: "skipped"}[passed]
        print(f"{names}: {verdict} in {time.monotonic() - began:.0f} s: {last}", flush=True)
        if passed is False:
            failed = True
            print(said, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
