"""Score and write in batches of rows: in the workers of Ray Data, Spark, Dask, `datasets`, and engines like them.

A batch is a frame of pandas, a table of Arrow, a mapping of columns, or a list of rows, each a mapping. The answer is
of the same kind: the batch with further columns. A worker gets a copy of a `Scorer` or a `Generator`, which is small;
each process loads the model once, and computes on one thread, since an engine starts a process per processor.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, field
from functools import lru_cache
from typing import Any

import numpy as np

from afterword.bases.installed import folder_named
from afterword.errors import ModelError, OptionError
from afterword.generation.sampling import Sampling
from afterword.language_model import LanguageModel, load
from afterword.model.folder.saved import CONFIG, model_folder
from afterword.model.threads import PRODUCTS
from afterword.operations.judged import judge_of
from afterword.operations.operation import ModelName
from afterword.operations.options import Engine, Holding, Masking, Predicting
from afterword.settings import named_path, settings_class, suggests
from afterword.storage import read_whole

KINDS = {"label": object, "text": object, "finish_reason": object, "tokens": int}  # of columns; the others are floats


@lru_cache(4)  # models of a process
def _loaded(job: Batches) -> LanguageModel:
    if _version(job.model) != job.version:
        raise ModelError(f"{job.model} is not the model that this job began with: bring that back, or begin again")
    return load(job.model, job.using, job.engine).hold(*job.hold)


def _version(model: ModelName) -> int:
    config = model_folder(folder_named(named_path("`model`", model))) / CONFIG  # has a checksum of each other file
    return zlib.crc32(read_whole(config)) if config.exists() else 0


@settings_class()
class Batches(Predicting, Engine, Holding):
    """A model with its settings, to be called with batches of rows. Raises as `afterword.load`."""

    model: ModelName
    _: KW_ONLY
    version: int = field(default=0, init=False, repr=False)
    """A number of the model's files, so that no worker computes with another model of that name."""

    loaded = property(_loaded, doc="The model in this process. Raises ModelError if it is another one than at first.")

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "version", _version(self.model))
        _loaded(self)

    def __call__(self, batch: Any) -> Any:
        """Return `batch` with its new columns. Raises OptionError if a column is missing, TextError for an invalid
        text."""
        with PRODUCTS.limited(alone=True):
            made = {name: np.asarray(values) for name, values in self.columns(batch).items()}
        if isinstance(batch, Mapping):
            return {**batch, **made}
        if hasattr(batch, "assign"):
            return batch.assign(**made)
        if hasattr(batch, "schema"):
            return type(batch).from_pydict({**dict(zip(batch.schema.names, batch.columns, strict=True)), **made})
        rows = zip(*(values.tolist() for values in made.values()), strict=True)
        return [{**row, **dict(zip(made, values, strict=True))} for row, values in zip(batch, rows, strict=True)]

    def columns(self, batch: Any) -> Mapping[str, Any]:
        """Return the new columns of `batch` by name: lists or arrays."""
        raise NotImplementedError

    def values(self, batch: Any, column: str) -> list[Any]:
        """Return the values of a column of `batch`. Raises OptionError if it is missing."""
        try:
            values = [row[column] for row in batch] if isinstance(batch, list) else batch[column]
        except (KeyError, TypeError, IndexError):
            raise OptionError(
                f"the batch has no column {column!r}; a batch is a frame, a table, a dictionary of columns or a list "
                "of dictionaries"
            ) from None
        return [*np.asarray(values, object)]


@settings_class()
class Scorer(Masking, Batches):
    """Scores the text of each row as a line: `bits`, `bits_per_character`, and of labelled lines the likeliest `label`
    and `label_probability`."""

    column: str = "text"
    """The column of the texts."""

    def columns(self, batch: Any) -> Mapping[str, Any]:
        names = ["bits", "bits_per_character", *(("label", "label_probability") if self.loaded.labels else ())]
        return _figures(judge_of(self.loaded, self.mask)(self.values(batch, self.column)), names)


@settings_class()
class Generator(Sampling, Batches):
    """Writes a text for each row, after its `prompt` and with its `seed`: `text`, `tokens`, `log_probability` and
    `finish_reason`."""

    prompt: str | None = "prompt"
    """The column of the prompts; None for texts without a prompt."""
    seed: str = "seed"
    """The column of the seeds, whole numbers. A text depends on nothing else but its prompt and the settings."""

    def columns(self, batch: Any) -> Mapping[str, Any]:
        seeds = self.values(batch, self.seed)
        prompts = [None] * len(seeds) if self.prompt is None else self.values(batch, self.prompt)
        written = [*self.loaded.last_writer(self).write(zip(prompts, seeds, strict=True))]
        return _figures(written, ["text", "tokens", "log_probability", "finish_reason"])


Scorer.__init__ = suggests(Scorer.__init__, "Scorer")  # type: ignore[method-assign]
Generator.__init__ = suggests(Generator.__init__, "Generator")  # type: ignore[method-assign]


def _figures(found: Sequence[object], names: Sequence[str]) -> Mapping[str, Any]:
    return {name: np.array([getattr(one, name) for one in found], KINDS.get(name, float)) for name in names}
