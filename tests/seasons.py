"""Small tables of monthly series with a season and noise, and a tiny model that has learned from one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afterword.model.folder.saved import load_model
from afterword.runs.begin import begin
from afterword.runs.loop import train_run
from afterword.runs.run import Run
from afterword.series.kept import keep
from afterword.series.table import BY_NAME, read_table
from afterword.series.table_corpus import OnValues, SeriesFacts, TableText, corpus_of
from afterword.text.corpus import Corpus

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


def learned_from(table: Path) -> Corpus:
    """Return the table as a corpus, with the last horizon held out."""
    return corpus_of(read_table(table, BY_NAME), FACTS, table.name)


def begin_small(corpus: Corpus, out: Path, steps: int = 24) -> Run:
    settings = replace(
        OnValues.of(corpus, minutes=1, seed=0),
        minutes=None,
        steps=steps,
        hidden_size=12,
        embedding_size=8,
        num_layers=1,
        dropout=0.2,
        threads=1,
        checkpoint_every=5,
    )
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
