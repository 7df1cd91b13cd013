"""The table: every command, and what each wing of the house brings.

The command line, the server and the functions of the package are made from it, so that they know no wing. A wing comes
off if its row is deleted, with its folder and the other files that the row names. A place is written MODULE:NAME, in a
wing's row below its folder; `resolve` imports it when it is needed. This file imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Literal, NamedTuple

GROUPS = ("Start here", "Make a model", "Write", "Judge", "Look inside", "Share")  # of `afterword --help`, in order


class Command(NamedTuple):
    """A command, which is also a function of the package."""

    group: str
    help: str
    """A line."""
    place: str = ""
    """Its operation; by default, the module and the function that have the name of the command. If a room has that name
    already, the function's name ends with an underscore."""


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
    """A kind of model that has learned something other than text."""

    refused: str
    """The error with which commands for text refuse such a model."""
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
    """All that a wing brings."""

    commands: Mapping[str, Command] = {}
    """By name. A command with the name of a core command replaces it."""
    functions: tuple[str, ...] = ()
    """Other functions of the package."""
    attached: Mapping[str, Attached] = {}
    """By name of the file."""
    learned: Mapping[str, Learned] = {}
    """By the fact in the model's `about` that says so."""
    elsewhere: Mapping[str, str] = {}
    """The prefix of the names of models elsewhere, and the function that returns the folder of such a model."""
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
    "demo": Command("Start here", "See what Afterword does in three minutes, on a play by Shakespeare."),
    "train": Command("Start here", "Train a model on your own text."),
    "generate": Command("Start here", "Write text with a trained model."),
    "score": Command("Start here", "Measure how well a model predicts a text."),
    "serve": Command("Start here", "Serve models: a web page for people, an API for programs.", "serving.serve:serve"),
    "plan": Command("Make a model", "Print what train would do with a text, and why."),
    "info": Command("Make a model", "Print what a model is and what it was trained on."),
    "bases": Command("Make a model", "List the installed bases, from which runs can begin.", "operations.bases:bases_"),
    "novelty": Command("Write", "Measure how much of a model's output is copied from its training text."),
    "surprises": Command("Judge", "Show what each character of a text costs a model, and what it expected."),
    "compare": Command("Judge", "Compare how well several models predict the same text."),
    "inspect": Command("Look inside", "Show what the gates do while a model reads.", "operations.inspect_:inspect"),
}
NAMES = (  # of the package, besides its commands and what wings add
    "errors:AfterwordError",
    "generation.texts:Piece",
    "generation.texts:Sample",
    "language_model:LanguageModel",
    "language_model:load",
    "scoring.costs:Score",
)
WINGS = {
    "odd": Wing(
        commands={
            "odd": Command("Start here", "Find the lines that do not belong among good ones."),
            "accept": Command("Judge", "Accept odd lines as harmless, so that they are not listed again."),
            "calibrate": Command("Judge", "Calibrate a model on normal lines, so that it can find odd ones."),
        },
        functions=("normal:calibrated", "normal:odd_lines"),
        attached={
            "calibration.safetensors": Attached(
                place="normal:CALIBRATION",
                renewed="afterword calibrate MODEL NORMAL_FILE",
                begins=b"",
                reveals=("`calibration.safetensors` contains the costs of normal lines, as numbers, and the masks.",),
            ),
            "lines.json": Attached(
                place="normal:LINES",
                renewed="afterword calibrate MODEL NORMAL_FILE",
                begins=b'{"places":',
                reveals=(
                    "`lines.json` contains the words of the normal lines, such as the names of users, their numbers",
                    "and addresses, and the lines that were accepted. In place of masked numbers and addresses, it",
                    "has 20-bit hashes, and their range: the outermost numbers, or the outermost networks of 256",
                    "addresses.",
                ),
            ),
        },
        page=("odd.js",),
        facts=("normal:facts",),
        files=(
            *("docs/odd.md", "docs/tutorial-odd.md", "tests/together/test_odd_*.py", "benchmarks/odd.py"),
            *("benchmarks/plants.*", "benchmarks/*/odd*"),
        ),
    ),
    "voice": Wing(
        commands={"voice": Command("Judge", "Measure how much a draft sounds like you.")},
        page=("voice.js", "voice.css"),
        files=("docs/voice.md", "docs/pictures/voice.png", "benchmarks/voice.py", "benchmarks/*/voice*"),
    ),
    "lesson": Wing(
        commands={
            "inspect": CORE["inspect"]._replace(place="wings.lesson.inspecting:inspect"),
            "lesson": Command("Look inside", "Write a page with trained networks that teaches how an LSTM works."),
        },
        elsewhere={"lesson:": "lesson:folder"},
        functions=("deciding:decides", "horizon:horizon", "keeping:keeps", "step_page:step_page"),
        routes=("lesson_routes:ROUTES",),
        scripts=("step_page:step_script",),
        page=("lesson.js",),
        files=(
            *("docs/gates.md", "docs/lstm*.md", "docs/teaching.md", "docs/subjects.txt", "docs/cell.svg"),
            *("docs/difficult.svg", "docs/gaps.svg", "docs/horizon.svg", "docs/pictures/step.png"),
            *("docs/notebooks/build-your-own.ipynb", "docs/notebooks/what-the-gates-do.ipynb"),
            *(
                "benchmarks/horizon.py",
                "benchmarks/shipped.py",
                "benchmarks/subjects.py",
                "benchmarks/tasks.py",
                "benchmarks/teach.py",
            ),
            *("benchmarks/claims.tsv", "benchmarks/results/horizon.jsonl", "benchmarks/results/teach.jsonl"),
        ),
    ),
    "export": Wing(
        commands={"export": Command("Share", "Write a model for other programs.")},
        files=("docs/export.md", "benchmarks/export.py"),
    ),
    "hub": Wing(
        commands={"push": Command("Share", "Send a model to the Hugging Face hub.")},
        elsewhere={"hf://": "repositories:download"},
        files=("tests/together/test_*_hub.py",),
    ),
    "series": Wing(
        commands={"forecast": Command("Judge", "Forecast the series of a table of numbers.")},
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
            *("docs/forecast.md", "docs/make_sales.py", "docs/pictures/forecast.png"),
            *("benchmarks/series*.py", "benchmarks/*/series*", "benchmarks/*/forecast-*"),
        ),
    ),
}


@cache
def commands() -> Mapping[str, Command]:
    """Return all commands by name, those of a group together."""
    rooms = {"operations": CORE, **{f"wings.{wing}": row.commands for wing, row in WINGS.items()}}
    every = {
        name: one._replace(place=one.place or f"{room}.{name}:{name}")
        for room, each in rooms.items()
        for name, one in each.items()
    }
    return dict(sorted(every.items(), key=lambda each: GROUPS.index(each[1].group)))


def places(kind: Literal["functions", "routes", "scripts", "facts"]) -> list[str]:
    """Return the places that the rows of wings have under `kind`."""
    return [f"wings.{wing}.{place}" for wing, row in WINGS.items() for place in getattr(row, kind)]


def public_names() -> Mapping[str, str]:
    """Return the places of the public names of the package: its functions and classes."""
    every = [*NAMES, *(command.place for command in commands().values()), *places("functions")]
    return {place.partition(":")[2]: place for place in every}


def attached_files() -> Mapping[str, Attached]:
    """Return the files that wings add to models, by name."""
    rows = ((wing, file) for wing, row in WINGS.items() for file in row.attached.items())
    return {name: one._replace(place=f"wings.{wing}.{one.place}") for wing, (name, one) in rows}


def learned_kinds() -> Mapping[str, Learned]:
    """Return what models can have learned in place of text, by the fact in their `about`."""
    return {name: one for row in WINGS.values() for name, one in row.learned.items()}


def of_page() -> Mapping[str, str]:
    """Return the files of wings that the server's page loads, and the package of each."""
    return {file: f"afterword.wings.{wing}" for wing, row in WINGS.items() for file in row.page}


def elsewhere(name: object) -> str | None:
    """Return the place of the function that fetches the model `name`; None if that is the name of a folder."""
    ways = ((wing, way) for wing, row in WINGS.items() for way in row.elsewhere.items())
    fits = (f"wings.{wing}.{place}" for wing, (begins, place) in ways if str(name).startswith(begins))
    return next(fits, None) if isinstance(name, str) else None


def find_operation(name: str) -> Any:
    """Return the operation of the command `name`."""
    return resolve(commands()[name].place)


def resolve(place: str) -> Any:
    """Return what is at a place of the table."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"afterword.{module}"), name)
