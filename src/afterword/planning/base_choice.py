"""The choice of the model that a run starts from: the one given, or the best of the installed ones if it helps."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from afterword.bases.base import Base, load_base, load_installed, vocabulary_conflict
from afterword.bases.installed import installed
from afterword.errors import OptionError
from afterword.learning.validation import Measured, learn_ngram
from afterword.model.arrays import check_threads_fit
from afterword.model.ngram.tables import HIGHEST_ORDER, Ngram
from afterword.planning.training_plan import AS_ASKED, AUTO, NONE, TrainingSettings
from afterword.planning.tuning import LEAST_FROM_BASE, Choice
from afterword.planning.untrained import Untrained
from afterword.text.corpus import TextSettings
from afterword.text.encoded import EncodedCorpus

TO_COMPARE, TO_JUDGE = 4_000, 10_000  # characters of held-out text that each of several bases reads, and the best one
SIZES = ("num_layers", "hidden_size", "embedding_size")  # fixed by a base


def base_asked_for(settings: TrainingSettings, text: TextSettings) -> Base | None:
    """Return the base that `settings` name, or None if they leave it to the plan or want no base.

    Raises OptionError if it is not a model, and if these settings contradict it.
    """
    if settings.base in (AUTO, NONE):
        return None
    if settings.recipe == "classic":
        raise OptionError("the classic recipe does not begin from a base: leave `base` out")
    base = load_base(os.fspath(settings.base))
    if conflict := _conflict(base, settings, text.vocabulary):
        raise OptionError(f"base {conflict}")
    return base


@dataclass(frozen=True)
class StartingPoint:
    """The beginning of a run, with the figures that decided it."""

    base: Base | None
    why: str
    """The reason for using this base, or none."""
    untrained: Untrained | None = None
    """The base on held-out text; None without either."""
    ngram: Ngram | None = None
    """The n-gram model of the training text, unless it was counted in other tokens than the run's."""
    problems: Sequence[str] = ()
    """A message for each installed base that cannot be used."""


SCRATCH = StartingPoint(None, AS_ASKED)


def choose_start(
    encoded: EncodedCorpus, settings: TrainingSettings, vocabulary: str | None, base: Base | None = None
) -> StartingPoint:
    """Return what a run begins from: `base`, or the installed base that suits the text best, if one is worth it.

    `encoded` has the tokens of `base` or, without one, those of the `vocabulary` asked for.
    """
    tried, why, problems = ([base], AS_ASKED, []) if base else _candidates(settings, vocabulary)
    if not tried:
        return StartingPoint(None, why, problems=problems)
    check_threads_fit(2)
    with ThreadPoolExecutor(2) as others:  # PyTorch loads, mostly in Python, while NumPy reads and counts
        others.submit(importlib.import_module, "afterword.learning.learner")
        counting = others.submit(learn_ngram, encoded, HIGHEST_ORDER)
        if len(tried) > 1:
            read = {each.name: Untrained.read(each, encoded, TO_COMPARE) for each in tried}
            ngram = counting.result()
            costs = {name: one.with_ngram(ngram, encoded.tokenizer).cost for name, one in read.items() if one}
            tried.sort(key=lambda one: costs.get(one.name, 0.0))
            why = f"it suits the text better than {' and '.join(one.name for one in tried[1:])}"
        best = tried[0]
        untrained = Untrained.read(best, encoded, TO_JUDGE)
        ngram = counting.result()
    if base is not None:
        return StartingPoint(base, why, untrained, ngram)
    untouched = untrained.with_ngram(ngram, encoded.tokenizer) if untrained else None
    helps, why = decided(best, untouched, why)
    if not helps or untrained is None:
        return StartingPoint(None, why, ngram=ngram, problems=problems)
    return StartingPoint(best, why, untrained, ngram if untrained.tokenizer == encoded.tokenizer else None, problems)


def _candidates(settings: TrainingSettings, vocabulary: str | None) -> tuple[list[Base], str, list[str]]:
    """Return the installed bases that a run of these settings can begin from, or why it can begin from no base.

    Also return a message for each that cannot be used.
    """
    if settings.base == NONE or settings.recipe == "classic":
        return [], AS_ASKED, []
    bases, problems = load_installed(installed())
    conflicts = {base.name: _conflict(base, settings, vocabulary) for base in bases}
    fitting = [base for base in bases if not conflicts[base.name]]
    why = "; ".join(conflict.partition(": ")[0] for conflict in conflicts.values() if conflict)
    return fitting, "" if fitting else why or "no base is installed", problems


def decided(base: Base, untouched: Measured | None, preferred: str = "") -> Choice[bool]:
    """Decide whether to begin from `base`, by its gain as it is on a sample of the held-out text.

    `untouched` is the cost of that sample to base and n-gram; None if nothing is held out. `preferred` says why this
    base was tried and no other.
    """
    if untouched is None or untouched.ngram is None:
        return False, f"a base cannot be tested without held-out text; to use {base.name} untested, give its name"
    figures = f"as it is, {base.name} lowers the cost of the n-gram alone by {untouched.gain:.1%}"
    figures += f", and {preferred}" if preferred else ""
    if untouched.gain < LEAST_FROM_BASE:
        return False, f"{figures}; it takes {LEAST_FROM_BASE:.1%} to be worth it"
    return True, figures


def _conflict(base: Base, settings: TrainingSettings, vocabulary: str | None) -> str | None:
    """Return what keeps a run of these settings from beginning from `base`, and after a colon what to do."""
    if conflict := vocabulary_conflict(base, vocabulary):
        return conflict
    if settings.cell != (cell := base.model.config.cell):
        return f"{base.name} is made of {cell} cells: give `cell` {cell}"
    for name in SIZES:
        asked, has = getattr(settings, name), getattr(base.model.config, name)
        if asked not in (None, has):
            size = name.replace("num", "number of").replace("_", " ")
            return f"{base.name} has {has} as its {size}, not {asked}: leave `{name}` out, or give `base` none"
    return None
