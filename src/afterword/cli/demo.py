"""`afterword demo`: the whole story in three minutes, on a play that is learned from a base and from nothing.

The play is Shakespeare's *Julius Caesar*, compressed beside this file: Project Gutenberg's text without its licence
block. It is in the public domain.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from afterword.bases.shipped import FOLDERS
from afterword.cli.options import PATH
from afterword.cli.screen import shown
from afterword.cli.train import own_name, train_and_show
from afterword.inspection.page import page as gates_page
from afterword.language_model import LanguageModel, load
from afterword.planning.settings import NONE, TrainingSettings
from afterword.progress import waiting
from afterword.runs.begin import begin
from afterword.runs.folder import RunFolder
from afterword.runs.place import check_place
from afterword.runs.run import Run
from afterword.storage import write_bytes
from afterword.text.corpus import TextSettings

PLAY = Path(__file__).parent / "demo-julius-caesar.txt.gz"
TEXTS = (PLAY.name, "python-help.txt")  # of this version's demo and of an earlier one
BASE = "english"
FROM_NOTHING = "from-nothing"  # the second run's folder, in the first one's
PROMPT = "BRUTUS.\n"  # as the play names who speaks
TEMPERATURE, SEED, LENGTH = 0.7, 1, 240
ASKED = f"Each writes after {PROMPT.strip()!r}, at temperature {TEMPERATURE:g} with seed {SEED}:"
PAGE = "gates.html"
LONGEST_SENTENCE = 200  # characters of a sentence
WIDTH = 80  # characters of a heading


@click.command()
@click.option(
    "-o", "--out", type=PATH, metavar="DIR", default="afterword-demo", show_default=True, help="the run's folder"
)
@click.option("--minutes", type=float, default=1.0, show_default=True, help="how long to train each of two models")
@click.pass_context
def demo(context: click.Context, out: str, minutes: float) -> None:
    """Learn a play from English and from nothing, write by both, show the gates, and say what to type next."""
    runs = {Path(out): TrainingSettings(base=BASE, minutes=minutes)}
    runs[Path(out, FROM_NOTHING)] = TrainingSettings(base=NONE, minutes=minutes)
    for place in runs:
        check_place(RunFolder(place), _is_demo(place), {})
    page = Path(out, PAGE)
    if _is_demo(Path(out)):
        page.unlink(missing_ok=True)
    click.echo(f"""\
Afterword trains a small LSTM on a text, here Julius Caesar, for about {minutes:g} min on this machine.
It begins from {BASE}, a model that ships with it and has read old books, but no Shakespeare.
To see what came from where, another one learns the play as long from nothing.
The last tenth of the play is held out, to measure what was learned.""")
    both, alone = (_train(context, place, settings) for place, settings in runs.items())
    models = {
        f"{BASE} alone": load(FOLDERS[BASE]),
        f"the play alone, in {alone.seconds:.0f} s": load(alone.folder.path),
        f"{BASE}, then the play, in {both.seconds:.0f} s": load(both.folder.path),
    }
    _compare(models, both.encoded.tokenizer.decode(both.encoded.validation))
    sentence = _write(models)
    write_bytes(page, gates_page(load(out).gates(sentence), "the demo's model reads what it just wrote").encode())
    click.echo(f"\nWhat its gates did in {' '.join(sentence.split())!r}: open {page} in a browser.")
    name, model = own_name(), shlex.quote(out)
    click.echo(f"""
{_heading("what to type next")}
{name} generate {model} --prompt "Friends, " --temperature 0.5
{name} generate {BASE} --prompt "The sea was "
{name} score {model} SOME_FILE.txt
{name} inspect {model} "Divya likes to eat. Reena is not fat."
{name} info {model}
{name} train YOUR_OWN.txt --minutes 5""")


def _train(context: click.Context, place: Path, settings: TrainingSettings) -> Run:
    """Train to the end, or leave the program as `train` does where that is not reached."""
    click.echo("\n" + _heading(f"training from {'nothing' if settings.base == NONE else settings.base}"))
    with waiting("reading the text and planning"):
        run = begin([str(PLAY)], place, TextSettings(), settings, overwrite=_is_demo(place))
    status = train_and_show(run)
    if status:
        context.exit(status)
    return run


def _compare(models: Mapping[str, LanguageModel], held_out: str) -> None:
    click.echo("\n" + _heading("bits per character on the held-out tenth (plain text files spend 8)"))
    for name, model in models.items():
        with waiting(f"scoring by {name}"):
            bits = model.score(held_out).bits_per_character
        click.echo(f"{bits:.2f}  {name}")


def _write(models: Mapping[str, LanguageModel]) -> str:
    """Show what each writes; the first sentence of the last one."""
    click.echo(f"\n{ASKED}")
    for name, model in models.items():
        written = str(model.generate(PROMPT, max_tokens=LENGTH, temperature=TEMPERATURE, seed=SEED))
        click.echo(f"\n{_heading(name)}\n{shown(written)}")
    return first_sentence(written)


def _heading(text: str) -> str:
    return f"--- {text}: ".ljust(WIDTH, "-")


def _is_demo(place: Path) -> bool:
    """Whether `place` holds a run of an earlier demo, which may go; no other run may."""
    folder = RunFolder(place)
    sources = folder.read_record().text["sources"] if folder.is_run else []
    return len(sources) == 1 and Path(sources[0]).name in TEXTS


def first_sentence(text: str) -> str:
    """The first sentence of what was written, as far as there is one and it is not too long."""
    text = text.strip()
    found = re.match(r".{20,}?[.!?:](?=\s|$)", text, re.DOTALL)
    return (found[0] if found else text)[:LONGEST_SENTENCE] or "\n"
