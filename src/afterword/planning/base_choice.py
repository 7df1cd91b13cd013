"""The choice of the model that a run starts from: the one given, or the best of the installed ones if it helps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from afterword.bases.base import Base, load_base, load_installed, vocabulary_conflict
from afterword.bases.installed import installed
from afterword.errors import OptionError
from afterword.learning.batches import Batch
from afterword.learning.validation import Measured, ngram_nats
from afterword.model.network.network import Network
from afterword.model.ngram.mixture import fitted_weight, mixed
from afterword.model.ngram.tables import Ngram
from afterword.planning.training_plan import AS_ASKED, AUTO, NONE, TrainingSettings
from afterword.planning.tuning import LEAST_FROM_BASE, Choice
from afterword.scoring.costs import USED, token_nats
from afterword.text.corpus import TextSettings
from afterword.text.encoded import EncodedCorpus

PIECES, PIECE = 32, 64  # of the held-out text, and tokens of each, by which bases are compared
SIZES = ("num_layers", "hidden_size", "embedding_size")  # fixed by a base


def base_asked_for(settings: TrainingSettings, text: TextSettings) -> Base | None:
    """Return the base that `settings` name, or None if they leave it to the plan or want no base.

    Raises OptionError if it is not a model, and if these settings contradict it.
    """
    if settings.base in (AUTO, NONE):
        return None
    if settings.recipe == "classic":
        raise OptionError(f"base {settings.base}: the classic recipe does not begin from a base; leave it out")
    base = load_base(settings.base)
    if conflict := _conflict(base, settings, text.vocabulary):
        raise OptionError(f"base {conflict}")
    return base


def base_to_try(
    settings: TrainingSettings, encoded: EncodedCorpus, ngram: Callable[[], Ngram]
) -> tuple[Choice[Base | None], list[str]]:
    """Return the installed base that suits the text best, if the plan has to decide and one is possible; else None,
    and why. Also return a note for each that cannot be used.

    `ngram` returns the n-gram of the training text, which is only needed to compare bases.
    """
    if settings.base == NONE:
        return Choice(None, AS_ASKED), []
    bases, problems = load_installed(installed())
    conflicts = {base.name: _conflict(base, settings, encoded.tokenizer.kind) for base in bases}
    fitting = [base for base in bases if not conflicts[base.name]]
    if not fitting:
        why = "; ".join(conflict.partition(": ")[0] for conflict in conflicts.values() if conflict)
        return Choice(None, why or "no base is installed"), problems
    if len(fitting) == 1:
        return Choice(fitting[0]), problems
    best = _best(fitting, encoded, ngram)
    others = " and ".join(base.name for base in fitting if base is not best)
    return Choice(best, f"it suits the text better than {others}"), problems


def _best(bases: list[Base], encoded: EncodedCorpus, ngram: Callable[[], Ngram]) -> Base:
    """Return the base that predicts a sample of the held-out text best, together with the n-gram.

    The text is read in short pieces, each from an empty state. That takes a fraction of a second, and is exact enough
    to distinguish languages.
    """
    rows, tokenizer = encoded.validation, encoded.tokenizer
    pieces = max(1, min(PIECES, len(rows) // PIECE))
    ids = np.stack([rows[at : at + PIECE] for at in len(rows) * np.arange(pieces) // pieces]).astype(np.int64)

    def nats(base: Base) -> NDArray[np.float64]:
        weights = base.weights_for(tokenizer, encoded.lines, seed=0)
        config = dataclasses.replace(
            base.config, vocabulary_size=tokenizer.rows, byte_tokens=tokenizer.shared_row_tokens
        )
        found = token_nats(Network(config, weights), tokenizer.end, ids)[USED] - config.shared_row_nats(ids)
        return found.T.ravel()

    by_base = [nats(base) for base in bases]  # while the n-gram is counted
    inputs = np.concatenate([np.full((pieces, 1), tokenizer.end), ids[:, :-1]], axis=1)
    [by_ngram] = ngram_nats(ngram(), [Batch(inputs.T, ids.T, np.full(pieces, True), weight=1.0, tokens=ids.size)])
    costs = [mixed(each, by_ngram, fitted_weight(each, by_ngram)).mean() for each in by_base]
    return bases[int(np.argmin(costs))]


def decided(base: Base, untouched: Measured | None, preferred: str = "") -> Choice[Base | None]:
    """Decide whether to begin from `base`, by its gain as it is on a sample of the held-out text.

    `untouched` is the cost of that sample to base and n-gram; None if nothing is held out. `preferred` says why this
    base was tried and no other.
    """
    if untouched is None or untouched.ngram is None:
        return Choice(None, f"a base cannot be tested without held-out text; --base {base.name} uses it untested")
    figures = f"as it is, {base.name} lowers the cost of the n-gram alone by {untouched.gain:.1%}"
    figures += f", and {preferred}" if preferred else ""
    if untouched.gain < LEAST_FROM_BASE:
        return Choice(None, f"{figures}; it takes {LEAST_FROM_BASE:.0%} to be worth it")
    return Choice(base, figures)


def _conflict(base: Base, settings: TrainingSettings, vocabulary: str) -> str | None:
    """Return what keeps a run of these settings from beginning from `base`, and after a colon what to do."""
    if conflict := vocabulary_conflict(base, vocabulary):
        return conflict
    if settings.cell != (cell := base.config.cell):
        return f"{base.name} is made of {cell} cells: give --cell {cell}"
    for name in SIZES:
        asked, has, option = getattr(settings, name), getattr(base.config, name), name.replace("_", "-")
        if asked not in (None, has):
            return (
                f"{base.name} has {option} {has}, so --{option} {asked} cannot be used with it: "
                f"leave --{option} out, or give --base none"
            )
    return None
