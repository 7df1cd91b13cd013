"""Which model a run begins from: the one that was asked for, or the one that ships where it helps with a text."""

from __future__ import annotations

from afterword.bases.base import Base, check_vocabulary, load_base
from afterword.bases.shipped import FOLDERS
from afterword.errors import OptionError
from afterword.learning.best import Measured
from afterword.planning.plan import AS_ASKED
from afterword.planning.rules import LEAST_FROM_BASE, Choice
from afterword.planning.settings import AUTO, NONE, TrainingSettings
from afterword.text.corpus import TextSettings

SIZES = ("num_layers", "hidden_size", "embedding_size")  # which a base has already


def base_asked_for(settings: TrainingSettings, text: TextSettings) -> Base | None:
    """The base that `settings` name; None where they name none, or leave it to the plan.

    Raises OptionError for what is no model, and for one that these settings contradict.
    """
    if settings.base in (AUTO, NONE):
        return None
    if settings.recipe == "classic":
        raise OptionError(f"base {settings.base}: the classic recipe begins from nothing; leave it out")
    base = load_base(settings.base)
    check_vocabulary(base, text.vocabulary)
    if settings.cell != base.config.cell:
        raise OptionError(f"base {settings.base} is made of {base.config.cell} cells: give --cell {base.config.cell}")
    contradicting = _contradicting(settings, base)
    if contradicting:
        name, has = contradicting
        option, value = name.replace("_", "-"), getattr(settings, name)
        raise OptionError(
            f"{option} {value} and base {settings.base} exclude each other, whose {option} is {has}: "
            f"leave --{option} out, or give --base none"
        )
    return base


def base_to_try(settings: TrainingSettings, vocabulary: str) -> Choice[Base | None]:
    """The shipped base that may do, where the plan is to decide; None, and why, where none comes into question."""
    if settings.base == NONE:
        return Choice(None, AS_ASKED)
    base = load_base(next(iter(FOLDERS)))
    if vocabulary != base.model.tokenizer.kind:
        return Choice(None, f"{base.name} reads {base.model.tokenizer.kind}, and this run {vocabulary}")
    if settings.cell != base.config.cell:
        return Choice(None, f"{base.name} is made of {base.config.cell} cells")
    contradicting = _contradicting(settings, base)
    if contradicting:
        name, has = contradicting
        return Choice(None, f"{name.replace('_', '-')} is set, and that of {base.name} is {has}")
    return Choice(base)


def decided(base: Base, untouched: Measured | None) -> Choice[Base | None]:
    """Whether to begin from `base`, by what it brings as it is on a sample of the held-out text.

    `untouched` is what that costs base and n-gram; None where nothing is held out.
    """
    if untouched is None or untouched.ngram is None:
        return Choice(None, f"nothing is held out to tell whether one helps; --base {base.name} takes it all the same")
    gain = 1 - untouched.cost / untouched.ngram
    figures = f"as it is, {base.name} takes {gain:.1%} off what the n-gram alone costs"
    if gain < LEAST_FROM_BASE:
        return Choice(None, f"{figures}; {LEAST_FROM_BASE:.0%} would make it worth it")
    return Choice(base, figures)


def _contradicting(settings: TrainingSettings, base: Base) -> tuple[str, object] | None:
    """The first of the sizes in `settings` that `base` has otherwise, and what it is there."""
    for name in SIZES:
        asked, has = getattr(settings, name), getattr(base.config, name)
        if asked is not None and asked != has:
            return name, has
    return None
