"""`afterword units MODEL FILE`: which units tell where something holds."""

from __future__ import annotations

import sys

import click

from afterword.cli.options import PATH
from afterword.cli.strict_json import strict_json
from afterword.errors import OptionError
from afterword.inspection import questions
from afterword.inspection.gates import MOST_TRACED
from afterword.inspection.units import MOST_UNITS, TOP
from afterword.language_model import load
from afterword.progress import waiting
from afterword.text.reading import read_text


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("file", type=PATH, metavar="FILE")
@click.option("--matching", metavar="REGEX", help="where this expression matches (its first group, if it has groups)")
@click.option(
    "--asking", multiple=True, metavar="|".join(questions.READY_MADE), help="a ready-made question (all of them)"
)
@click.option("--top", type=click.IntRange(1, MOST_UNITS), default=TOP, show_default=True, help="units per answer")
@click.option("--json", "as_json", is_flag=True, help="one JSON object per question")
def units(model: str, file: str, matching: str | None, asking: tuple[str, ...], top: int, as_json: bool) -> None:
    """Find the units that best tell where something holds in a text: inside brackets, in a name, where REGEX matches.

    MODEL is a model's folder, or the folder of its run; FILE a text, also .gz, or - for standard input; its first
    20,000 characters are read. Units are chosen on the first half; what is told of them is the area under the curve on
    the second half: 0.5 is nothing, 1 is everything. Beside it stands what chance finds. Without --matching and
    --asking all ready-made questions are asked.
    """
    asked = ([] if matching is None else [questions.matching(matching)]) + [*map(questions.ready_made, asking)]
    loaded = load(model)
    text, notes = read_text([file], most=MOST_TRACED + 1)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if len(text) > MOST_TRACED:
        print(f"note: only the first {MOST_TRACED:,} characters are read", file=sys.stderr)
    with waiting("looking at the units"):
        found = loaded.units(text[:MOST_TRACED])
    for question in asked or map(questions.ready_made, questions.READY_MADE):
        try:
            with waiting(question.title):
                answer = found.ask(question, top)
        except OptionError as error:
            if asked:
                raise
            print(f"note: {error}", file=sys.stderr)  # not every text has brackets
        else:
            print(strict_json(answer.to_dict()) if as_json else f"{answer}\n", flush=True)
