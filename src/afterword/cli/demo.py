"""`afterword demo`: the whole story in about a minute, on a text that every Python has."""

from __future__ import annotations

import re
import shlex
import tempfile
from pathlib import Path

import click

from afterword.cli.options import PATH
from afterword.cli.screen import shown
from afterword.cli.train import own_name, train_and_show
from afterword.inspection.page import page as gates_page
from afterword.language_model import load
from afterword.planning.settings import TrainingSettings
from afterword.progress import waiting
from afterword.runs.begin import begin
from afterword.runs.folder import RunFolder
from afterword.storage import write_bytes
from afterword.text.corpus import TextSettings

TEXT_NAME = "python-help.txt"
TEMPERATURES = (0.2, 1.0, 0.6)  # the last one's first sentence is looked at
PROMPT = "The "  # the text has long runs of spaces at the beginnings of lines
PAGE = "gates.html"
LONGEST_SENTENCE = 200  # characters of a sentence


@click.command()
@click.option(
    "-o", "--out", type=PATH, metavar="DIR", default="afterword-demo", show_default=True, help="the run's folder"
)
@click.option("--minutes", type=float, default=1.0, show_default=True, help="how long to train")
@click.pass_context
def demo(context: click.Context, out: str, minutes: float) -> None:
    """Train on the text of Python's own help, write three samples, show the gates, and say what to type next."""
    settings = TrainingSettings(minutes=minutes)
    page = Path(out) / PAGE
    click.echo("Afterword trains a small LSTM on a text, here the topics of Python's own help(),")
    click.echo(
        f"for about {minutes:g} min on this machine. The last tenth of the text is held out, to see what was learned.\n"
    )
    with tempfile.TemporaryDirectory() as place:
        text = Path(place) / TEXT_NAME
        text.write_text(topics(), encoding="utf-8")
        again = _is_demo(Path(out))
        if again:
            page.unlink(missing_ok=True)
        with waiting("reading the text and planning"):
            run = begin([str(text)], Path(out), TextSettings(), settings, overwrite=again)
    status = train_and_show(run)
    if status:
        context.exit(status)
    model = load(out)
    bits = model.about["validation"]["bits_per_character"]
    click.echo(f"\nOn text it has never seen it needs {bits:.2f} bits per character; plain text files spend 8.")
    for temperature in TEMPERATURES:
        written = PROMPT + model.generate(PROMPT, max_tokens=300, temperature=temperature, seed=1).text
        click.echo(f"\n--- temperature {temperature:g}: " + "-" * 60 + f"\n{shown(written)}")
    sentence = first_sentence(written)
    write_bytes(page, gates_page(model.gates(sentence), "the demo's model reads what it just wrote").encode())
    click.echo(f"\nWhat its gates did in {' '.join(sentence.split())!r}: open {page} in a browser.")
    name, place = own_name(), shlex.quote(out)
    click.echo(f"""
--- what to type next {"-" * 58}
{name} generate {place} --prompt "The class statement" --temperature 0.5
{name} score {place} SOME_FILE.txt
{name} inspect {place} "Divya likes to eat. Reena is not fat."
{name} info {place}
{name} train YOUR_OWN.txt --minutes 5""")


def _is_demo(out: Path) -> bool:
    """Whether `out` holds an earlier demo, which may go; no other run may."""
    folder = RunFolder(out)
    sources = folder.read_record().text["sources"] if folder.is_run else []
    return [Path(source).name for source in sources] == [TEXT_NAME]


def first_sentence(text: str) -> str:
    """The first sentence of what was written, as far as there is one and it is not too long."""
    text = text.strip()
    found = re.match(r".{20,}?[.!?:](?=\s|$)", text, re.DOTALL)
    return (found[0] if found else text)[:LONGEST_SENTENCE] or "\n"


def topics() -> str:
    """The topics of Python's help, one after the other: some 465,000 characters of prose and code."""
    from pydoc_data.topics import topics as texts

    return "\n\n".join(texts[name].strip("\n") for name in sorted(texts)) + "\n"
