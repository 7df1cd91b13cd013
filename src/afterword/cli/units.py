"""`afterword units MODEL FILE`: which units tell where something holds."""

from __future__ import annotations

import sys

import click

from afterword.cli.options import PATH
from afterword.cli.strict_json import strict_json
from afterword.errors import OptionError
from afterword.inspection.answer import Answer
from afterword.inspection.gates import MOST_TOKENS
from afterword.inspection.questions import QUESTIONS
from afterword.inspection.units import TOP
from afterword.language_model import load
from afterword.progress import waiting
from afterword.text.decoding import read_text


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("file", type=PATH, metavar="FILE")
@click.option("--matching", metavar="REGEX", help="where this expression matches (its first group, if it has groups)")
@click.option("--asking", multiple=True, metavar="|".join(QUESTIONS), help="a ready-made question (all of them)")
@click.option("--top", type=int, default=TOP, show_default=True, help="units an answer")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a question")
def units(model: str, file: str, matching: str | None, asking: tuple[str, ...], top: int, as_json: bool) -> None:
    """Find the units that best tell where something holds in a text: inside brackets, in a name, where REGEX matches.

    MODEL is a model's folder, or the folder of its run; FILE a text, also .gz, or - for standard input; its first
    20,000 characters are read. Units are chosen on the first half; what is told of them is the area under the curve on
    the second half: 0.5 is nothing, 1 is everything. Beside it stands what chance finds. Without --matching and
    --asking all ready-made questions are asked.
    """
    loaded = load(model)
    text, notes = read_text([file], most=MOST_TOKENS + 1)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if len(text) > MOST_TOKENS:
        print(f"note: only the first {MOST_TOKENS:,} characters are read", file=sys.stderr)
    with waiting("looking at the units"):
        asked = loaded.units(text[:MOST_TOKENS])
    if matching is not None:
        _tell(asked.matching(matching, top), as_json)
    for name in asking:
        _tell(asked.ready_made(name, top), as_json)
    if matching is None and not asking:
        for name in QUESTIONS:
            try:
                answer = asked.ready_made(name, top)
            except OptionError as error:  # not every text has brackets
                print(f"note: {error}", file=sys.stderr)
            else:
                _tell(answer, as_json)


def _tell(answer: Answer, as_json: bool) -> None:
    if as_json:
        print(strict_json(answer.to_dict()))
    else:
        print(answer, end="\n\n")
    sys.stdout.flush()
