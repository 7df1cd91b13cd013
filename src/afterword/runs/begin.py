"""A run begins: the text is read and encoded, the plan made, and the folder takes its place."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from afterword.bases.base import Base
from afterword.learning.device import check_device, memory_reported
from afterword.learning.recipe import Recipe
from afterword.planning.base import base_asked_for
from afterword.planning.plan import Plan
from afterword.planning.recipes import check_length, make_plan, text_settings
from afterword.planning.settings import TrainingSettings
from afterword.runs.environment import check_ranks, check_torch, environment, versions
from afterword.runs.folder import RunFolder
from afterword.runs.place import check_place, check_sources, held
from afterword.runs.record import BegunFrom, Environment, Record
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.sources import Source


def begin(
    sources: Sequence[Source],
    out: Path,
    text: TextSettings,
    training: TrainingSettings,
    *,
    overwrite: bool = False,
) -> Run:
    """Read the text, plan, and make the run folder `out`.

    Raises an InputError, and leaves all as it was, where the text, the numbers or the folder will not do. A run that
    is overwritten goes when the new one is ready to begin; so does one of the same settings that was killed before
    its first checkpoint.
    """
    opened = time.monotonic()
    check_torch()
    check_device(training.device)
    base = base_asked_for(training, text)
    folder = RunFolder(out)
    texts = [str(os.fspath(source)) for source in sources]
    asked = {"texts": texts, **dataclasses.asdict(text), **dataclasses.asdict(training)}
    text = text_settings(text, training)
    check_place(folder, overwrite, asked)
    check_sources(sources, folder)
    with read_corpus(sources, text, seed=training.seed) as corpus:
        check_length(corpus.training_characters, text, training)
        tokenizer = learn_tokenizer(corpus, text.vocabulary, text.lowercase)
        with held(folder):
            check_place(folder, overwrite, asked)  # it may have become a run while a pipe was read
            new = folder.begin_new()
            encoded = encode(corpus, tokenizer, new.corpus)
            planned = _planned(encoded, training, base)
            recipe, begun_from = planned.recipe, None
            if planned.base is not None:
                new.write_base(planned.base.weights_for(tokenizer, encoded.lines, recipe.seed))
                begun_from = BegunFrom(planned.base.name, planned.base.fingerprint)
            record = Record(
                asked,
                recipe,
                planned.expected,
                {"sources": corpus.sources, **dataclasses.asdict(text)},
                encoded.fingerprint,
                versions(),
                (Environment(0, environment(recipe.threads, recipe.device)),),
                base=begun_from,
            )
            new.write_record(record)
            folder.take(new)
        run = Run(folder, record, EncodedCorpus.open(folder.corpus), [*corpus.notes, *planned.notes])
        run.opened, run.ngram = opened, planned.ngram
        return run


def _planned(encoded: EncodedCorpus, training: TrainingSettings, base: Base | None) -> Plan:
    with memory_reported():
        planned = make_plan(encoded, training, base)
    check_ranks(planned.recipe)
    return planned


@dataclasses.dataclass(frozen=True)
class Preview:
    """What `begin` would do."""

    plan: Plan
    encoded: EncodedCorpus
    notes: list[str]
    """What a user should know beforehand, of the text and of the plan."""
    planning_seconds: float
    """How long measuring and planning took, reading and encoding the text apart."""

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe

    @property
    def base_name(self) -> str | None:
        return None if self.plan.base is None else self.plan.base.name


def preview(sources: Sequence[Source], text: TextSettings, training: TrainingSettings) -> Preview:
    """Read the text and plan, as `begin` does, and make nothing of it. Raises an InputError as `begin` does."""
    check_torch()
    check_device(training.device)
    base = base_asked_for(training, text)
    text = text_settings(text, training)
    with read_corpus(sources, text, seed=training.seed) as corpus, tempfile.TemporaryDirectory() as place:
        check_length(corpus.training_characters, text, training)
        tokenizer = learn_tokenizer(corpus, text.vocabulary, text.lowercase)
        encoded = encode(corpus, tokenizer, Path(place))
        began = time.monotonic()
        planned = _planned(encoded, training, base)
        return Preview(planned, encoded, [*corpus.notes, *planned.notes], time.monotonic() - began)
