"""Continue a run in a folder, with the settings that may change and with more time.

A run that has ended starts a new schedule from its weights: the rate rises once more and falls to zero. One that has
not ended keeps its schedule, whose rate falls more slowly. Either is a correction in the run's record, so a resumed or
repeated run takes the same steps.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from afterword.bases.base import load_base
from afterword.commands import learned_kinds
from afterword.errors import ModelError, OptionError, RunError
from afterword.learning.device import check_device, precision_on, why_unusable
from afterword.learning.recipe import Schedule
from afterword.planning.training_plan import AUTO, NONE, TrainingSettings
from afterword.runs.environment import check_ranks, check_torch, differences, environment
from afterword.runs.folder import RunFolder, locked
from afterword.runs.record import Environment, RunRecord, Stage
from afterword.runs.run import Run
from afterword.settings import settings_from
from afterword.text.corpus import TextSettings
from afterword.text.documents import Source
from afterword.text.encoded import EncodedCorpus, encode

MAY_CHANGE = ("device", "threads", "checkpoint_every")  # settings that may change on resume


def resume(
    path: Path,
    asked: Mapping[str, Any] | None = None,
    sources: Sequence[Source] = (),
    *,
    more_minutes: float | None = None,
) -> Run:
    """Continue the run in the folder `path` from its newest checkpoint.

    `asked` holds settings by name, and `sources` a text. They must be the run's own, except for the settings in
    `MAY_CHANGE`. If this machine, its device, its libraries or the threads differ from the run's so far, its bits may
    differ from those of an uninterrupted run: it continues with a note. `more_minutes` moves its end; see `extend`.
    Raises RunError for a missing or damaged run, or if another process trains it; OptionError for a setting that
    contradicts the run, or for a missing GPU.
    """
    check_torch()
    folder = RunFolder(path)
    folder.read_record()
    check_device((asked or {}).get("device", "auto"))
    with locked(folder):
        folder.tidy()
        record, encoded = folder.read_record(), EncodedCorpus.open(folder.corpus)
        with damage_reported(folder):
            if record.fingerprint != encoded.measured_fingerprint():
                raise RunError(f"the text in {folder.corpus} is not the one that this run began with")
            record, notes = take_settings(folder, record, asked or {})
            run = Run(folder, record, encoded, notes, settings=settings_from(TrainingSettings, record.asked))
            check_gpu(run)
            if sources:
                _check_text(run, sources)
            check_ranks(run.recipe)
            run.load_checkpoint()
            folder.reports()  # if they cannot be read, nothing is recorded
            if (threads := (asked or {}).get("threads")) not in (None, record.asked.get("threads")):
                given = {**record.asked, "threads": threads}
                run.change_threads(run.saved[1].step if run.saved else 0, threads, asked=given)
            _compare_environment(run)
            if more_minutes is not None:
                extend(run, more_minutes)
            elif record.ended is not None:
                run.notes.append("this run has ended: `more_minutes` 5 would train it for longer")
        return run


@contextlib.contextmanager
def damage_reported(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except (OSError, LookupError, TypeError, ValueError, ModelError) as error:
        raise RunError(f"the run in {folder.path} is damaged: {type(error).__name__}: {error}") from None


def take_settings(folder: RunFolder, record: RunRecord, asked: Mapping[str, Any]) -> tuple[RunRecord, list[str]]:
    """Return `record` with the settings in `asked` that may change, and notes for the user.

    Nothing is written yet. Raises OptionError for the first setting that contradicts the run in `folder`.
    """
    for name, other in learned_kinds().items():
        if record.asked.get(name):
            raise RunError(f"the run in {folder.path} {other.ended}")
    recipe, notes = record.plan, list[str]()
    recorded = {**record.text, **asdict(recipe), **{name: it for name, it in record.asked.items() if it is not None}}
    for name, value in asked.items():
        if name == "device":
            if value not in ("auto", recipe.device):
                precision = precision_on(value, recipe.precision, recipe.hidden_size)
                if precision != recipe.precision:
                    notes.append(f"{recipe.precision} does not suit the other device: the run continues in {precision}")
                recipe = replace(recipe, device=value, precision=precision)
        elif name == "base":
            _check_base(folder, record, value)
        elif name in MAY_CHANGE:
            recipe = replace(recipe, **{name: value})
        elif value != (has := recorded.get(name)):
            raise OptionError(
                f"`{name}` is {_spelled(has)} in the run {folder.path}, "
                f"not {_spelled(value)}: leave it out, or begin another run with another `out`"
            )
    return replace(record, plan=recipe), notes


def _check_base(folder: RunFolder, record: RunRecord, base: str) -> None:
    """Raise OptionError if the run did not begin from `base`; "auto" is always right."""
    had = record.base
    if base == AUTO:
        return
    found = None if base == NONE else load_base(base)
    if (found and found.fingerprint) != (had and had.fingerprint):
        changed = " as it is now" if found and had and found.name == had.name else ""
        raise OptionError(
            f"the run {folder.path} began from {had.name if had else 'scratch'}, not from "
            f"{base if found else 'scratch'}{changed}: leave `base` out, or begin another run with another `out`"
        )


def check_gpu(run: Run) -> None:
    """Raise OptionError if `run` trains on a GPU that this process cannot use."""
    if why := why_unusable(run.recipe.device):
        raise OptionError(f"the run {run.folder.path} trains on a GPU, and {why}: give `device` cpu to continue")


def _spelled(value: Any) -> str:
    """Return `value` as a config file spells it."""
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_text(run: Run, sources: Sequence[Source]) -> None:
    """Raise RunError unless `sources` contain the text that `run` learns from."""
    text = settings_from(TextSettings, {"unwrap": "no", **run.record.text})  # early runs read every text as it was
    name, place = ", ".join(os.fspath(source) for source in sources), run.folder.path
    with text.read(sources, run.recipe.seed) as corpus:
        found = corpus.training_characters + corpus.validation_characters
        had = run.encoded.training_characters + run.encoded.validation_characters
        if found != had:
            raise RunError(f"{name} has {found:,} characters, and the text of the run {place} has {had:,}")
        with run.folder.begin_new() as new:
            encoded = encode(corpus, run.encoded.tokenizer, new.corpus)
        if encoded.fingerprint != run.record.fingerprint:
            raise RunError(f"{name} is as long as the text of the run {place}, but not the same")


def _compare_environment(run: Run) -> None:
    """Note and record the changes that may make the run's bits differ from here on."""
    history = run.record.environments
    now = environment(run.recipe.threads, run.recipe.device)
    if changed := differences(history[-1:], now):
        run.notes.append(f"{changed}: the run continues, but perhaps not bit for bit as it would have")
        run.change_record(environments=(*history, Environment(run.saved[1].step if run.saved else 0, now)))


def extend(run: Run, more_minutes: float) -> None:
    """Move the end of `run`, and record it. Raises RunError if there is no state to continue from."""
    if run.saved is None:
        raise RunError(f"the run in {run.folder.path} has no checkpoint yet: continue it with `resume` alone first")
    step, seconds = run.saved[1].step, run.saved[1].seconds
    corrections = [pair for pair in run.record.corrections if pair[0] <= step]  # what was decided later is abandoned
    ended_at, pace = Schedule(run.recipe, corrections).steps, seconds / step
    steps = ended_at + max(1, round(more_minutes * 60 / pace))
    planned = None if step == ended_at else run.minutes  # one that ended may have ended early
    minutes = (planned or (seconds + (ended_at - step) * pace) / 60) + more_minutes
    run.change_record(
        corrections=(*corrections, (step, steps)),
        threads=tuple(pair for pair in run.record.threads if pair[0] <= step),
        rollbacks=tuple(to for to in run.record.rollbacks if to <= step),
        begun_again=None if step < (run.record.begun_again or 0) else run.record.begun_again,
        stages=(*run.record.stages, Stage(step, steps, minutes, {"more_minutes": more_minutes})),
        ended=None,
    )
    way = "the learning rate stays" if run.recipe.schedule == "constant" else "the learning rate falls more slowly"
    way = "a new schedule starts from its weights" if step == ended_at else way
    run.notes.append(f"the run continues from step {step:,} to step {steps:,} instead of {ended_at:,}: {way}")
