"""MOSES: molecules written after 20 minutes of training, judged by rdkit and by ChemNet (alone on the machine).

    python -m benchmarks.molecules

The training and test molecules are those of PyPI's `molsets` (Polykovskiy and others 2020), which `pip download`
fetches; rdkit and fcd_torch, which judge, live in an environment of their own, .venv-molecules, made where it is
missing. What MOSES publishes for its own CharRNN stands in the same table.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import tempfile
import time
from pathlib import Path

import click

from benchmarks.base_subjects import Wheel
from benchmarks.commands import (
    CACHE,
    as_written,
    echo_row,
    echo_table,
    lines_of,
    peer_python,
    run_afterword,
    run_peer,
    some,
    trained_on_lines,
)

JUDGES = ["rdkit", "torch>=2.8", "scipy"]
COLUMNS = ("valid", "novel", "fcd")
NUM = 30_000


@click.command(help=as_written(__doc__))
def main() -> None:
    train, test = molecules(CACHE / "molsets")
    run = trained_on_lines("molecules", lines_of(train), 20)
    echo_table([f"{some(NUM):,} molecules", *COLUMNS])
    with tempfile.TemporaryDirectory() as place:
        for min_p in (0, 0.02):
            written, began = Path(place, f"{min_p}.txt"), time.monotonic()
            settings = ["--seed", 0, "--temperature", 1, "--min-p", min_p]
            run_afterword("generate", run, "--num", some(NUM), *settings, "--out", written)
            name = f"temperature 1, min-p {min_p} ({time.monotonic() - began:.0f} s)"
            found = judged(written, train, test)
            echo_row([name, *(f"{found[one]:.3f}" for one in COLUMNS)])
    echo_row(["MOSES' CharRNN, as published", "0.975", "0.842", "0.073"])


def molecules(cache: Path) -> tuple[Path, Path]:
    """The training and the test molecules, a line each."""
    train, test = cache / "train.txt", cache / "test.txt"
    cache.mkdir(parents=True, exist_ok=True)
    for path in (train, test):
        if not path.exists():
            [packed] = Wheel("molsets", "0.3.1", f"moses/dataset/data/{path.stem}.csv.gz").read(cache)
            rows = gzip.decompress(packed).decode().splitlines()[1:]
            path.write_text("".join(row.partition(",")[0] + "\n" for row in rows), encoding="utf-8")
    return train, test


def judged(written: Path, train: Path, test: Path) -> dict[str, float]:
    python = peer_python("molecules", *JUDGES)
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "fcd_torch"], check=True)
    found: dict[str, float] = json.loads(run_peer(python, "molecules_judge.py", written, train, test).splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
