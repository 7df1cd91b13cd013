"""Forecasts as their users need them: python -m benchmarks.series_users stock | shops | time | known

stock: tables with many zeros, by seed. Prints the sum of the column `mean` ÷ that of the truth, and its RMSE ÷ that of
the best of Croston's method, TSB, ADIDA and the mean of the training values. The sets "renewals" and "months" are held
back: no method was chosen on them.

shops: 100 new shops with 8 to 40 days, by seed, each in its own table, 7 days ahead. Prints the error ÷ that of
repeating the last week, over all shops and as a geometric mean. The seeds from 1000 on are held back.

time: seconds of CPU time and on the clock, for one daily series of six years, 500 × 72 and 5,000 × 30 months.

known: tables by seed with columns for prices and holidays, also in the future, which change what is sold. Prints the
error without these columns ÷ with them.

Generators and seeds were fixed before the methods. Results are appended to results/series.jsonl.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas
from numpy.typing import NDArray

from benchmarks.commands import as_written, echo_row, echo_table, measured_here, write_result
from benchmarks.series_tables import correlated, daily

Floats = NDArray[np.float64]
SEEDS = range(5)
HELD_BACK = 1000  # added to the seeds of sets on which nothing was chosen


def sold_by_chance(seed: int, count: int = 60, length: int = 448) -> Floats:
    """Return whole numbers sold per day, 0 on about 83 % of the days, with rates that drift. [N, n]"""
    random = np.random.default_rng([17, seed])
    rate = random.uniform(0.05, 0.3, (count, 1)) * np.exp(0.4 * correlated(random, count, length, 0.99))
    weekly = 1 + random.uniform(0, 0.6, (count, 1)) * (np.arange(length) % 7 >= 5)
    sold = random.random((count, length)) < np.minimum(0.95, rate * weekly)
    return np.asarray(sold * (1.0 + random.poisson(random.uniform(0, 3, (count, 1)), (count, length))))


def renewed(seed: int, count: int = 60, length: int = 448) -> Floats:
    """Return sales of several at once, after gaps of gamma distributions; every third item sells ever less. [N, n]"""
    random, found = np.random.default_rng([19, seed]), np.zeros((count, length))
    for k in range(count):
        shape, gap, at = random.uniform(0.5, 3), random.uniform(3, 14), 0.0
        spread = random.uniform(0.3, 1.2)
        while (at := at + max(1.0, random.gamma(shape, gap / shape) * (1 + at / length * (k % 3 == 0)))) < length:
            found[k, int(at)] = np.ceil(3 * np.exp(spread * random.normal()))
    return found


def spare_parts(seed: int, count: int = 80, length: int = 66) -> Floats:
    """Return whole numbers used per month, 0 in most, of parts of machines whose number grows or falls. [N, n]"""
    random, months = np.random.default_rng([23, seed]), np.arange(length)
    trend = np.exp(random.normal(0, 0.008, (count, 1)) * (months - length / 2))
    rate = np.minimum(0.9, random.uniform(0.1, 0.5, (count, 1)) * trend)
    sizes = random.geometric(random.uniform(0.25, 0.9, (count, 1)), (count, length))
    return np.asarray((random.random((count, length)) < rate) * sizes, float)


STOCK = {  # sets of tables: the generator, the step of the dates, the horizon, and what is added to the seeds
    "chance": (sold_by_chance, "D", 28, 0),
    "chance, other seeds": (sold_by_chance, "D", 28, HELD_BACK),
    "renewals": (renewed, "D", 28, HELD_BACK),
    "months": (spare_parts, "MS", 6, HELD_BACK),
}


def frame_of(values: Floats, step: str, first: str = "2021-01-04") -> pandas.DataFrame:
    """Return series as a long table, without missing values."""
    count, length = values.shape
    names = np.repeat([f"s{k:04}" for k in range(count)], length)
    dates = np.tile(pandas.date_range(first, periods=length, freq=step), count)
    return pandas.DataFrame({"unique_id": names, "ds": dates, "y": values.ravel()}).dropna()


def of_peers(before: Floats, horizon: int) -> dict[str, Floats]:
    """Return forecasts of the mean by each method for many zeros. [N, h] each"""
    from statsforecast import models

    made = {"Croston": models.CrostonClassic(), "TSB": models.TSB(0.1, 0.1), "ADIDA": models.ADIDA()}
    found = {name: np.stack([one.forecast(y=y, h=horizon)["mean"] for y in before]) for name, one in made.items()}
    return {**found, "training mean": np.repeat(before.mean(axis=1, keepdims=True), horizon, axis=1)}


def rmse(forecast: Floats, actual: Floats) -> float:
    return float(np.sqrt(np.mean((forecast - actual) ** 2)))


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command()
@click.option("--only", multiple=True, help="the sets of these names")
def stock(only: tuple[str, ...]) -> None:
    """Sum and RMSE of the column `mean` on tables with many zeros."""
    from afterword import forecast

    echo_table(["set", "zeros", "mean ÷ truth", "each", "RMSE ÷ best", "each", "best"])
    for name, (make, step, horizon, held) in STOCK.items():
        if only and name not in only:
            continue
        sums, ratios, best, zeros = list[float](), list[float](), list[str](), list[float]()
        for seed in SEEDS:
            values = make(seed + held)
            before, after = values[:, :-horizon], values[:, -horizon:]
            ours = forecast(frame_of(before, step), horizon=horizon)["mean"].to_numpy().reshape(after.shape)
            peers = {one: rmse(found, after) for one, found in of_peers(before, horizon).items()}
            sums.append(float(ours.sum() / after.sum()))
            best.append(min(peers, key=peers.__getitem__))
            ratios.append(rmse(ours, after) / peers[best[-1]])
            zeros.append(float((values == 0).mean()))
        shown = [" ".join(f"{one:.2f}" for one in sums), f"{np.mean(ratios):.3f}", " ".join(f"{r:.3f}" for r in ratios)]
        echo_row([name, f"{np.mean(zeros):.0%}", f"{np.mean(sums):.3f}", *shown, ", ".join(dict.fromkeys(best))])
        write_result("series", table=f"stock: {name}", method="column mean", sums=sums, rmse=ratios, **measured_here())


def new_shop(seed: int) -> tuple[Floats, int]:
    """Return the sales of a new shop per day, and how many days are known: some grow, and some fall after the opening.

    Every fourth shop is closed on Sundays. The first day is a Monday.
    """
    random = np.random.default_rng([29, seed])
    known = int(random.integers(8, 41))
    days = np.arange(known + 7)
    opening = random.uniform(-0.5, 1.0) * np.exp(-days / random.uniform(4, 20))
    trend = random.normal(0, 0.008) * days
    week = random.uniform(0, 0.35) * random.normal(size=7)[days % 7]
    noise = random.uniform(0.03, 0.2) * random.normal(size=len(days))
    values = random.uniform(20, 900) * np.exp(opening + trend + week + noise)
    return np.round(values * ~((seed % 4 == 0) & (days % 7 == 6))), known


@main.command()
def shops() -> None:
    """The error for new shops ÷ that of repeating the last week."""
    from afterword import forecast

    echo_table(["seeds", "error ÷ naive season", "mean of ratios (geometric)", "worst"])
    for first in (0, HELD_BACK):
        errors = list[tuple[float, float]]()
        for seed in range(first, first + 100):
            values, known = new_shop(seed)
            before, after = values[:known], values[known:]
            ours = forecast(frame_of(before[None], "D"), horizon=7)["median"].to_numpy()
            naive, scale = before[-7:], before.mean()
            errors.append((float(np.abs(ours - after).mean() / scale), float(np.abs(naive - after).mean() / scale)))
        own, other = np.array(errors).T
        ratio, geometric = float(own.sum() / other.sum()), float(np.exp(np.log(own / other).mean()))
        echo_row([f"{first}-{first + 99}", f"{ratio:.3f}", f"{geometric:.3f}", f"{(own / other).max():.2f}"])
        found = {"ratio": ratio, "geometric": geometric, "worst": float((own / other).max())}
        write_result("series", table=f"new shops from {first}", method="afterword", **found, **measured_here())


def months(seed: int, count: int, length: int) -> Floats:
    """Return sales per month: a level, a trend, a season and noise. [N, n]"""
    random, time_ = np.random.default_rng([31, seed]), np.arange(length)
    season = random.uniform(0, 0.3, (count, 1)) * random.normal(size=(count, 12))[:, time_ % 12]
    trend = random.normal(0, 0.006, (count, 1)) * time_
    noise = random.uniform(0.03, 0.2, (count, 1)) * random.normal(size=(count, length))
    return np.asarray(np.round(random.uniform(20, 5000, (count, 1)) * np.exp(season + trend + noise)))


@main.command("time")
@click.option("--only", multiple=True, help="the tables of these names")
def seconds(only: tuple[str, ...]) -> None:
    """How long the command takes at its defaults."""
    tables = {
        "daily, six years": (daily(1, 2192), "D", 28),
        "500 x 72 months": (months(0, 500, 72), "MS", 12),
        "5,000 x 30 months": (months(1, 5000, 30), "MS", 6),
    }
    echo_table(["table", "processor seconds", "seconds", "load"])
    for name, (values, step, horizon) in tables.items():
        if only and name not in only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder, "table.csv"), Path(folder, "out.csv")
            frame_of(values, step).to_csv(path, index=False)
            command = [sys.executable, "-m", "afterword", "forecast", str(path), f"--horizon={horizon}", f"--out={out}"]
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        here = measured_here()
        echo_row([name, f"{cpu:.1f}", f"{took:.1f}", f"{here.get('load', 0):.1f}"])
        write_result("series", table=f"time: {name}", method="command", processor=cpu, seconds=took, **here)


def with_columns(seed: int, count: int = 4, length: int = 588) -> pandas.DataFrame:
    """Return sales per day that fall with the price and rise before holidays, with both columns."""
    random, days = np.random.default_rng([37, seed]), np.arange(length)
    frames = list[pandas.DataFrame]()
    holiday = np.isin(days, np.sort(random.choice(length // 7, length // 28, replace=False)) * 7 + 3)
    for k in range(count):
        cheap = np.repeat(random.random(length // 14 + 1) < 0.3, 14)[:length]
        price = np.round(random.uniform(2, 9) * np.where(cheap, 0.75, 1.0), 2)
        effect = random.uniform(0.2, 0.6) * cheap + random.uniform(0.3, 0.8) * holiday
        week = random.uniform(0.1, 0.3) * random.normal(size=7)[days % 7]
        level = np.cumsum(random.normal(0, 0.008, length)) + 0.08 * random.normal(size=length)
        values = np.round(random.uniform(60, 600) * np.exp(level + week + effect))
        dates = pandas.date_range("2022-01-03", periods=length, freq="D")
        columns = {"unique_id": f"s{k}", "ds": dates, "y": values, "price": price, "holiday": holiday.astype(int)}
        frames.append(pandas.DataFrame(columns))
    return pandas.concat(frames, ignore_index=True)


@main.command()
def known() -> None:
    """The error without known columns ÷ with them."""
    from afterword import forecast

    echo_table(["seeds", "error without ÷ with", "each"])
    for first in (0, HELD_BACK):
        ratios = list[float]()
        for seed in range(first, first + 5):
            table = with_columns(seed)
            future = table.groupby("unique_id").cumcount(ascending=False) < 28
            actual, history = table.y[future].to_numpy(), table[~future]
            without = forecast(history[["unique_id", "ds", "y"]], horizon=28)["median"].to_numpy()
            ours = forecast(table.assign(y=table.y.where(~future)), horizon=28)["median"].to_numpy()
            ratios.append(float(np.abs(without - actual).sum() / np.abs(ours - actual).sum()))
        echo_row([f"{first}-{first + 4}", f"{np.mean(ratios):.2f}", " ".join(f"{one:.2f}" for one in ratios)])
        write_result(
            "series", table=f"known columns from {first}", method="afterword", ratios=ratios, **measured_here()
        )


if __name__ == "__main__":
    main()
