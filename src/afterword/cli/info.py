"""`afterword info MODEL`: facts about a model and its training, or about this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from afterword import __version__
from afterword.cli.options import PATH
from afterword.cli.output import shown, strict_json
from afterword.errors import OptionError
from afterword.language_model import load
from afterword.operations.aligned import aligned, readable
from afterword.runs.environment import system
from afterword.runs.record import bits


@click.command()
@click.argument("model", type=PATH, required=False, metavar="MODEL")
@click.option("--system", "of_system", is_flag=True, help="print the versions and this machine's properties instead")
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
def info(model: str | None, of_system: bool, as_json: bool) -> None:
    """Print what a model is and what it was trained on.

    MODEL is its folder, the folder of its run, the name of a base, or hf://USER/NAME. A bug report should contain
    what --system prints.
    """
    if of_system == (model is not None):
        raise OptionError("info needs one of the two: MODEL or --system")
    facts = {"afterword": __version__, **system()} if model is None else load(model).info()
    if as_json:
        print(strict_json(facts, indent=2))
        return
    if of_system:
        facts = {name: "not installed" if fact is None else fact for name, fact in facts.items()}
    print(shown(aligned([*_rows(facts)], "<<")))


def _rows(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and value of each known fact; nested facts are named after the outer one too."""
    for key, value in facts.items():
        name = f"{above}{key}".replace("_", " ")
        if key == "labels" and value is not None:  # their names may contain anything
            yield name, ", ".join(f"{label} ({count:,})" for label, count in value.items())
        elif above == "validation " and isinstance(value, float):  # in JSON also in nats
            if key != "nats_per_character":
                apart = key in ("lstm", "ngram")
                yield name + " bits per character" * apart, f"{bits(value) if apart else value:.3f}"
        elif name == "ngram weight":
            yield name, f"{value:.0%} of each prediction"
        elif isinstance(value, Mapping):
            yield from _rows(value, f"{name} ")
        elif value is not None:
            yield name, readable(value)
