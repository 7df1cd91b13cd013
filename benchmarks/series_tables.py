"""Tables that `benchmarks.series` forecasts: real ones from PyPI's packages, and seeded ones of common kinds.

Airline passengers and M4's weekly series are left out on purpose: they are held back, to judge what was chosen here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.commands import run_peer

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BenchTable:
    """Series with the same dates; the last `horizon` values of each are held out."""

    name: str
    start: str  # the first date, or a whole number
    step: str  # as of pandas; "" for numbers
    seasons: tuple[int, ...]  # that a person would try; the first is the unit of MASE
    horizon: int
    values: Floats  # [N, n]

    @property
    def before(self) -> Floats:
        return self.values[:, : -self.horizon]

    @property
    def after(self) -> Floats:
        return self.values[:, -self.horizon :]

    def write(self, path: Path) -> None:
        """Write the values before the horizon as a long table."""
        import pandas

        count = self.before.shape[1]
        first = int(self.start) if self.start.isdigit() else 0
        dates = pandas.date_range(self.start, periods=count, freq=self.step) if self.step else first + np.arange(count)
        names = np.repeat([f"s{k:04}" for k in range(len(self.values))], count)
        rows = {"unique_id": names, "ds": np.tile(dates, len(self.values)), "y": self.before.ravel()}
        pandas.DataFrame(rows).dropna().to_csv(path, index=False)


def tables(python: Path) -> Iterator[BenchTable]:
    """Yield all tables; `python` is that of the environment with the packages that hold the real ones."""
    for name, start, step, seasons, horizon, values in json.loads(run_peer(python, "series_peers.py", "tables")):
        yield BenchTable(name, start, step, tuple(seasons), horizon, np.atleast_2d(np.array(values, float)))
    yield BenchTable("hourly, days and weeks", "2024-01-01", "h", (24, 168), 168, hourly(8, 7 * 24 * 8))
    yield BenchTable("sold now and then", "2023-01-01", "D", (7,), 28, sold_now_and_then(80, 420))
    yield BenchTable("closed on Sundays", "2022-01-03", "D", (7,), 28, closed_on_sundays(4, 7 * 104))
    yield BenchTable("monthly, trends", "2018-01-01", "MS", (12,), 12, monthly(500, 84))
    yield BenchTable("weekly", "2019-01-06", "W", (1, 52), 13, weekly(40, 270))
    yield BenchTable("daily, weeks and years", "2020-01-01", "D", (7, 365), 56, daily(5, 1400))


def hourly(count: int, length: int) -> Floats:
    """Return loads with a profile for weekdays and another for weekends, a slow level and noise that stays. [N, n]"""
    random, hours = np.random.default_rng(101), np.arange(length)
    day, weekend = hours % 24, hours // 24 % 7 >= 5
    profiles = np.stack([smooth(random, count, 24), smooth(random, count, 24)])  # [2, N, 24]
    shape = np.where(weekend, 0.55 * profiles[1][:, day], profiles[0][:, day])
    level = random.uniform(50, 900, (count, 1)) * (1 + 0.0004 * np.cumsum(random.normal(size=(count, length)), axis=1))
    noise = correlated(random, count, length, 0.7) * random.uniform(0.03, 0.09, (count, 1))
    return np.asarray(np.round(level * (1 + 0.5 * shape + noise), 1))


def sold_now_and_then(count: int, length: int) -> Floats:
    """Return whole numbers sold per day, 0 on most days; some items sell more at weekends. [N, n]"""
    random = np.random.default_rng(102)
    rate = random.uniform(0.05, 0.6, (count, 1)) * np.exp(0.3 * correlated(random, count, length, 0.98))
    weekly = 1 + random.uniform(0, 0.8, (count, 1)) * (np.arange(length) % 7 >= 5)
    sold = random.random((count, length)) < np.minimum(0.95, rate * weekly)
    return np.asarray(sold * (1.0 + random.poisson(random.uniform(0, 3, (count, 1)), (count, length))))


def closed_on_sundays(count: int, length: int) -> Floats:
    """Return the sales of shops per day, from a Monday on: exactly 0 on Sundays. [N, n]"""
    random, days = np.random.default_rng(103), np.arange(length)
    weekday = np.concatenate([random.uniform(0.7, 1.5, (count, 6)), np.zeros((count, 1))], axis=1)
    year = 1 + 0.2 * np.sin(2 * np.pi * (days / 365.25 + random.random((count, 1))))
    level = random.uniform(40, 400, (count, 1)) * np.exp(0.004 * np.cumsum(random.normal(size=(count, length)), axis=1))
    noise = np.exp(0.12 * random.normal(size=(count, length)))
    return np.asarray(np.round(level * year * weekday[:, days % 7] * noise))


def monthly(count: int, length: int) -> Floats:
    """Return series with trends that bend, seasons that grow with the level in half of them, and noise. [N, n]"""
    random, months = np.random.default_rng(104), np.arange(length)
    slope = np.cumsum(random.normal(0, 0.0006, (count, length)), axis=1) + random.normal(0.003, 0.006, (count, 1))
    level = np.log(random.uniform(50, 5000, (count, 1))) + np.cumsum(slope, axis=1)
    level += np.cumsum(random.normal(0, 0.01, (count, length)), axis=1)
    season = random.uniform(0, 0.25, (count, 1)) * smooth(random, count, 12)[:, months % 12]
    noise = random.uniform(0.01, 0.06, (count, 1)) * random.normal(size=(count, length))
    fixed = np.exp(level) + np.exp(level[:, :1]) * season
    grows = np.arange(count)[:, None] % 2 == 0
    return np.asarray(np.round(np.where(grows, np.exp(level + season), fixed) * (1 + noise), 2))


def weekly(count: int, length: int) -> Floats:
    """Return walks with drift, a weak year in a third of them, and noise. [N, n]"""
    random, weeks = np.random.default_rng(105), np.arange(length)
    steps = random.standard_t(4, (count, length)) * random.uniform(0.004, 0.02, (count, 1))
    steps[:, 1:] += random.uniform(-0.2, 0.4, (count, 1)) * steps[:, :-1]
    year = np.where(np.arange(count)[:, None] % 3 == 0, 0.12, 0.0) * np.sin(2 * np.pi * weeks / 52.18)
    level = random.uniform(100, 9000, (count, 1))
    noise = 0.01 * random.normal(size=(count, length))
    return np.asarray(np.round(level * np.exp(np.cumsum(steps + 0.0005, axis=1) + year + noise), 1))


def daily(count: int, length: int) -> Floats:
    """Return series with a week, a year and a level that wanders. [N, n]"""
    random, days = np.random.default_rng(106), np.arange(length)
    week = 0.25 * smooth(random, count, 7)[:, days % 7]
    year = 0.35 * np.cos(2 * np.pi * (days / 365.25 - random.random((count, 1))))
    level = np.cumsum(random.normal(0, 0.006, (count, length)), axis=1) + np.log(random.uniform(80, 2000, (count, 1)))
    return np.asarray(np.round(np.exp(level + week + year + 0.08 * correlated(random, count, length, 0.4)), 1))


def smooth(random: np.random.Generator, count: int, period: int) -> Floats:
    """Return profiles with mean 0 and largest distance 1, of the first three harmonics. [N, period]"""
    angle = 2 * np.pi * np.arange(period) / period
    found = sum(
        random.normal(size=(count, 1)) / k * np.cos(k * angle + 2 * np.pi * random.random((count, 1)))
        for k in range(1, 4)
    )
    profiles = np.asarray(found)
    return np.asarray(profiles / np.abs(profiles).max(axis=1, keepdims=True))


def correlated(random: np.random.Generator, count: int, length: int, keep: float) -> Floats:
    """Return noise of variance 1 in which each value keeps a part of the one before. [N, n]"""
    found = random.normal(size=(count, length))
    for k in range(1, length):
        found[:, k] = keep * found[:, k - 1] + (1 - keep**2) ** 0.5 * found[:, k]
    return found
