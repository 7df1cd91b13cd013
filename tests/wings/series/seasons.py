"""Small tables of months or hours, with a season and noise, and tiny models of such series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from afterword.model.folder.saved import SavedModel, load_model, save_model
from afterword.model.network.config import Config
from afterword.runs.begin import begin
from afterword.runs.loop import train_run
from afterword.runs.run import Run
from afterword.text.characters import CharTokenizer
from afterword.text.corpus import Corpus
from afterword.wings.series import trials
from afterword.wings.series.series_network import keep
from afterword.wings.series.table import BY_NAME, read_table
from afterword.wings.series.value_text import CHARACTERS, OnValues, SeriesFacts, TableText, corpus_of
from tests.tiny import random_weights

SEASON, HORIZON, SERIES, LENGTH = 12, 6, 8, 120
FACTS = SeriesFacts(SEASON, HORIZON, "monthly")
MONTHS = np.datetime64("2010-01", "M") + np.arange(LENGTH)


def seasonal(seed: int = 0, series: int = SERIES, length: int = LENGTH) -> NDArray[np.float64]:
    """Return series of positive values: a level, a season of 12 and noise. [series, length]"""
    random = np.random.default_rng(seed)
    level = 50 + 10 * np.arange(series)[:, None]
    wave = 20 * np.sin(2 * np.pi * (np.arange(length) + np.arange(series)[:, None]) / SEASON)
    return np.asarray(np.round(level + wave + random.normal(0, 4, (series, length)), 2))


def long_csv(values: NDArray[np.float64]) -> str:
    """Return series [series, months] as a table of unique_id, ds and y."""
    rows = [
        f"s{k},{month}-01,{value}" for k, one in enumerate(values) for month, value in zip(MONTHS, one, strict=False)
    ]
    return "\n".join(["unique_id,ds,y", *rows]) + "\n"


def leave_out_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no time for the methods that are not simple."""
    for name in ("ASKED", "BESIDE", "SECONDS", "MORE"):
        monkeypatch.setattr(trials, name, 0)


def learned_from(table: Path) -> Corpus:
    """Return the table as a corpus, with the last horizon held out."""
    return corpus_of(read_table(table, BY_NAME), FACTS, table.name)


def begin_small(corpus: Corpus, out: Path, steps: int = 24) -> Run:
    sizes: dict[str, Any] = {"hidden_size": 12, "embedding_size": 8, "num_layers": 1, "dropout": 0.2, "threads": 1}
    settings = replace(OnValues.of(corpus, minutes=1, seed=0), minutes=None, steps=steps, checkpoint_every=5, **sizes)
    return begin(corpus.sources, out, TableText(corpus), settings)


def train_small(folder: Path, steps: int = 24) -> Path:
    """Train a network on a table, table.csv beside it, and return the folder in which it is kept."""
    table = folder / "table.csv"
    table.write_text(long_csv(seasonal()))
    run = begin_small(learned_from(table), folder / "run", steps=steps)
    for _ in train_run(run):
        pass
    keep(load_model(run.folder.model), FACTS, folder / "kept")
    return folder / "kept"


def save_tiny_series(folder: Path) -> Path:
    """Save a model of hourly series with a season of 24, which expects small changes, whatever it reads."""
    tokenizer = CharTokenizer.of(CHARACTERS)
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=4, hidden_size=6, num_layers=1)
    weights = random_weights(config)
    weights["output.bias"][:256] -= np.abs(np.arange(256) - 127.5).astype(np.float32) / 8
    series = {"season": 24, "horizon": 24, "frequency": "hourly"}
    about: dict[str, Any] = {"recipe": "auto", "lines": True, "corpus": {"sources": ["t.csv"]}, "series": series}
    saved = SavedModel(config, weights, tokenizer, [tokenizer.rows - 1], {**about, "validation": None})
    save_model(folder, saved, "# Tiny\n")
    return folder


def hourly(seed: int, days: int = 20, names: Sequence[str] = ("north", "south")) -> dict[str, NDArray[np.float64]]:
    """Return series [24 · days] by name, each a daily wave with noise."""
    random, hours = np.random.default_rng(seed), np.arange(24 * days)
    return {
        name: np.round(100 + 20 * np.sin(hours * np.pi / 12) + random.normal(0, 3, len(hours)), 2) for name in names
    }


def hourly_csv(series: Mapping[str, NDArray[np.float64]], step: str = "h") -> bytes:
    """Return series as a table with the columns unique_id, ds and y, whose dates begin in January 2024."""
    first = np.datetime64("2024-01-01", "s")
    rows = [
        f"{name},{date},{value}"
        for name, values in series.items()
        for date, value in zip(first + np.arange(len(values)).astype(f"m8[{step}]"), values, strict=True)
    ]
    return "\n".join(["unique_id,ds,y", *rows, ""]).replace("T", " ").encode()
