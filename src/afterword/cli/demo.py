"""`afterword demo`: train on a play from a base model and from scratch, and compare the results, in three minutes.

The play is Shakespeare's *Julius Caesar*, compressed next to this file: Project Gutenberg's text without its licence
block. It is in the public domain.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from afterword.bars import waiting
from afterword.bases.installed import FOLDERS
from afterword.cli.options import PATH
from afterword.cli.output import shown
from afterword.cli.train import own_name, train_and_show
from afterword.inspection.gates_page import page as gates_page
from afterword.language_model import LanguageModel, load
from afterword.planning.training_plan import NONE, TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.folder import RunFolder, check_place
from afterword.runs.run import Run
from afterword.storage import write_bytes
from afterword.text.corpus import TextSettings

PLAY = Path(__file__).parent / "demo-julius-caesar.txt.gz"
TEXTS = (PLAY.name, "python-help.txt")  # of the demo in this version and in an earlier one
BASE = "english"
FROM_NOTHING = "from-nothing"  # the folder of the second run, inside the first
PROMPT = "BRUTUS.\n"  # a speaker, as the play names them
TEMPERATURE, SEED, LENGTH = 0.7, 1, 240
ASKED = f"Each model writes after {PROMPT.strip()!r}, at temperature {TEMPERATURE:g} with seed {SEED}:"
PAGE = "gates.html"
LONGEST_SENTENCE = 200  # characters of a sentence
WIDTH = 80  # characters of a heading


@click.command()
@click.option("-o", "--out", type=PATH, metavar="DIR", default="afterword-demo", help="the run's folder")
@click.option("--minutes", type=float, default=1.0, help="how long to train each of the two models")
@click.pass_context
def demo(context: click.Context, out: str, minutes: float) -> None:
    """Train on a play, from English and from scratch; write with both models, show the gates, and print what to try
    next."""
    runs = {Path(out): TrainingSettings(base=BASE, minutes=minutes)}
    runs[Path(out, FROM_NOTHING)] = TrainingSettings(base=NONE, minutes=minutes)
    for place in runs:
        check_place(RunFolder(place), _is_demo(place), {})
    page = Path(out, PAGE)
    click.echo(f"""\
Afterword trains a small LSTM on a text, here Julius Caesar, for about {minutes:g} min on this machine.
It starts from {BASE}, a model that ships with Afterword and was trained on many texts, but not on Shakespeare.
For comparison, a second model is trained on the play alone, for the same time.
The last tenth of the play is held out to measure the models.""")
    both, alone = (_train(context, place, settings) for place, settings in runs.items())
    models = {
        f"{BASE} alone": load(FOLDERS[BASE]),
        f"the play alone, in {alone.seconds:.0f} s": load(alone.folder.path),
        f"{BASE}, then the play, in {both.seconds:.0f} s": load(both.folder.path),
    }
    _compare(models, both.encoded.tokenizer.decode(both.encoded.validation))
    sentence = _write(models)
    write_bytes(page, gates_page(load(out).gates(sentence), "the demo's model reads what it just wrote").encode())
    click.echo(f"\nTo see its gates while it reads {' '.join(sentence.split())!r}, open {page} in a browser.")
    name, model = own_name(), shlex.quote(out)
    click.echo(f"""
{_heading("try next")}
{name} generate {model} --prompt "Friends, " --temperature 0.5
{name} generate {BASE} --prompt "The sea was "
{name} score {model} SOME_FILE.txt
{name} inspect {model} "Divya likes to eat. Reena is not fat."
{name} info {model}
{name} train YOUR_OWN.txt --minutes 5""")


def _train(context: click.Context, place: Path, settings: TrainingSettings) -> Run:
    """Train to the end; if that is interrupted, exit as `train` does."""
    click.echo("\n" + _heading(f"training from {'scratch' if settings.base == NONE else settings.base}"))
    with waiting("reading the text and planning"):
        run = begin([str(PLAY)], place, TextSettings(), settings, overwrite=_is_demo(place))
    if status := train_and_show(run):
        context.exit(status)
    return run


def _compare(models: Mapping[str, LanguageModel], held_out: str) -> None:
    click.echo("\n" + _heading("bits per character on the held-out tenth (a plain text file needs 8)"))
    for name, model in models.items():
        with waiting(f"scoring by {name}"):
            bits = model.score(held_out).bits_per_character
        click.echo(f"{bits:.2f}  {name}")


def _write(models: Mapping[str, LanguageModel]) -> str:
    """Print what each model writes, and return the first sentence of the last one."""
    click.echo(f"\n{ASKED}")
    for name, model in models.items():
        length = model.writing_defaults.tokens(LENGTH)
        written = str(model.generate(PROMPT, max_tokens=length, temperature=TEMPERATURE, seed=SEED))
        click.echo(f"\n{_heading(name)}\n{shown(written)}")
    return first_sentence(written)


def _heading(text: str) -> str:
    return f"--- {text}: ".ljust(WIDTH, "-")


def _is_demo(place: Path) -> bool:
    """Return whether `place` has a run of an earlier demo, which alone may be replaced."""
    folder = RunFolder(place)
    sources = folder.read_record().text["sources"] if folder.is_run else []
    return len(sources) == 1 and Path(sources[0]).name in TEXTS


def first_sentence(text: str) -> str:
    """Return the first sentence of `text`, shortened if it is too long; all of `text` if no sentence ends in it."""
    text = text.strip()
    found = re.match(r".{20,}?[.!?:](?=\s|$)", text, re.DOTALL)
    return (found[0] if found else text)[:LONGEST_SENTENCE] or "\n"
