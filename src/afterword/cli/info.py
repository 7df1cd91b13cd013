"""`afterword info MODEL`: what a model is and what it was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from afterword.cli.options import PATH
from afterword.cli.screen import shown
from afterword.cli.strict_json import strict_json
from afterword.language_model import load


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
def info(model: str, as_json: bool) -> None:
    """Say what a model is and what it was trained on: MODEL is its folder, the folder of its run, or english."""
    facts = load(model).info()
    if as_json:
        print(strict_json(facts, indent=2))
        return
    rows = list(_rows(facts))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(shown(f"{name:{width}}  {value}"))


def _rows(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of each fact that is known, those inside another named after it."""
    for key, value in facts.items():
        name = f"{above}{key}".replace("_", " ")
        if key == "labels" and value is not None:  # whatever their names hold
            yield name, ", ".join(f"{label} ({count:,})" for label, count in value.items())
        elif isinstance(value, Mapping):
            yield from _rows(value, f"{name} ")
        elif value is not None:
            yield name, _readable(value)


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_readable(part) for part in value)
    return str(value)
