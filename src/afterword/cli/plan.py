"""`afterword plan TEXT…`: what `train` would do with a text, and why, without doing it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from afterword.cli.config_file import config_option
from afterword.cli.options import PATH, settings_options
from afterword.cli.progress import say_all
from afterword.cli.strict_json import strict_json
from afterword.cli.summary import in_bits, summary
from afterword.errors import OptionError
from afterword.planning.settings import TrainingSettings
from afterword.progress import waiting
from afterword.runs.begin import Preview, preview
from afterword.runs.progress import bits
from afterword.text.corpus import TextSettings

if TYPE_CHECKING:
    from afterword.planning.expectation import Expectation
    from afterword.planning.plan import Plan


@click.command()
@click.argument("texts", nargs=-1, type=PATH, metavar="TEXT...")
@config_option
@settings_options(TextSettings, "text")
@settings_options(TrainingSettings, "training")
@click.option("--json", "as_json", is_flag=True, help="print JSON alone")
def plan(texts: tuple[str, ...], text: TextSettings, training: TrainingSettings, as_json: bool) -> None:
    """Print every number that `train` would use with TEXT and these options, and a reason for each.

    It reads the text and measures this machine for some seconds; it writes nothing and trains nothing.
    """
    if not texts:
        raise OptionError("missing TEXT: name a text file, as in: afterword plan book.txt --minutes 5")
    with waiting("reading the text and planning"):
        found = preview(texts, text, training)
    say_all(found.notes)
    click.echo(strict_json(_record(found)) if as_json else _table(found))


def _table(found: Preview) -> str:
    planned = found.plan
    lines = [*summary(found).splitlines(), ""]
    rows = [(name.replace("_", "-"), _value(planned, name), why) for name, why in planned.reasons.items()]
    widths = [max(len(row[k]) for row in rows) for k in (0, 1)]
    lines += [f"{name:<{widths[0]}}  {value:>{widths[1]}}  {why}" for name, value, why in rows]
    if planned.expected is not None:
        lines += ["", f"expected: {in_bits(planned.expected)} on held-out text"]
        lines += [f"in {_minutes(minutes)}: {in_bits(each)}" for minutes, each in planned.outlook.items()]
    return "\n".join(lines)


def _value(planned: Plan, name: str) -> str:
    if name == "base":
        return planned.base.name if planned.base else "none"
    value = getattr(planned.recipe, name)
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def _minutes(minutes: float) -> str:
    return f"{minutes:g} min" if minutes < 120 else f"{minutes / 60:.3g} hours"


def _figures(expected: Expectation) -> dict[str, float]:
    return {
        "bits_per_character": bits(expected.likely),
        "low": bits(expected.low),
        "high": bits(expected.high),
    }


def _record(found: Preview) -> dict[str, object]:
    planned, encoded = found.plan, found.encoded
    return {
        "text": {
            "characters": encoded.training_characters,
            "held_out": encoded.validation_characters,
            "tokens": len(encoded.training),
            "lines": encoded.lines,
        },
        "base": planned.base and {"name": planned.base.name, "fingerprint": planned.base.fingerprint},
        "plan": dataclasses.asdict(planned.recipe),
        "reasons": planned.reasons,
        "expected": planned.expected and _figures(planned.expected),
        "outlook": [{"minutes": minutes} | _figures(each) for minutes, each in planned.outlook.items()],
        "notes": found.notes,
        "planning_seconds": round(found.planning_seconds, 3),
    }
