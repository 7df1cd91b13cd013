"""MOSES: molecules written after some minutes of training, judged by rdkit and by ChemNet (alone on the machine).

    python -m benchmarks.molecules [--minutes 20] [--num 30000] [--cache .cache] [--run RUN] [OPTION...]

The training and test molecules are those of PyPI's `molsets` (Polykovskiy and others 2020), which `pip download`
fetches; rdkit and fcd_torch, which judge, live in an environment of their own, .venv-molecules, made where it is
missing. Further options go to `afterword train`; with --run, the model of that run is judged and nothing is trained.
What MOSES publishes for its own models stands in the same table.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import tempfile
import time
from pathlib import Path

import click

from afterword.language_model import load
from benchmarks.base_subjects import Wheel
from benchmarks.commands import CACHE, as_written, peer_python, run_afterword, run_peer

JUDGES = ["rdkit", "torch>=2.8", "scipy"]
COLUMNS = ("valid", "unique@10k", "novel", "diversity", "fcd")
PUBLISHED = {  # what its README says of its own models
    "CharRNN (MOSES)": {"valid": 0.975, "unique@10k": 0.999, "novel": 0.842, "fcd": 0.073},
    "n-gram (MOSES)": {"valid": 0.238, "fcd": 5.51},
    "HMM (MOSES)": {"valid": 0.076},
}


@click.command(help=as_written(__doc__), context_settings={"ignore_unknown_options": True})
@click.option("--minutes", type=float, default=20)
@click.option("--num", type=int, default=30_000)
@click.option("--cache", type=click.Path(path_type=Path), default=CACHE)
@click.option("--run", type=click.Path(path_type=Path, exists=True))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(minutes: float, num: int, cache: Path, run: Path | None, options: tuple[str, ...]) -> None:
    train, test = molecules(cache / "molsets")
    with tempfile.TemporaryDirectory() as place:
        if run is None:
            run = Path(place, "run")
            run_afterword("train", train, "--lines", "--base", "none", "--minutes", minutes, "--out", run, *options)
        about = load(run).about
        facts = (
            f"{about['training']['steps']:,} steps, {about['validation']['bits_per_character']:.3f} bits per character"
        )
        click.echo(f"{load(run).config.network}, {facts} held out")
        rows = {}
        for min_p in (0, 0.02):
            written, began = Path(place, f"{min_p}.txt"), time.monotonic()
            settings = ["--temperature", 1, "--min-p", min_p]
            run_afterword("generate", run, "--num", num, "--seed", 0, *settings, "--out", written)
            took = time.monotonic() - began
            name = "temperature 1" + (f", min-p {min_p}" if min_p else "")
            rows[f"{name} ({took:.0f} s)"] = judged(written, train, test)
    click.echo(f"{'':34}" + "".join(f"{name:>12}" for name in COLUMNS))
    for name, row in {**rows, **PUBLISHED}.items():
        click.echo(f"{name:34}" + "".join(f"{row[one]:12.4f}" if one in row else f"{'–':>12}" for one in COLUMNS))


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
