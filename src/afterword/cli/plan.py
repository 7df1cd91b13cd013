"""`afterword plan TEXT…`: print what `train` would do with a text, and why."""

from __future__ import annotations

import dataclasses

import click

from afterword.bars import waiting
from afterword.cli.config_file import config_option
from afterword.cli.options import PATH, settings_options
from afterword.cli.output import aligned, note, readable, strict_json
from afterword.cli.run_report import in_bits, summary
from afterword.errors import OptionError
from afterword.planning.expectation import Expectation
from afterword.planning.training_plan import Plan, TrainingSettings
from afterword.runs.begin import Preview, preview
from afterword.runs.record import bits
from afterword.series.table_corpus import SeriesSettings, corpus_settings
from afterword.text.corpus import TextSettings


@click.command()
@click.argument("texts", nargs=-1, type=PATH, metavar="TEXT...")
@config_option
@settings_options(TextSettings, "text")
@settings_options(SeriesSettings, "table")
@settings_options(TrainingSettings, "training")
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
def plan(
    texts: tuple[str, ...], text: TextSettings, table: SeriesSettings, training: TrainingSettings, as_json: bool
) -> None:
    """Print every setting that `train` would use with TEXT and these options, and the reason for each.

    This reads the text and measures the machine for some seconds. It writes nothing and trains nothing.
    """
    if not texts:
        raise OptionError("missing TEXT: name a text file, as in: afterword plan book.txt --minutes 5")
    with waiting("reading the text and planning"):
        found = preview(texts, corpus_settings(text, table), training)
    note(*found.notes)
    click.echo(strict_json(_record(found)) if as_json else _table(found))


def _table(found: Preview) -> str:
    planned = found.plan
    lines = [*summary(found).splitlines(), ""]
    rows = [(name.replace("_", "-"), _value(planned, name), why) for name, why in planned.reasons.items()]
    lines += aligned(rows, "<><").splitlines()
    if planned.expected is not None:
        lines += ["", f"expected: {in_bits(planned.expected)} on held-out text"]
        lines += [f"in {_minutes(minutes)}: {in_bits(each)}" for minutes, each in planned.outlook.items()]
    return "\n".join(lines)


def _value(planned: Plan, name: str) -> str:
    if name == "base":
        return planned.base.name if planned.base else "none"
    return readable(getattr(planned.recipe, name))


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
            "vocabulary": encoded.tokenizer.kind,
            "lines": encoded.lines,
        },
        "base": planned.base and {"name": planned.base.name, "fingerprint": planned.base.fingerprint},
        "plan": dataclasses.asdict(planned.recipe),
        "reasons": planned.reasons,
        "expected": planned.expected and _figures(planned.expected),
        "outlook": [{"minutes": minutes} | _figures(each) for minutes, each in planned.outlook.items()],
        "notes": found.notes,
        "printed": _table(found).splitlines(),
        "planning_seconds": round(found.planning_seconds, 3),
    }
