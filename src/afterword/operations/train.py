"""Train a model on your own text."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import KW_ONLY
from functools import partial
from pathlib import Path
from typing import Annotated

from afterword import bars
from afterword.errors import OptionError, TextError
from afterword.language_model import LanguageModel, complete_card
from afterword.learning.ranks import elastic, restarted
from afterword.operations.operation import Request, Sources, argument, operation, path_names
from afterword.operations.work import Work
from afterword.planning.training_plan import TrainingSettings
from afterword.runs import begin, resume
from afterword.runs.folder import RunFolder
from afterword.runs.in_words import in_bits, summary, what_helps
from afterword.runs.record import OnReport
from afterword.runs.run import Run
from afterword.settings import ignore_progress, setting, settings_class, settings_from
from afterword.text.corpus import TextSettings
from afterword.text.documents import GivenText, Source
from afterword.text.tokenizer import checked_lines
from afterword.text.unicode import utf_8

Folder = str | os.PathLike[str]


@settings_class()
class Train(TextSettings, TrainingSettings, Request):
    """Train a model on TEXT: files, folders, .gz files, or - for standard input.

    Ctrl-C loses nothing: the run is saved, and `resume` continues it exactly. `repeat` rebuilds the same model from a
    run's folder alone. Under torchrun, several processes train one model together.

    In Python, the best model is returned, and without `out` the run's folder is temporary. There, text= takes a text
    itself, or several, such as the lines of a list.
    """

    example = "train book.txt --minutes 10"
    first = ("out", "minutes", "resume", "base", "lines", "labels", "validation", "lowercase", "recipe", "seed")

    texts: Annotated[Sources, argument("the texts", metavar="TEXT", least=0)] = ()
    _: KW_ONLY
    out: Folder | None = setting(
        "the run's folder (default: the name of the first text, without its extension)",
        default=None,
        metavar="DIR",
        short="o",
    )
    overwrite: bool = setting("replace the run in the folder", default=False)
    resume: Folder | None = setting("continue the run in this folder", default=None, metavar="RUN")
    more_minutes: float | None = setting(
        "train for this many minutes more, even after the end", default=None, above=0, maximum=525_600, needs="resume"
    )
    repeat: Folder | None = setting(
        "repeat the run in this folder, bit for bit", default=None, metavar="RUN", needs="out", excludes=("resume",)
    )
    text: str | Iterable[str] | None = None  # only in Python: the text itself, or several
    on_progress: OnReport | None = None  # only in Python: it takes every report, and no bar is shown


@operation(Train)
def train(request: Train, work: Work) -> LanguageModel:
    texts = _sources(request)
    if request.repeat is not None and texts:
        raise OptionError(f"`repeat` takes the text from the run {request.repeat}: leave out `texts`")
    if not (texts or request.repeat or request.resume):
        raise OptionError("missing `texts`: name a text file, as in: afterword train book.txt")
    with work.folder(request.resume or request.out, partial(default_out, texts)) as folder:
        with nullcontext() if request.on_progress else work.progress("reading the text and planning"):
            run = begin.together(partial(_begun, request, texts, folder, work), folder)
        model = train_and_report(run, work, request.on_progress)
        work.say(
            f"next: {work.program} generate {shlex.quote(str(folder))}",
            f"to share: {shlex.quote(str(run.folder.model))}, but only with people who may read the text "
            "(its README.md explains why)",
        )
        work.say(*what_helps(run, model.about, f"{work.program} train --resume {shlex.quote(str(folder))}"))
        return model


def _sources(request: Train) -> Sequence[Source]:
    """Return the texts to learn from: files, or the text that was given. Raises OptionError, TextError."""
    if request.text is None:
        return path_names(request.texts)
    for other in ("texts", "repeat", "encoding", "encoding_errors"):
        if getattr(request, other) != getattr(Train, other):
            raise OptionError(f"`text` cannot be used with `{other}`: leave one of them out")
    if isinstance(request.text, str):
        return [GivenText(utf_8(request.text))]
    several = checked_lines(request.text, "`text`, unless it is one string,")
    for number, one in enumerate(several if request.lines else (), 1):
        if re.search(r"(\r\n?+|\n).", one, re.DOTALL):
            raise TextError(f"string {number:,} of `text` has several lines, and `lines` makes each string one")
    *before, last = several or [""]
    return [GivenText(utf_8("\n".join([*(one.removesuffix("\n") for one in before), last])))]  # as files are joined


def _begun(request: Train, texts: Sequence[Source], folder: Path, work: Work) -> Run:
    """Begin, repeat or resume the run in `folder`, as `request` asks; resume it if torchrun has started it again."""
    asked = vars(request)
    text, training = settings_from(TextSettings, asked), settings_from(TrainingSettings, asked)
    given = {name: value for name, value in {**vars(text), **vars(training)}.items() if name in request.passed}
    given = {name: value for name, value in given.items() if value is not None}
    if request.resume is None and restarted() and RunFolder(folder).checkpoints:
        return resume.resume(folder, given, texts if elastic() else ())
    if request.resume is not None:
        if request.overwrite or (request.out is not None and Path(request.out).resolve() != folder.resolve()):
            raise OptionError(f"`resume` continues the run in {folder}: leave out `out` and `overwrite`")
        if elastic() and request.more_minutes is not None:
            raise OptionError("`more_minutes` would be added again whenever a machine joins or leaves: leave it out")
        more = None if restarted() else request.more_minutes  # it was recorded the first time
        return resume.resume(folder, given, texts, more_minutes=more)
    if request.repeat is not None:
        return begin.repeat(Path(request.repeat), folder, given, overwrite=request.overwrite)

    def tell(sources: Sequence[str]) -> None:
        if bars.form == "auto" and not bars.is_seen():  # otherwise nothing would appear for about 20 seconds
            work.say(f"read {', '.join(sources)[:200]}; measuring this machine to plan the run")

    return begin.begin(texts, folder, text, training, overwrite=request.overwrite, on_read=tell)


def train_and_report(run: Run, work: Work, on_progress: OnReport | None = None) -> LanguageModel:
    """Train `run` to its end, report its plan and its result, and return its model."""
    note = work.note if on_progress is None else ignore_progress
    note(*run.take_notes())
    work.say(*summary(run.encoded, run.recipe, run.base_name, run.record.stages))
    if run.record.expected is not None and run.saved is None:
        work.say(f"expected: {in_bits(run.record.expected)} on held-out text (afterword plan explains why)")
    work.train(run, on_progress)
    model = complete_card(run.folder.path)
    validation = model.about["validation"]
    figure = f"{validation['bits_per_character']:.3f} bits per character on held-out text; " if validation else ""
    work.say(f"done: {figure}the model is in {run.folder.path}")
    if run.recipe.minutes is not None and run.preparation is not None:
        work.say(f"trained for {run.seconds:.1f} s, after {run.preparation:.1f} s of preparation")
    return model


def default_out(texts: Sequence[Source]) -> str:
    """Return the first text's name without its extension, or a longer name if that is the text itself."""
    first = Path(texts[0])
    if texts[0] == "-":
        raise OptionError("standard input has no name: name the run's folder with `out`")
    name = Path(os.path.realpath(first)).name.removesuffix(".gz")
    name = name.rsplit(".", 1)[0] or name
    return f"{name}-model" if os.path.realpath(name) == os.path.realpath(first) else name
