"""`afterword train TEXT…`: train a model on text files and show the progress."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from afterword import bars
from afterword.bars import waiting
from afterword.cli.config_file import config_option
from afterword.cli.options import PATH, Combination, check_together, is_given, settings_options
from afterword.cli.output import note, say
from afterword.cli.run_report import in_bits, show, summary
from afterword.cli.signals import Stop
from afterword.errors import OptionError
from afterword.language_model import complete_card
from afterword.learning.ranks import restarted
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin, repeat, together
from afterword.runs.folder import RunFolder
from afterword.runs.resume import NO_MORE, More, resume
from afterword.runs.run import Run
from afterword.series.table_corpus import SeriesSettings, corpus_settings, recorded_settings
from afterword.text.corpus import TextSettings

RULES = (
    Combination("--repeat", needs="--out", excludes=("--resume",)),
    *(Combination(option, needs="--resume") for option in ("--more-minutes", "--more-steps", "--more-epochs")),
)


@click.command()
@click.argument("texts", nargs=-1, type=PATH, metavar="TEXT...")
@click.option(
    "-o",
    "--out",
    type=PATH,
    metavar="DIR",
    help="the run's folder (default: the name of the first text, without its extension)",
)
@click.option("--overwrite", is_flag=True, help="replace the run in the folder")
@click.option("--resume", "resumed", type=PATH, metavar="RUN", help="continue the run in this folder")
@click.option(
    "--repeat", "repeated", type=PATH, metavar="RUN", help="repeat the run in this folder, bit for bit, in --out"
)
@click.option("--exact", is_flag=True, help="with --resume or --repeat: fail if the result could differ in any bit")
@config_option
@settings_options(TextSettings, "text")
@settings_options(SeriesSettings, "table")
@settings_options(TrainingSettings, "training")
@settings_options(More, "more")
@click.pass_context
def train(
    context: click.Context,
    texts: tuple[str, ...],
    out: str | None,
    overwrite: bool,
    resumed: str | None,
    repeated: str | None,
    exact: bool,
    text: TextSettings,
    table: SeriesSettings,
    training: TrainingSettings,
    more: More,
) -> None:
    """Train a model on TEXT: files, folders, .gz files, or - for standard input.

    Ctrl-C loses nothing: the run is saved, and --resume continues it exactly. --repeat rebuilds the same model from a
    run's folder alone. Under torchrun, several processes train one model together.
    """
    check_together(context, RULES)
    corpus = corpus_settings(text, table)
    if repeated is not None and texts:
        raise OptionError(f"--repeat takes the text from the run {repeated}: leave out TEXT")
    if restarted():
        more = NO_MORE  # it was recorded the first time
    if resumed is None and restarted() and RunFolder(Path(out or default_out(texts))).checkpoints:
        resumed, repeated, texts, out, overwrite = out or default_out(texts), None, (), None, False
    if resumed is not None:
        folder = Path(resumed)
        asked = _given(context, text, table, training)
        if overwrite or (out is not None and Path(out).resolve() != folder.resolve()):
            also = ", also in the file of --config" if context.default_map else ""
            raise OptionError(f"--resume continues the run in {folder}: leave out --out and --overwrite{also}")
        run = _waited_for(
            lambda: resume(folder, asked, texts, exact=exact, more=more, settings_of=recorded_settings), folder
        )
    elif repeated is not None and out is not None:
        original, folder = Path(repeated), Path(out)
        asked = _given(context, text, table, training)
        run = _waited_for(lambda: repeat(original, folder, asked, overwrite=overwrite, exact=exact), folder)
    else:
        if not texts:
            raise OptionError("missing TEXT: name a text file, as in: afterword train book.txt")
        if exact:
            raise OptionError("--exact needs --resume or --repeat: give one of them too")
        folder = Path(out or default_out(texts))
        run = _waited_for(lambda: begin(texts, folder, corpus, training, overwrite=overwrite, on_read=_tell), folder)
    if status := train_and_show(run):
        context.exit(status)
    if run.team.rank == 0:
        place = shlex.quote(str(folder))
        what = f"generate {place}" if run.encoded.is_text else f"forecast {place} FILE"
        say(f"next: {own_name()} {what}")
        say(
            f"to share: {shlex.quote(str(run.folder.model))}, but only with people who may read the {run.encoded.kind} "
            "(its README.md explains why)"
        )


def _tell(texts: Sequence[str]) -> None:
    if bars.form == "auto" and not bars.is_seen():  # otherwise nothing would appear for about 20 seconds
        say(f"read {', '.join(texts)[:200]}; measuring this machine to plan the run")


def _waited_for(make: Callable[[], Run], folder: Path) -> Run:
    with waiting("reading the text and planning"):
        return together(make, folder)


def train_and_show(run: Run) -> int:
    """Train `run` to its end, with its progress on standard error, and return the exit status (130 after Ctrl-C)."""
    note(*run.take_notes())
    say(summary(run))
    expected = run.record.expected
    if expected is not None and run.saved is None:
        say(f"expected: {in_bits(expected)} on held-out text (afterword plan explains why)")
    with Stop() as stop:
        try:
            show(run, lambda: stop.signal is not None)
        finally:
            note(*run.take_notes())
    folder = run.folder.path
    if run.stopped:
        say(f"stopped and saved; continue with: {own_name()} train --resume {shlex.quote(str(folder))}")
        return 128 + (stop.signal or signal.SIGTERM)  # another rank may have had the signal
    if run.team.rank > 0:
        return 0
    model = complete_card(folder)
    validation, what = model.about["validation"], "text" if run.encoded.is_text else "values"
    figure = (
        f"{validation['bits_per_character']:.3f} bits per {run.encoded.unit} on held-out {what}; " if validation else ""
    )
    say(f"done: {figure}the model is in {folder}")
    if run.recipe.minutes is not None and run.preparation is not None:
        say(f"trained for {run.seconds:.1f} s, after {run.preparation:.1f} s of preparation")
    return 0


def own_name() -> str:
    """Return what to type for this program: its path, if the shell does not find it by name."""
    if shutil.which("afterword"):
        return "afterword"
    return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "afterword" else "python -m afterword"


def default_out(texts: Sequence[str]) -> str:
    """Return the first text's name without its ending, or a longer one if that is the text itself."""
    first = Path(texts[0])
    if texts[0] == "-":
        raise OptionError("standard input has no name: give the run's folder with --out DIR")
    name = Path(os.path.realpath(first)).name.removesuffix(".gz")
    name = name.rsplit(".", 1)[0] or name
    return f"{name}-model" if os.path.realpath(name) == os.path.realpath(first) else name


def _given(context: click.Context, *settings: TextSettings | SeriesSettings | TrainingSettings) -> dict[str, Any]:
    """Return the settings from the command line and the file of --config, by name."""
    values = [pair for each in settings for pair in dataclasses.asdict(each).items()]
    return {name: value for name, value in values if value is not None and is_given(context, name)}
