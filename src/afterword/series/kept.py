"""The network of a forecast, kept in a folder: a saved model that knows which series it has learned."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from afterword.language_model import LanguageModel, saved_model
from afterword.model.folder.card import card
from afterword.model.folder.saved import SavedModel, save_model
from afterword.series.table_corpus import SeriesFacts


def load_kept(path: str | os.PathLike[str]) -> tuple[LanguageModel, SeriesFacts]:
    """Return the network that `path` names, as `load` does, and what it has learned. Raises ModelError."""
    saved, *_ = saved_model(path, learned="series")
    return LanguageModel(saved), SeriesFacts.of(saved)


def keep(model: SavedModel, facts: SeriesFacts, folder: Path) -> None:
    """Write `model`, which has learned series of these `facts`, to `folder`. Raises StorageError."""
    model.about["series"] = asdict(facts)
    save_model(folder, model, card(model, samples=[]))
