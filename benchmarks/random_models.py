"""Models with random weights, for figures that do not depend on what a network has learned: speed, size, exactness."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config, weight_shapes
from afterword.model.ngram.tables import Ngram
from afterword.text.characters import CharTokenizer

EMBEDDING = 64
SPREAD = 0.06


def random_weights(config: Config, seed: int = 0, spread: float = SPREAD) -> dict[str, NDArray[np.float32]]:
    """Draw all weights of a network uniformly from -spread to spread."""
    random = np.random.default_rng(seed)
    return {name: random.uniform(-spread, spread, s).astype(np.float32) for name, s in weight_shapes(config).items()}


def random_model(
    characters: Iterable[str], layers: int, units: int, ngram_of: str | None = None, mixture_weight: float = 0.3
) -> SavedModel:
    """Return a model of these characters with random weights, and with the n-gram of the text `ngram_of`, if given."""
    tokenizer = CharTokenizer.of(sorted({"\n", *characters}))
    rows = tokenizer.rows
    config = Config(rows, tokenizer.shared_row_tokens, EMBEDDING, units, layers)
    unseen = [rows - 2, rows - 1]  # the boundary and the bytes, as in a model of running text
    model = SavedModel(config, random_weights(config), tokenizer, unseen, {"lines": False})
    if ngram_of is not None:
        assert tokenizer.end is not None
        start = int(tokenizer.encode("\n")[0])
        model.ngram, model.mixture_weight = (
            Ngram.learn(tokenizer.encode(ngram_of), rows, tokenizer.end, start),
            mixture_weight,
        )
    return model
