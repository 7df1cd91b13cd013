"""From a wheel to a first text: `pip install` in an empty environment, then `afterword generate english`.

    python -m benchmarks.installing dist

The environment is temporary, without PyTorch. What Afterword needs is downloaded before the clock starts, so that pip
has it in its cache. Every wheel in the folder is installed, and `afterword bases` must list the bases among them. With
`--with uv` or `--with pipx`, that program installs Afterword's wheel too.
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
@click.option("--with", "tools", multiple=True, type=click.Choice(["uv", "pipx"]), help="install with it too")
def main(folder: Path, tools: tuple[str, ...]) -> None:
    wheels = sorted(folder.glob("*.whl"))
    bases = sorted(
        wheel.name.split("-")[0].removeprefix("afterword_") for wheel in wheels if "_" in wheel.name.split("-")[0]
    )
    click.echo(machine())
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # which would make each start compile everything
    with tempfile.TemporaryDirectory() as place:
        pip = [sys.executable, "-m", "pip", "download", *QUIET, "--dest", f"{place}/cached"]
        subprocess.run([*pip, *wheels], check=True)
        (ours,) = (wheel for wheel in wheels if wheel.name.startswith("afterword-"))
        began = time.perf_counter()
        venv.create(Path(place, "venv"), with_pip=True)
        programs = Path(place, "venv", "Scripts" if sys.platform == "win32" else "bin")
        subprocess.run([programs / "python", "-m", "pip", "install", *QUIET, *wheels], check=True)
        report("pip install", programs / "afterword", began)
        listed = subprocess.run([programs / "afterword", "bases"], check=True, capture_output=True, text=True).stdout
        if missing := [base for base in bases if base not in listed]:
            raise click.ClickException(f"afterword bases does not list {', '.join(missing)}:\n{listed}")
        for tool in tools:
            bin, own = Path(place, tool), Path(place, f"{tool}-tools")
            os.environ |= {
                "PIPX_HOME": f"{own}",
                "PIPX_BIN_DIR": f"{bin}",
                "UV_TOOL_DIR": f"{own}",
                "UV_TOOL_BIN_DIR": f"{bin}",
            }
            began = time.perf_counter()
            subprocess.run([tool, *(["tool"] if tool == "uv" else []), "install", "--quiet", ours], check=True)
            report(f"{tool} install", bin / "afterword", began)


def report(name: str, program: Path, began: float) -> None:
    """Print how long an installation took that is now complete, and how soon its command writes."""
    installed = time.perf_counter()
    arguments = ["generate", "english", "--prompt", "It was ", "--max-tokens", "200", "--seed", "1"]
    first, *_ = first_byte(*arguments, command=[program])
    written = time.perf_counter()
    again, *_ = first_byte(*arguments, command=[program])
    click.echo(
        f"{name:12} installed in {installed - began:.1f} s, a text of 200 characters after {written - began:.1f} s; "
        f"its first character {first:.2f} s after the command, {again:.2f} s the second time"
    )


if __name__ == "__main__":
    main()
