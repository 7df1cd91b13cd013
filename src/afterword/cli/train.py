"""`afterword train TEXT…`: from text files to a model, with its progress on the way."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import click

from afterword.cli.options import settings_options
from afterword.cli.progress import say, show
from afterword.errors import OptionError
from afterword.language_model import complete_card
from afterword.text.corpus import TextSettings
from afterword.training.recipe import TrainingSettings
from afterword.training.run import Run, begin, resume


@click.command(short_help="Train a model on your own text.")
@click.argument("texts", nargs=-1, metavar="TEXT...")
@click.option("--out", metavar="DIR", help="the run's folder (the first text's name without its ending)")
@click.option("--overwrite", is_flag=True, help="replace the run that is in the folder")
@click.option("--resume", "resumed", metavar="RUN", help="go on with the run in this folder")
@settings_options(TextSettings, "text")
@settings_options(TrainingSettings, "training")
@click.pass_context
def train(
    context: click.Context,
    texts: tuple[str, ...],
    out: str | None,
    overwrite: bool,
    resumed: str | None,
    text: TextSettings,
    training: TrainingSettings,
) -> None:
    """Train a model on TEXT: files, folders, .gz files, or - for standard input.

    Ctrl-C loses nothing: the run is saved, and --resume goes on with it.
    """
    if resumed is not None:
        _refuse_options_beside_resume(context)
        run = resume(Path(resumed))
    else:
        if not texts:
            raise OptionError("what shall be learned? name a text file, as in: afterword train book.txt")
        run = begin(texts, Path(out or default_out(texts)), text, training, overwrite=overwrite)
    status = train_and_show(run)
    if status:
        context.exit(status)


def train_and_show(run: Run) -> int:
    """Train `run` to its end with its progress on standard error; returns the exit status (130 after Ctrl-C)."""
    for note in run.notes:
        say(f"note: {note}")
    say(summary(run))
    with _Stop() as stop:
        show(run, lambda: stop.signal is not None)
    folder = run.folder.path
    if stop.signal is not None:
        say(f"stopped and saved; go on with: {own_name()} train --resume {shlex.quote(str(folder))}")
        return 128 + stop.signal
    model = complete_card(folder)
    validation = model.about["validation"]
    figure = f"{validation['bits_per_character']:.3f} bits a character on held-out text; " if validation else ""
    say(f"done: {figure}the model is in {folder}")
    say(f"next: {own_name()} generate {shlex.quote(str(folder))}")
    return 0


def summary(run: Run) -> str:
    """What will be done, in two lines."""
    encoded, recipe, tokenizer = run.encoded, run.recipe, run.tokenizer
    config = recipe.config(tokenizer.rows, tokenizer.shared_row_tokens)
    kinds = "as bytes" if tokenizer.kind == "byte" else f"{len(tokenizer.characters)} different"
    documents = f" in {encoded.documents:,} lines" if encoded.lines else ""
    network = f"{config.num_layers} × {config.hidden_size} {config.cell.upper()}, {config.parameters:,} parameters"
    way = f"{recipe.minutes:g} min" if recipe.minutes is not None else f"{recipe.steps:,} steps"
    return (
        f"text: {encoded.training_characters:,} characters to learn from{documents} ({kinds}), "
        f"{encoded.validation_characters:,} held out\n"
        f"plan: {recipe.recipe}: {network}; {way}, "
        f"{recipe.batch_size} × {recipe.seq_length} tokens a step, {recipe.precision}, {recipe.threads} threads"
    )


def own_name() -> str:
    """What to type for this program: its path, where the shell does not find it by name."""
    if shutil.which("afterword"):
        return "afterword"
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "afterword" else "python -m afterword"


def default_out(texts: Sequence[str]) -> str:
    """The first text's name without its ending; another where that is the text itself."""
    first = Path(texts[0])
    if texts[0] == "-":
        raise OptionError("standard input has no name: say where the run shall be, with --out DIR")
    name = Path(os.path.realpath(first)).name.removesuffix(".gz")
    name = name.rsplit(".", 1)[0] or name
    return f"{name}-model" if os.path.realpath(name) == os.path.realpath(first) else name


def _refuse_options_beside_resume(context: click.Context) -> None:
    """A resumed run keeps its text and its numbers, so nothing else may be asked for."""
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and name != "resumed":
            what = "TEXT" if name == "texts" else f"--{name.replace('_', '-')}"
            raise OptionError(f"--resume goes on with the run's own text and numbers: leave out {what}")


class _Stop:
    """Remembers the first Ctrl-C or SIGTERM inside its block; a second one ends the process as usual."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __enter__(self) -> _Stop:
        self._before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in self._before:
            signal.signal(number, self._remember)
        return self

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __exit__(self, *error: object) -> None:
        self._restore()
