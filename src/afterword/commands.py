"""The table: every command, and what each wing of the house brings.

The command line, the server and the functions of the package are made from it, so that they know no wing. A wing comes
off if its row is deleted, with its folder and the other files that the row names. A place is written MODULE:NAME, below
`afterword`; `found` imports it when it is needed. This file imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple


class Command(NamedTuple):
    """A command, which is also a function of the package."""

    place: str
    """Its operation, which has the name of the function."""
    help: str
    """A line."""

    @property
    def function(self) -> str:
        """The name of the function: that of the command, with an underscore if a room has it."""
        return self.place.partition(":")[2]


class Attached(NamedTuple):
    """A file that a wing adds to a model."""

    place: str
    """Its `Attachment`, which reads and writes it."""
    renewed: str
    """The command that writes it anew."""
    begins: bytes
    """How it begins, if files that are not ours may have its name."""
    reveals: tuple[str, ...]
    """What it contains of a user's texts: sentences, as lines of a model's card."""


class Learned(NamedTuple):
    """What models of a wing have learned in place of text."""

    refused: str
    """Why commands for text refuse such a model."""
    ended: str
    """Why a run that trains such a model cannot be resumed."""
    source: str
    """The noun for what it was read from."""
    unit: str
    """The noun for what is predicted, one after another."""
    contents: str
    """What it is, with fields of the fact in braces."""
    task: str
    """What the model does, in the words of the hub."""
    use: str
    """A command in the model's folder."""


class Wing(NamedTuple):
    """What a wing brings."""

    commands: Mapping[str, Mapping[str, Command]] = {}
    """By group of `afterword --help`. A command of the core's name takes the place of the core's."""
    functions: Mapping[str, str] = {}
    """Other functions of the package, by name."""
    attached: Mapping[str, Attached] = {}
    """By name of the file."""
    learned: Mapping[str, Learned] = {}
    """By the fact in the model's `about` that says so."""
    elsewhere: Mapping[str, str] = {}
    """How the names of models begin that are elsewhere, and the function that returns the folder of such a model."""
    routes: tuple[str, ...] = ()
    """Sequences of endpoints of the server."""
    page: tuple[str, ...] = ()
    """Files of the wing that the server's page loads: modules of JavaScript, and styles."""
    scripts: tuple[str, ...] = ()
    """Functions that return the scripts of its own pages, which run in the frame of the server's page."""
    facts: tuple[str, ...] = ()
    """Functions of a loaded model. Each returns facts, by name, for the server's list of models."""
    files: tuple[str, ...] = ()
    """What goes with the wing, besides its folders in `src/afterword/wings` and `tests/wings`."""


CORE = {
    "Start here": {
        "demo": Command("operations.demo:demo", "See what Afterword does in three minutes, on a play by Shakespeare."),
        "train": Command("operations.train:train", "Train a model on your own text."),
        "generate": Command("operations.generate:generate", "Write text with a trained model."),
        "score": Command("operations.score:score", "Measure how well a model predicts a text."),
        "serve": Command("serving.serve:serve", "Serve models: a web page for people, an API for programs."),
    },
    "Make a model": {
        "plan": Command("operations.plan:plan", "Print what train would do with a text, and why."),
        "info": Command("operations.info:info", "Print what a model is and what it was trained on."),
        "bases": Command("operations.bases:bases_", "List the installed bases, from which a run can begin."),
    },
    "Write": {
        "novelty": Command(
            "operations.novelty:novelty", "Measure how much of a model's output is copied from its training text."
        ),
    },
    "Judge": {
        "surprises": Command(
            "operations.surprises:surprises",
            "Show what each character of a text costs a model, and what it expected.",
        ),
        "compare": Command("operations.compare:compare", "Compare how well several models predict the same text."),
    },
    "Look inside": {
        "inspect": Command("operations.inspect_:inspect", "Show what the gates do while a model reads a text."),
    },
}

WINGS = {
    "odd": Wing(
        commands={
            "Start here": {
                "odd": Command("wings.odd.odd:odd", "Find the lines that do not belong among good ones."),
            },
            "Judge": {
                "accept": Command(
                    "wings.odd.accept:accept", "Accept odd lines as harmless, so that they are not listed again."
                ),
                "calibrate": Command(
                    "wings.odd.calibrate:calibrate", "Calibrate a model on normal lines, so that it can find odd ones."
                ),
            },
        },
        functions={
            "calibrated": "wings.odd.normal:calibrated",
            "odd_lines": "wings.odd.normal:odd_lines",
        },
        attached={
            "calibration.safetensors": Attached(
                "wings.odd.normal:CALIBRATION",
                renewed="afterword calibrate MODEL NORMAL_FILE",
                begins=b"",
                reveals=("`calibration.safetensors` contains the costs of normal lines, as numbers, and the masks.",),
            ),
            "lines.json": Attached(
                "wings.odd.normal:LINES",
                renewed="afterword calibrate MODEL NORMAL_FILE",
                begins=b'{"places":',
                reveals=(
                    "`lines.json` contains the words of the normal lines, such as the names of users, their numbers"
                    " and",
                    "addresses, and the lines that were accepted. In place of masked numbers and addresses, it has"
                    " 20-bit",
                    "hashes, and their range: the outermost numbers, or the outermost networks of 256 addresses.",
                ),
            ),
        },
        facts=("wings.odd.normal:facts",),
    ),
    "voice": Wing(
        commands={"Judge": {"voice": Command("wings.voice.voice:voice", "Measure how much a draft sounds like you.")}},
        page=("voice.js", "voice.css"),
        files=("docs/voice.md", "docs/pictures/voice.png", "benchmarks/voice.py", "benchmarks/*/voice*"),
    ),
    "lesson": Wing(
        commands={
            "Look inside": {
                "inspect": Command(
                    "wings.lesson.inspecting:inspect", "Show what the gates do while a model reads a text."
                )
            }
        },
        functions={
            "units": "wings.lesson.units:units",
            "horizon": "wings.lesson.horizon:horizon",
            "keeps": "wings.lesson.keeping:keeps",
            "ablate": "wings.lesson.ablation:ablate",
            "step_page": "wings.lesson.step_page:step_page",
        },
        routes=("wings.lesson.lesson_routes:ROUTES",),
        scripts=("wings.lesson.step_page:step_script",),
        page=("measures.js",),
    ),
    "export": Wing(
        commands={"Share": {"export": Command("wings.export.export:export", "Write a model for other programs.")}},
        files=("docs/export.md", "benchmarks/export.py"),
    ),
    "hub": Wing(
        commands={"Share": {"push": Command("wings.hub.push:push", "Send a model to the Hugging Face hub.")}},
        elsewhere={"hf://": "wings.hub.repositories:downloaded"},
    ),
    "series": Wing(
        commands={
            "Judge": {
                "forecast": Command("wings.series.forecast:forecast", "Forecast the series of a table of numbers.")
            }
        },
        learned={
            "series": Learned(
                refused="this model has learned series of numbers, not text: use afterword forecast",
                ended="is on a table: the last version of Afterword that continues it is 0.3; "
                "afterword forecast TABLE --keep DIR trains a new network",
                source="table",
                unit="value",
                contents="{frequency} series, season {season:,}, to forecast {horizon:,} values",
                task="time-series-forecasting",
                use="afterword forecast . FILE",
            )
        },
        files=(
            "docs/forecast.md",
            "docs/make_sales.py",
            "docs/pictures/forecast.png",
            "benchmarks/series*.py",
            "benchmarks/*/series*",
            "benchmarks/*/forecast-*",
        ),
    ),
}


@cache
def grouped() -> Mapping[str, Mapping[str, Command]]:
    """Return all commands by group, in the order of `afterword --help`."""
    each = {group: dict(commands) for group, commands in CORE.items()}
    for wing in WINGS.values():
        for group, commands in wing.commands.items():
            each.setdefault(group, {}).update(commands)
    return each


@cache
def commands() -> Mapping[str, Command]:
    """Return all commands by name."""
    return {name: command for group in grouped().values() for name, command in group.items()}


@cache
def functions() -> Mapping[str, str]:
    """Return the places of the package's functions by name, those of commands first."""
    own = {command.function: command.place for command in commands().values()}
    return own | {name: place for wing in WINGS.values() for name, place in wing.functions.items()}


@cache
def attached() -> Mapping[str, Attached]:
    """Return the files that wings add to models, by name."""
    return {name: one for wing in WINGS.values() for name, one in wing.attached.items()}


@cache
def learned() -> Mapping[str, Learned]:
    """Return what models can have learned in place of text, by the fact in their `about`."""
    return {name: one for wing in WINGS.values() for name, one in wing.learned.items()}


@cache
def of_page() -> Mapping[str, str]:
    """Return the files of wings that the server's page loads, and the package of each."""
    return {file: f"afterword.wings.{name}" for name, wing in WINGS.items() for file in wing.page}


def facts(model: Any) -> dict[str, Any]:
    """Return what the wings say of a loaded model, by name."""
    places = [place for wing in WINGS.values() for place in wing.facts]
    return {name: fact for place in places for name, fact in found(place)(model).items()}


def elsewhere(name: object) -> str | None:
    """Return the place of the function that fetches the model `name`; None if that is the name of a folder."""
    ways = (way for wing in WINGS.values() for way in wing.elsewhere.items())
    return next((place for begins, place in ways if isinstance(name, str) and name.startswith(begins)), None)


def find_operation(name: str) -> Any:
    """Return the operation of the command `name`."""
    return found(commands()[name].place)


def found(place: str) -> Any:
    """Return what is at a place of the table."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"afterword.{module}"), name)
