"""`afterword.train`: from texts to a model, in Python."""

from __future__ import annotations

import contextlib
import os
import reprlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from afterword.bars import train_shown, waiting
from afterword.errors import OptionError, TextError
from afterword.language_model import LanguageModel, complete_card
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.record import Progress
from afterword.series.table_corpus import SeriesSettings, corpus_settings
from afterword.settings import made, spelled_out
from afterword.text.corpus import TextSettings
from afterword.text.documents import Source


@spelled_out(TextSettings, SeriesSettings, TrainingSettings)
def train(
    texts: Source | Sequence[Source],
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    **options: Any,
) -> LanguageModel:
    """Train on `texts` (files, folders, "-") and return the best model; the options are those of `afterword train`.

    The run folder is `out`, which is kept and can be resumed, or a temporary one. `on_progress` is called with every
    report; without it, a progress bar is shown on a terminal or in a notebook. Raises an InputError for invalid
    arguments, a WorkError if training cannot continue.
    """
    sources = _sources(texts)
    if not isinstance(out, str | os.PathLike | None):
        raise OptionError(f"out must be the path of a folder, not {reprlib.repr(out)}")
    for name in ("base", "validation"):
        if isinstance(value := options.get(name), os.PathLike):
            options[name] = os.fspath(value)
    if isinstance(share := options.get("validation"), float):
        options["validation"] = str(share)
    text = corpus_settings(made(TextSettings, options), made(SeriesSettings, options))
    training = made(TrainingSettings, options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run" if out is None else Path(out)
        with waiting("reading the text and planning") if on_progress is None else contextlib.nullcontext():
            run = begin(sources, folder, text, training, overwrite=overwrite)
        train_shown(run, on_progress)
        return complete_card(folder)


def _sources(texts: Source | Sequence[Source]) -> list[Source]:
    if isinstance(texts, str | bytes | os.PathLike) or not isinstance(texts, Iterable):
        texts = [texts]
    for source in (sources := list(texts)):
        if not isinstance(source, str | os.PathLike):
            raise TextError(f"a text is named by its path, not by {reprlib.repr(source)}")
    return sources
