"""The network of a forecast, kept in a folder: a saved model that knows which series it has learned."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from afterword.language_model import LanguageModel, saved_model
from afterword.model.folder.card import UNKNOWN, card_text
from afterword.model.folder.saved import SavedModel, save_model
from afterword.series.table_corpus import SeriesFacts


def load_kept(path: str | os.PathLike[str]) -> tuple[LanguageModel, SeriesFacts]:
    """Return the network that `path` names, as `load` does, and what it has learned. Raises ModelError."""
    saved, *_ = saved_model(path, learned="series")
    return LanguageModel(saved), SeriesFacts.of(saved)


def keep(model: SavedModel, facts: SeriesFacts, folder: Path) -> None:
    """Write `model`, which has learned series of these `facts`, to `folder`. Raises StorageError."""
    model.about["series"] = asdict(facts)
    save_model(folder, model, _card(model, facts))


def _card(model: SavedModel, facts: SeriesFacts) -> str:
    corpus, training, validation = (model.about[name] for name in ("corpus", "training", "validation"))
    learned, held_out = (corpus[part]["characters"] for part in ("training", "validation"))
    kind = f"{facts.frequency} series, season {facts.season:,}, to forecast {facts.horizon:,} values"
    rows = {
        "table": f"{corpus['sources'][0]}: {kind}, {learned:,} values to learn from, {held_out:,} held out",
        "network": f"{model.config.network}, {model.config.parameters:,} parameters",
        "training": f"{training['steps']:,} steps, seed {training['seed']}",
        "held-out values": f"{validation['bits_per_character']:.3f} bits per value",
    }
    lines = ["# A network that forecasts", "", "A small LSTM, trained with Afterword on its user's own table.", ""]
    lines += ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]
    lines += ["", "```", "afterword forecast . FILE", "```", ""]
    about = {"license": UNKNOWN, "library_name": "afterword", "pipeline_tag": "time-series-forecasting"}
    return card_text({**about, "tags": ["afterword", model.config.cell]}, "\n".join(lines))
