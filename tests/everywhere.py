"""Run the tests as other machines would, as far as this machine can imitate them.

    python -m tests.everywhere                           every combination in DEFAULT
    python -m tests.everywhere haswell,threads-1 home    two runs: Haswell's kernels with one thread, and no home

To imitate a processor, the numerical libraries are told to use its kernels; if this processor cannot run them, the
combination is skipped. Every run uses a copy of the project's files, so the tests cannot depend on anything else.
A combination that changes only arithmetic runs only the tests of numbers.
"""

from __future__ import annotations

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
from functools import partial
from pathlib import Path

import click

from benchmarks.commands import as_written

TOP = Path(__file__).parents[1]
NUMPY_ALONE = [f"tests/{room}" for room in ("text", "model", "generation", "scoring", "inspection")]
NUMBERS = [*NUMPY_ALONE[1:], *(f"tests/{room}" for room in ("learning", "planning", "runs"))]
PACKAGES = ["pytest", "pytest-timeout", "pytest-xdist", "hypothesis", "matplotlib"]  # for NUMPY_ALONE
KERNELS = ["prescott,threads-1", "nehalem,threads-2", "haswell,threads-1", "haswell,threads-4", "zen,threads-2"]
KERNELS += ["skylakex,threads-1", "skylakex,threads-4"]
PYTHONS = [f"python3.{minor}" for minor in range(11, 15)]
DEFAULT = ["folder,home,no-chromium,background", "user", *KERNELS, *PYTHONS]


class Unavailable(Exception):
    """This machine cannot imitate the setting."""


@dataclass
class Machine:
    """A machine to imitate: what the tests are started with."""

    folder: Path  # a new one inside a temporary folder
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    python: Path = Path(sys.executable)
    before: list[str] = field(default_factory=list)  # a command that runs the command in its arguments
    tests: list[str] = field(default_factory=lambda: ["tests"])
    ignored: tuple[signal.Signals, ...] = ()


# kernels of OpenBLAS: the flags of /proc/cpuinfo that they need, and the settings of the other libraries
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
SSE = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
PROCESSORS = {
    "Prescott": ("pni", SSE),
    "Nehalem": ("sse4_2", SSE),
    "Haswell": ("avx2 fma", AVX2),
    "Zen": ("avx2 fma", AVX2),
    "SkylakeX": ("avx512f avx512bw avx512cd avx512dq avx512vl", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}),
}


def processor(name: str, machine: Machine) -> None:
    _, libraries = PROCESSORS[name]
    if lacks(name):
        raise Unavailable(f"this processor cannot run {name}'s kernels")
    machine.environment |= {"OPENBLAS_CORETYPE": name, **libraries}
    machine.environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(_beyond(libraries))
    machine.tests = NUMBERS


def lacks(name: str) -> set[str]:
    """Return the flags that the kernels need and this processor lacks: all of them if nothing is known of it."""
    facts = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*: (.*)$", facts.read_text(), re.MULTILINE) if facts.exists() else None
    return set(PROCESSORS[name][0].split()) - set(found[1].split() if found else [])


def _beyond(libraries: dict[str, str]) -> list[str]:
    """Return the features, by NumPy's names, that NumPy finds here and the processor of `libraries` lacks."""
    import numpy

    found: list[str] = numpy.show_config(mode="dicts")["SIMD Extensions"]["found"]
    if libraries is SSE:
        return found
    return [name for name in found if "512" in name or name == "X86_V4"] if libraries is AVX2 else []


def threads(number: int, machine: Machine) -> None:
    machine.environment |= {"OMP_NUM_THREADS": str(number), "OPENBLAS_NUM_THREADS": str(number)}
    machine.tests = NUMBERS


def folder(machine: Machine) -> None:
    """Put the project and what the tests write into folders whose names have a space and an umlaut."""
    machine.folder = machine.folder.parent / "Mein Wörterbuch"
    written = machine.folder.parent / "für die Tests"
    written.mkdir()
    machine.environment["TMPDIR"] = str(written)


def home(machine: Machine) -> None:
    """Name a home that does not exist and cannot be made."""
    machine.environment["HOME"] = "/proc/none" if Path("/proc").exists() else "/dev/null/none"


def user(machine: Machine) -> None:
    """Run as somebody who, unlike root, may not write everywhere, with a read-only home."""
    place = machine.folder.parent / "home"
    place.mkdir(mode=0o555)
    machine.environment["HOME"] = str(place)
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            raise Unavailable("there is no setpriv, which takes root's rights away")
        less = "-dac_override,-dac_read_search"
        machine.before = ["setpriv", f"--inh-caps={less}", f"--bounding-set={less}"]


def no_chromium(machine: Machine) -> None:
    machine.environment["CHROMIUM"] = "none"


def background(machine: Machine) -> None:
    """Start the tests as `nohup make test &` does."""
    machine.ignored = (signal.SIGINT, signal.SIGHUP)


def python(name: str, machine: Machine) -> None:
    """Use another Python without PyTorch, as people have it who only use a model."""
    found = shutil.which(name)
    if found is None or subprocess.run([found, "-c", "import ensurepip"], capture_output=True).returncode:
        raise Unavailable(f"there is no {name} here that can make an environment")
    place = machine.folder.parent / "environment"
    subprocess.run([found, "-m", "venv", place], check=True)
    machine.python = place / "bin" / "python"
    install = [str(machine.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *PACKAGES, str(TOP)], check=True)
    machine.tests = NUMPY_ALONE


SETTINGS: dict[str, Callable[[Machine], None]] = {
    **{name.lower(): partial(processor, name) for name in PROCESSORS},
    **{f"threads-{number}": partial(threads, number) for number in (1, 2, 4)},
    **{name: partial(python, name) for name in PYTHONS},
    "folder": folder,
    "home": home,
    "user": user,
    "no-chromium": no_chromium,
    "background": background,
}


def run(names: str, tests: list[str]) -> tuple[str, str]:
    """Run the tests under the settings `names`; return "pass", "FAIL" or "skipped", and the output."""
    with tempfile.TemporaryDirectory() as place:
        machine = Machine(Path(place, "project"))
        try:
            for name in names.split(","):
                SETTINGS[name](machine)
        except Unavailable as why:
            return "skipped", str(why)
        copy_files(machine.folder)
        machine.environment["PYTHONPATH"] = os.pathsep.join(str(machine.folder / part) for part in ("src", "."))
        pytest = [str(machine.python), "-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "--dist", "worksteal"]
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
        return "FAIL" if done.returncode else "pass", done.stdout.decode(errors="replace")


def copy_files(place: Path) -> None:
    """Copy the project's files, as they are now, into a new folder: those that git knows or does not ignore."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=TOP, check=True, capture_output=True).stdout.decode().split("\0")
    for name in (name for name in names if (TOP / name).is_file()):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / name, place / name)


@click.command(help=as_written(__doc__))
@click.argument("combinations", nargs=-1, metavar="SETTING,SETTING…")
@click.option("--tests", multiple=True, help="run these tests only")
def main(combinations: tuple[str, ...], tests: tuple[str, ...]) -> None:
    failed = False
    for names in combinations or DEFAULT:
        began = time.monotonic()
        verdict, said = run(names, [*tests])
        *_, last = ["", *said.strip().splitlines()]
        print(f"{names}: {verdict} in {time.monotonic() - began:.0f} s: {last}", flush=True)
        if verdict == "FAIL":
            failed = True
            print(said, flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
