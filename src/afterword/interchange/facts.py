"""The description of a model that every exported file contains."""

from __future__ import annotations

import dataclasses
from typing import Any

from afterword.model.folder.saved import SavedModel
from afterword.model.network.cells import Claimant, check_claimed


def facts(model: SavedModel) -> dict[str, Any]:
    """Return what a program needs to write with the LSTM, as JSON values: its text, its sizes and its origin.

    `tokens` are the texts of the rows, or the names of those without: <|end|> for the boundary, <0xE2> for a byte of
    a character. A classic model has no `boundary_id`.
    """
    tokenizer = model.tokenizer
    return {
        "boundary_id": tokenizer.end,
        "tokens": [text or name for text, name in zip(tokenizer.texts, tokenizer.tokens(), strict=False)],
        "unseen": model.unseen,
        "tokenizer": tokenizer.standard(),
        "config": dataclasses.asdict(model.config),
        "about": model.about,
    }


def notes(model: SavedModel, file: Claimant) -> list[str]:
    """Return what the user of a `file` with the LSTM alone should know. Raises OptionError for another cell."""
    check_claimed(model.config.cell, file)
    return (
        [] if model.ngram is None else ["the file has the LSTM without the n-gram, and predicts as the LSTM alone does"]
    )
