"""A run goes on from its newest checkpoint."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from afterword.errors import RunError
from afterword.learning.device import check_device
from afterword.runs.environment import changes, check_ranks, check_torch, environment
from afterword.runs.existing import check_gpu, damage_reported, open_run, take_settings
from afterword.runs.folder import RunFolder
from afterword.runs.more import NO_MORE, More, extend
from afterword.runs.place import held
from afterword.runs.record import Environment
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import encode
from afterword.text.sources import Source


def resume(
    path: Path,
    asked: Mapping[str, Any] | None = None,
    sources: Sequence[Source] = (),
    *,
    exact: bool = False,
    more: More = NO_MORE,
) -> Run:
    """Take up the run in the folder `path` where its newest checkpoint stands.

    `asked` are settings by name, and `sources` a text, that must be the run's own; `MAY_CHANGE` lists the settings
    that may be others. Where this machine, its device, its libraries or the threads are not those that the run had so
    far, it goes on with a note, since its bits may then differ from those of a run that was not interrupted; not if
    `exact`. `more` moves its end; see `runs.more`. Raises RunError where there is no run, where it is damaged, and
    where another process trains it; OptionError for a setting that contradicts it, and for a GPU that is not there.
    """
    check_torch()
    folder = RunFolder(path)
    folder.read_record()
    check_device((asked or {}).get("device", "auto"))
    with held(folder):
        folder.tidy()
        run = open_run(folder)
        with damage_reported(folder):
            if run.record.fingerprint != run.encoded.measured_fingerprint():
                raise RunError(f"the text in {folder.corpus} is not the one that this run began with")
            take_settings(run, asked or {})
            check_gpu(run)
            if sources:
                _check_text(run, sources)
            check_ranks(run.recipe)
            run.load_checkpoint()
            _compare_environment(run, exact)
            if more.given:
                extend(run, more)
            elif run.record.ended is not None:
                run.notes.append("this run has come to its end: --more-minutes 5 would train it for longer")
        return run


def _check_text(run: Run, sources: Sequence[Source]) -> None:
    """Raise RunError unless `sources` hold the text that `run` learns from."""
    of_run = run.record.text
    settings = {field.name: of_run[field.name] for field in dataclasses.fields(TextSettings) if field.name in of_run}
    text = TextSettings(**settings)  # a run from before there was a setting has its default
    name, place = ", ".join(os.fspath(source) for source in sources), run.folder.path
    with read_corpus(sources, text, seed=run.recipe.seed) as corpus:
        found = corpus.training_characters + corpus.validation_characters
        had = run.encoded.training_characters + run.encoded.validation_characters
        if found != had:
            raise RunError(f"{name} has {found:,} characters, and the text of the run {place} has {had:,}")
        new = run.folder.begin_new()
        encoded = encode(corpus, run.encoded.tokenizer, new.corpus)
        run.folder.tidy()
        if encoded.fingerprint != run.record.fingerprint:
            raise RunError(f"{name} is as long as the text of the run {place}, but not the same")


def _compare_environment(run: Run, exact: bool) -> None:
    """Note what may make the run's bits differ from here on, and record it; raise RunError for it where `exact`."""
    history = run.record.environments
    before, now = history[-1].parts, environment(run.recipe.threads, run.recipe.device)
    differences = ", ".join(changes(before, now))
    if not differences:
        return
    if exact:
        raise RunError(f"{differences}: the run cannot go on exactly; leave --exact out to go on all the same")
    run.notes.append(f"{differences}: the run goes on, but perhaps not bit for bit as it would have")
    run.change_record(environments=(*history, Environment(run.saved[1].step if run.saved else 0, now)))
