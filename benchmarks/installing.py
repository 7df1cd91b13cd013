"""From a wheel to a first text: `pip install` in an empty environment, then `afterword generate english`.

    python -m benchmarks.installing dist

The environment is temporary, without PyTorch. What Afterword needs is downloaded before the clock starts, so that pip
has it in its cache. Every wheel in the folder is installed, and `afterword bases` must list the bases among them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import click

from benchmarks.commands import as_written, machine
from benchmarks.startup import first_byte

QUIET = ("--quiet", "--disable-pip-version-check")


@click.command(help=as_written(__doc__))
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    wheels = sorted(folder.glob("*.whl"))
    names = [wheel.name.split("-")[0] for wheel in wheels]
    click.echo(machine())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # which would make each start compile everything
    with tempfile.TemporaryDirectory() as place:
        pip = [sys.executable, "-m", "pip", "download", *QUIET, "--dest", f"{place}/cached"]
        subprocess.run([*pip, *wheels], check=True)
        began = time.perf_counter()
        venv.create(Path(place, "venv"), with_pip=True)
        programs = Path(place, "venv", "Scripts" if sys.platform == "win32" else "bin")
        subprocess.run([programs / "python", "-m", "pip", "install", *QUIET, *wheels], check=True)
        installed = time.perf_counter()
        write = ["generate", "english", "--prompt", "It was ", "--max-tokens", "200", "--seed", "1"]
        first = first_byte(*write, command=[programs / "afterword"])
        written = time.perf_counter()
        again = first_byte(*write, command=[programs / "afterword"])
        listed = subprocess.run([programs / "afterword", "bases"], check=True, capture_output=True, text=True).stdout
    if missing := [name for name in names if name.partition("_")[2] not in listed]:
        raise click.ClickException(f"afterword bases does not list {', '.join(missing)}:\n{listed}")
    click.echo(
        f"installed in {installed - began:.1f} s, a text of 200 characters after {written - began:.1f} s; its first "
        f"character {first:.2f} s after the command, {again:.2f} s the second time"
    )


if __name__ == "__main__":
    main()
