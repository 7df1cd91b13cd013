"""`afterword.train`: from texts to a model, in Python."""

from __future__ import annotations

import os
import reprlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from afterword.errors import OptionError, TextError
from afterword.language_model import LanguageModel, complete_card
from afterword.options import TrainOptions, spelled_out
from afterword.planning.settings import TrainingSettings
from afterword.progress import is_seen, training_bar, waiting
from afterword.runs.begin import begin
from afterword.settings import made
from afterword.text.corpus import TextSettings
from afterword.text.sources import Source

if TYPE_CHECKING:
    from afterword.runs.progress import Progress


@spelled_out(TrainOptions, TextSettings, TrainingSettings)
def train(
    texts: Source | Sequence[Source],
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    **options: Unpack[TrainOptions],
) -> LanguageModel:
    """Train on `texts` (files, folders, "-") and return the best model; the options are those of `afterword train`.

    The run folder is `out`, which is kept and can be resumed, or else a temporary one. `on_progress` is called with
    every report; without it a bar shows them, on a terminal and in a notebook. Raises an
    InputError for invalid arguments, a WorkError where training cannot go on.
    """
    sources = _sources(texts)
    if not isinstance(out, str | os.PathLike | None):
        raise OptionError(f"out must be the path of a folder, not {reprlib.repr(out)}")
    for name in ("base", "validation"):
        if isinstance(value := options.get(name), os.PathLike):
            options[name] = os.fspath(value)
    if isinstance(share := options.get("validation"), float):
        options["validation"] = str(share)
    text, training = made(TextSettings, options), made(TrainingSettings, options)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run" if out is None else Path(out)
        if on_progress is not None or not is_seen():
            for report in begin(sources, folder, text, training, overwrite=overwrite).train():
                if on_progress is not None:
                    on_progress(report)
        else:
            with waiting("reading the text and planning"):
                run = begin(sources, folder, text, training, overwrite=overwrite)
            with training_bar() as show:
                _tell(run.take_notes())
                for report in run.train():
                    _tell(report.notes)
                    show(report)
        return complete_card(folder)


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


def _sources(texts: Source | Sequence[Source]) -> list[Source]:
    if isinstance(texts, str | os.PathLike):
        return [texts]
    if not isinstance(texts, Iterable) or isinstance(texts, bytes):
        raise TextError(f"a text is named by its path, not by {reprlib.repr(texts)}")
    for source in (sources := list(texts)):
        if not isinstance(source, str | os.PathLike):
            raise TextError(f"a text is named by its path, not by {reprlib.repr(source)}")
    return sources
