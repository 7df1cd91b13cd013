"""From a wheel to a first text: install it by pip, uv or pipx into nothing, then `afterword generate english`.

    python -m benchmarks.installing dist
    python -m benchmarks.installing dist --by uv

The environment is temporary, without PyTorch. What Afterword needs is downloaded before the clock starts, so that the
installer has it in its cache. pip installs every wheel in the folder, and `afterword bases` must list the bases among
them. Fails if the text comes after more than a minute.
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
MOST_SECONDS = 60
PROGRAMS = "Scripts" if sys.platform == "win32" else "bin"


def pip(place: Path, wheels: list[Path]) -> None:
    venv.create(place, with_pip=True)
    subprocess.run([place / PROGRAMS / "python", "-m", "pip", "install", *QUIET, *wheels], check=True)


def uv(place: Path, wheels: list[Path]) -> None:
    tool = [f"{place.parent}/tools/{PROGRAMS}/uv", "tool", "install", "--quiet", "--python", sys.executable]
    folders = {
        "UV_TOOL_DIR": f"{place}/tools",
        "UV_TOOL_BIN_DIR": f"{place}/{PROGRAMS}",
        "UV_CACHE_DIR": f"{place}-cache",
    }
    subprocess.run([*tool, str(alone(wheels))], check=True, env={**os.environ, **folders})


def pipx(place: Path, wheels: list[Path]) -> None:
    tool = [f"{place.parent}/tools/{PROGRAMS}/pipx", "install", "--quiet", "--python", sys.executable]
    folders = {"PIPX_HOME": f"{place}/home", "PIPX_BIN_DIR": f"{place}/{PROGRAMS}", "PIPX_MAN_DIR": f"{place}/man"}
    command = [*tool, str(alone(wheels))]
    subprocess.run(command, check=True, env={**os.environ, **folders}, stdout=subprocess.DEVNULL)


def alone(wheels: list[Path]) -> Path:
    """Return Afterword's own wheel."""
    return next(wheel for wheel in wheels if wheel.name.startswith("afterword-")).resolve()


INSTALLERS = {"pip": pip, "uv": uv, "pipx": pipx}


@click.command(help=as_written(__doc__))
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--by", type=click.Choice([*INSTALLERS]), default="pip")
def main(folder: Path, by: str) -> None:
    wheels = sorted(folder.glob("*.whl"))
    names = [wheel.name.split("-")[0] for wheel in wheels] if by == "pip" else []
    click.echo(machine())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # which would make each start compile everything
    with tempfile.TemporaryDirectory() as folder_of_all:
        place = Path(folder_of_all)
        if by == "pip":
            download = [sys.executable, "-m", "pip", "download", *QUIET, "--dest", f"{place}/cached"]
            subprocess.run([*download, *map(str, wheels)], check=True)
        else:
            venv.create(place / "tools", with_pip=True)
            subprocess.run([place / "tools" / PROGRAMS / "python", "-m", "pip", "install", *QUIET, by], check=True)
            INSTALLERS[by](place / "before", wheels)  # fills its cache
        began = time.perf_counter()
        INSTALLERS[by](place / "venv", wheels)
        installed = time.perf_counter()
        write = ["generate", "english", "--prompt", "It was ", "--max-tokens", "200", "--seed", "1"]
        program = place / "venv" / PROGRAMS / "afterword"
        first = first_byte(*write, command=[program])
        written = time.perf_counter()
        again = first_byte(*write, command=[program])
        listed = subprocess.run([program, "bases"], check=True, capture_output=True, text=True).stdout
    if missing := [name for name in names if name.partition("_")[2] not in listed]:
        raise click.ClickException(f"afterword bases does not list {', '.join(missing)}:\n{listed}")
    click.echo(
        f"installed by {by} in {installed - began:.1f} s, a text of 200 characters after {written - began:.1f} s; its "
        f"first character {first:.2f} s after the command, {again:.2f} s the second time"
    )
    if written - began > MOST_SECONDS:
        raise click.ClickException(f"the text came after more than {MOST_SECONDS} seconds")


if __name__ == "__main__":
    main()
