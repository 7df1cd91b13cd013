"""Forecasts beside statsforecast's: python -m benchmarks.series tables [--only NAME…] | hourly [--seed N…]

tables: real series from PyPI's packages and seeded ones of common kinds (`benchmarks.series_tables`). Each is one run
of afterword forecast, as it comes: only the horizon is given. The last horizon of each table is held out. The peers are
the seasonal naive forecast with each season that a person would try, and statsforecast's AutoETS, AutoTheta, AutoARIMA
and Croston's method. The last rows give the ratio of the MASE to that of the best peer: its mean, and the worst.

hourly: the 414 series of the M4 competition, 48 steps ahead, from ../shared/data/series, with five seeds.

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
from numpy.typing import NDArray

from afterword.series.measures import average, coverage, mase, smape, weighted_quantile_loss
from afterword.series.table import read_table
from benchmarks.commands import CACHE, DATA, as_written, echo_row, echo_table, machine, peer_python, run_peer
from benchmarks.series_tables import BenchTable, tables

LEVELS = (20, 40, 60, 80, 95)
DECILES = np.arange(1, 10) / 10
PACKAGES = ("statsforecast", "statsmodels", "pydataset", "pmdarima")
PEERS = ("AutoETS", "AutoTheta", "AutoARIMA", "CrostonSBA")
LIMIT = 300  # seconds of a peer
Floats = NDArray[np.float64]
Found = dict[str, Floats]  # the median and the ends of bands, [N, h] each


def column(q: float) -> str:
    """Return the column of a quantile."""
    return "median" if q == 0.5 else f"{'lo' if q < 0.5 else 'hi'}-{abs(200 * q - 100):g}"


COLUMNS = [*map(column, DECILES), "lo-95", "hi-95"]


def by_afterword(table: BenchTable, *options: object) -> tuple[Found, str, float]:
    """Return the forecasts of the real command, the methods that it used, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "table.csv"), Path(folder, "out.csv")
        table.write(path)
        command = [sys.executable, "-m", "afterword", "forecast", path, "--horizon", table.horizon, "--out", out]
        command += ["--levels", " ".join(map(str, LEVELS)), *options]
        began = time.monotonic()
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - began
        head, *lines = out.read_text(encoding="utf-8").splitlines()
        rows = [line.split(",") for line in lines]
    names = head.split(",")
    cells = np.array([row[2:-1] for row in rows], float).reshape(len(table.values), table.horizon, -1)
    used = {row[0]: row[-1] for row in rows}.values()
    most = max(used, key=[*used].count)
    others = len({*used}) - 1
    return (
        {one: cells[:, :, names.index(one) - 2] for one in COLUMNS},
        most + (f" and {others} others" if others else ""),
        seconds,
    )


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
            except subprocess.TimeoutExpired:
                answer = "null"
        kept.write_text(answer, encoding="utf-8")
    found = json.loads(kept.read_text(encoding="utf-8"))
    return found and ({key: np.array(found[key]) for key in COLUMNS}, found["seconds"])


def figures(found: Found, table: BenchTable) -> list[str]:
    quantiles = np.stack([found[column(q)] for q in DECILES], axis=1)
    low, high, after = found["lo-80"], found["hi-80"], table.after
    return [
        f"{error(found['median'], table):.3f}",
        f"{average(smape(found['median'], after)):.2f}",
        f"{weighted_quantile_loss(quantiles, DECILES, after):.4f}",
        f"{coverage(low, high, after):.1%}",
        f"{coverage(found['lo-95'], found['hi-95'], after):.1%}",
        f"{interval_score(low, high, after):.4g}",
    ]


def interval_score(low: Floats, high: Floats, after: Floats) -> float:
    """Return the mean width of 80 % bands and ten times the distance of what lies outside (Gneiting and Raftery)."""
    outside = np.maximum(low - after, 0) + np.maximum(after - high, 0)
    return float((high - low + outside * 2 / 0.2).mean())


def error(median: Floats, table: BenchTable) -> float:
    before = [one[~np.isnan(one)] for one in table.before]
    return average(mase(median, table.after, before, table.seasons[0]))


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command("tables")
@click.option("--only", multiple=True, help="the tables of these names")
@click.option("--minutes", default=1.0, show_default=True, help="of training, where it pays")
def all_tables(only: Sequence[str], minutes: float) -> None:
    """Forecast tables as they come, beside the peers."""
    click.echo(f"{machine('torch')}; --minutes {minutes:g}\n")
    python, ratios = peer_python("series", *PACKAGES), dict[str, float]()
    columns = ["table", "method", "MASE", "sMAPE, %", "quantile loss", "in 80 %", "in 95 %", "interval score"]
    echo_table([*columns, "seconds", "÷ best"])
    for table in tables(python):
        if only and table.name not in only:
            continue
        errors = {name: error(median, table) for name, median in naive(table)}
        for name, mean in errors.items():
            echo_row([table.name, name, f"{mean:.3f}", "", "", "", "", "", "", ""])
        for name in PEERS:
            answer = by_peer(table, name, python)
            if answer is None:
                echo_row([table.name, name, f"not in {LIMIT} s", "", "", "", "", "", "", ""])
                continue
            errors[name] = error(answer[0]["median"], table)
            echo_row([table.name, name, *figures(answer[0], table), f"{answer[1]:.0f}", ""])
        found, used, seconds = by_afterword(table, "--minutes", minutes)
        best = min(mean for name, mean in errors.items() if not name.startswith("Croston"))
        ratios[table.name] = error(found["median"], table) / best
        row = [table.name, f"**afterword**: {used}", *figures(found, table), f"{seconds:.0f}"]
        echo_row([*row, f"{ratios[table.name]:.3f}"])
    worst = max(ratios, key=lambda name: ratios[name])
    click.echo(f"\n{len(ratios)} tables: mean ratio {average([*ratios.values()]):.3f}; ", nl=False)
    click.echo(f"worst {ratios[worst]:.3f} ({worst})")


@main.command()
@click.option("--minutes", default=3.0, show_default=True, help="of training; forecasting comes on top")
@click.option("--seed", "seeds", multiple=True, type=int, default=range(5), show_default=True)
@click.option("--method", default="auto", show_default=True)
@click.option("--peers/--no-peers", default=True, help="also measure the other methods")
def hourly(minutes: float, seeds: Sequence[int], method: str, peers: bool) -> None:
    """Forecast M4's hourly series."""
    click.echo(f"{machine('torch')}; --minutes {minutes:g}\n")
    echo_table(["method", "MASE", "sMAPE, %", "quantile loss", "in 80 %", "in 95 %", "interval score", "seconds"])
    parts = [read_table(DATA / "series" / f"hourly-{part}.csv", season=24).series for part in ("train", "test")]
    longest = max(len(one.values) for one in parts[0])
    # series of different lengths end together, and begin with missing values
    values = np.full((len(parts[0]), longest + 48), np.nan)
    for row, before, after in zip(values, *parts, strict=True):
        row[longest - len(before.values) :] = [*before.values, *after.values]
    table = BenchTable("M4 hourly", "2015-01-01", "h", (24, 168), 48, values)
    for seed in seeds:
        found, used, seconds = by_afterword(table, "--minutes", minutes, "--seed", seed, "--method", method)
        echo_row([f"afterword, seed {seed}: {used}", *figures(found, table), f"{seconds:.0f}"])
    for name, median in naive(table) if peers else ():
        echo_row([name, f"{error(median, table):.3f}", "", "", "", "", "", ""])
    for name in PEERS[:2] if peers else ():
        if answer := by_peer(table, name, peer_python("series", *PACKAGES)):
            echo_row([name, *figures(answer[0], table), f"{answer[1]:.0f}"])


if __name__ == "__main__":
    main()
