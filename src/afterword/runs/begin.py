"""The beginning of a run: from a text, or once more from another run's folder, by one process or several."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from afterword.errors import AfterwordError, RunError
from afterword.learning.device import check_device, memory_reported
from afterword.learning.ranks import meet, ranks
from afterword.model.folder.saved import Origin
from afterword.planning.base_choice import base_asked_for, choose_start
from afterword.planning.recipes import check_batch, make_plan, text_settings
from afterword.planning.training_plan import Plan, TrainingSettings
from afterword.runs.environment import check_ranks, check_torch, differences, environment, versions
from afterword.runs.folder import RunFolder, check_outside, check_run_place, locked
from afterword.runs.record import Environment, RunRecord
from afterword.runs.resume import check_gpu, damage_reported, take_settings
from afterword.runs.run import Run
from afterword.settings import ignore_progress
from afterword.storage import temporary_folder
from afterword.text.corpus import TextSettings
from afterword.text.documents import Source
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer


@dataclass(frozen=True)
class Preview:
    """The run that `begin` would start."""

    plan: Plan
    encoded: EncodedCorpus
    notes: list[str]
    """Messages for the user about the text and the plan."""
    planning_seconds: float
    """Time for measuring and planning, without reading and encoding the text."""
    text: dict[str, Any]
    """The sources, and every setting of the text."""


@contextmanager
def _planned(
    sources: Sequence[Source],
    text: TextSettings,
    training: TrainingSettings,
    place: AbstractContextManager[RunFolder],
    on_read: Callable[[Sequence[str]], object] = ignore_progress,
) -> Iterator[tuple[RunFolder, Preview]]:
    """Check the settings, read the text, and plan, with the encoded text in the folder that `place` yields."""
    check_torch()
    check_device(training.device)
    base = base_asked_for(training, text)
    text = text_settings(text, training)
    with text.read(sources, training.seed) as corpus:
        check_batch(corpus.training_characters, text, training)
        if base is None:
            tokenizer = learn_tokenizer(corpus, text.vocabulary, text.lowercase)
        else:
            tokenizer = base.model.tokenizer.for_text(corpus.characters, text.lowercase)
        with place as new:
            on_read(corpus.sources)
            encoded, began = encode(corpus, tokenizer, new.corpus), time.monotonic()
            start = choose_start(encoded, training, text.vocabulary, base)
            if start.untrained and start.untrained.tokenizer != tokenizer:
                encoded = encode(corpus, start.untrained.tokenizer, new.corpus)
            with memory_reported():
                plan = make_plan(encoded, training, start)
            check_ranks(plan.recipe)
            seconds, notes = time.monotonic() - began, [*corpus.notes, *plan.notes]
            settings = {"sources": corpus.sources, **asdict(text), "vocabulary": encoded.tokenizer.kind}
            settings["unwrap"] = "no" if corpus.unwrapped is None else "yes"
            yield new, Preview(plan, encoded, notes, seconds, settings)


def preview(sources: Sequence[Source], text: TextSettings, training: TrainingSettings) -> Preview:
    """Read the text and plan, as `begin` does, and write nothing. Raises an InputError as `begin` does."""
    with temporary_folder() as folder:
        place = RunFolder(folder).begin_new()
        with _planned(sources, text, training, place) as (_, found):
            return found


def begin(
    sources: Sequence[Source],
    out: Path,
    text: TextSettings,
    training: TrainingSettings,
    *,
    overwrite: bool = False,
    on_read: Callable[[Sequence[str]], object] = ignore_progress,
) -> Run:
    """Read the text, plan, and make the run folder `out`.

    `on_read` is called with the names of the texts once their vocabulary is known, before planning.
    Raises an InputError, and leaves everything as it was, if the text, the numbers or the folder cannot be used. A run
    that is overwritten is removed when the new one is ready to start; so is one of the same settings that was killed
    before its first checkpoint.
    """
    opened, folder = time.monotonic(), RunFolder(out)
    asked = {"texts": [str(os.fspath(source)) for source in sources], **asdict(text), **asdict(training)}
    check_run_place(folder, overwrite, asked)
    check_outside(sources, folder)
    with _planned(sources, text, training, _replaced(folder, overwrite, asked), on_read) as (new, ready):
        plan, encoded, base_used = ready.plan, ready.encoded, None
        recipe, base = plan.recipe, plan.base
        if base is not None:
            new.write_base(base.weights_for(encoded.tokenizer, encoded.lines, recipe.seed))
            base_used = Origin(base.name, base.fingerprint)
        environments = (Environment(0, environment(recipe.threads, recipe.device)),)
        record = RunRecord(
            asked, recipe, plan.expected, ready.text, encoded.fingerprint, versions(), environments, base=base_used
        )
        new.write_record(record)
    encoded = EncodedCorpus.open(folder.corpus)
    return Run(folder, record, encoded, ready.notes, opened=opened, ngram=plan.ngram, settings=training)


@contextmanager
def _replaced(folder: RunFolder, overwrite: bool, asked: dict[str, Any]) -> Iterator[RunFolder]:
    """Yield an empty folder, and put what the block writes there in the place of `folder`, which stays locked."""
    with locked(folder):
        check_run_place(folder, overwrite, asked)  # it may have become a run while a pipe was read
        folder.tidy()
        with folder.begin_new() as new:
            yield new
            folder.take(new)


def repeat(path: Path, out: Path, asked: Mapping[str, Any] | None = None, *, overwrite: bool = False) -> Run:
    """Begin the run in the folder `path` once more in `out`: its plan, its text, and every decision made on its way.

    Nothing is measured, and the text is the run's own encoded one. The corrections and rollbacks are in the new
    record from the start, so the steps and their learning rates are the same, and with them the bits. A run that was
    stopped midway is repeated that far, and then continues to its planned end. `asked` is as for `resume`.
    Raises RunError for a missing or damaged run, where its bits may differ, or if `out` cannot be used; OptionError for
    a setting that contradicts the run.
    """
    check_torch()
    folder, original = RunFolder(out), RunFolder(path)
    record, encoded = original.read_record(), EncodedCorpus.open(original.corpus)
    if os.path.realpath(path) == os.path.realpath(out):
        raise RunError(f"{out} is the run to repeat: give `out` another folder")
    check_outside([path], folder)
    with damage_reported(original):
        record, notes = take_settings(original, record, asked or {})
        now = environment(record.plan.threads, record.plan.device)
        if changed := differences(record.environments, now):
            raise RunError(f"{changed}: the run cannot be repeated bit for bit here; train on its text again instead")
    record = replace(record, versions=versions(), environments=(Environment(0, now),))
    check_ranks(record.plan)
    check_run_place(folder, overwrite, record.asked)
    with _replaced(folder, overwrite, record.asked) as new:
        with damage_reported(original):
            copy = encoded.copy(new.corpus)
            if record.base is not None:
                new.write_base(original.read_base(record.plan.config(encoded.tokenizer)))
        if copy.measured_fingerprint() != record.fingerprint:
            raise RunError(f"the text in {original.corpus} is not the one that this run began with")
        new.write_record(record)
    return Run(folder, record, EncodedCorpus.open(folder.corpus), notes)


def together(make: Callable[[], Run], path: Path) -> Run:
    """Return the run that `make` begins, resumes or repeats in `path`; of torchrun's ranks, the first makes it for all.

    If that fails, the first rank raises the error, and the others exit with the same status.
    """
    if ranks() == 1:
        return make()
    check_torch()
    team = meet()
    if team.rank == 0:
        try:
            run = make()
        except BaseException as error:
            team.from_first(error.exit_status if isinstance(error, AfterwordError) else 1)
            raise
    if status := int(team.from_first(0)):
        raise SystemExit(status)
    if team.rank > 0:
        folder = RunFolder(path)
        run = Run(folder, folder.read_record(), EncodedCorpus.open(folder.corpus), [])
        check_gpu(run)
    run.join(team)
    return run
