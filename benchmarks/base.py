"""What a base model brings: the figures of docs/figures.md on bases.

    python -m benchmarks.base rows          each row of the table, from the base and from scratch
    python -m benchmarks.base ppmd          PPMd on the same texts, which goes on learning as it reads
    python -m benchmarks.base choice        whether the default takes the better way, on texts of many kinds
    python -m benchmarks.base kinds FOLDER  the base as it is, on held-out books: FOLDER/KIND.txt, FOLDER/GROUP/KIND.txt
    python -m benchmarks.base table         the tables, of benchmarks/results/base.jsonl

The first three take --only NAME, again and again, for some rows or texts. Alone on the machine. The texts are those of
benchmarks/base_subjects.py. Runs go through the real command, with the held-out part as --validation, and are scored as
in benchmarks/quality.py: the whole held-out part, read once with the state carried, or 1,000 lines, each from an empty
state; of tinyshakespeare also nanoGPT's windows.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from afterword.bases.base import load_base
from afterword.scoring.costs import score_lines
from benchmarks.base_subjects import SOURCES, Subject, subjects
from benchmarks.commands import (
    as_written,
    bits,
    echo_row,
    echo_table,
    measured_here,
    results,
    run_afterword,
    write_parts,
    write_result,
)
from benchmarks.commands import ppmd as ppmd_nats
from benchmarks.quality import learned, spread

KINDS = ("carried", "windows")  # of figures
NONE = "none"
MOST_OF_A_KIND = 100_000  # characters of held-out books that are read


@dataclass(frozen=True)
class Row:
    """One row of the table: what is trained on, for how long, and how often."""

    text: str
    minutes: float
    seeds: int = 1
    base: str = "english"


ROWS = {
    "julius-caesar-2": Row("julius-caesar", 2, seeds=3),
    "julius-caesar-30k-1": Row("julius-caesar-30k", 1),
    "julius-caesar-8k-0.5": Row("julius-caesar-8k", 0.5),
    "tinyshakespeare-2": Row("tinyshakespeare", 2, seeds=3),
    "tinyshakespeare-5": Row("tinyshakespeare", 5),
    "english-docs-2": Row("english-docs", 2, seeds=3),
    "paralyse-2": Row("paralyse", 2, seeds=3, base="german"),
    "esclave-amoureuse-2": Row("esclave-amoureuse", 2, seeds=3, base="french"),
    "a-todo-honor-2": Row("a-todo-honor", 2, seeds=3, base="spanish"),
}
CHOICE = [name for name in SOURCES if name != "tinyshakespeare"]


def only(names: Sequence[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--only", multiple=True, type=click.Choice(list(names)), help="again and again; else all")


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="Train for the rows of the table, from the base and from scratch.")
@only(list(ROWS))
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="keep the runs in this folder")
def rows(only: Sequence[str], keep: Path | None) -> None:
    for name in only or ROWS:
        row = ROWS[name]
        for text in subjects([row.text]):
            for seed in range(row.seeds):
                for way in (row.base, NONE):
                    train(name, text, row.minutes, seed, way, keep and keep / f"{name}-{way}-{seed}")


@main.command(help="Train on texts of many kinds from the base and from scratch, beside what the default decides.")
@only(CHOICE)
def choice(only: Sequence[str]) -> None:
    for text in subjects(only or CHOICE):
        with tempfile.TemporaryDirectory() as place:
            first, last = write_parts(Path(place), text.training, text.held_out)
            asked = ["--validation", last, "--minutes", 1, *["--lines"] * text.lines]
            planned = json.loads(run_afterword("plan", first, *asked, "--json"))
        chosen = planned["base"]["name"] if planned["base"] else NONE
        figures = {way: train("choice", text, 1, 0, way) for way in ("english", NONE)}
        result = {"auto": chosen, "reason": planned["reasons"].get("base"), **figures}
        write_result("base", what="choice", text=text.name, base="english", minutes=1, **measured_here(), **result)
        echo_row(choice_row({"text": text.name, **result}))


@main.command(help="Compress the held-out part of each text by PPMd, after what models learn from.")
@only(list(SOURCES))
def ppmd(only: Sequence[str]) -> None:
    for text in subjects(only):
        nats = ppmd_nats(text.training, text.held_out)
        write_result("base", what="ppmd", text=text.name, nats=nats, **measured_here())
        click.echo(f"{text.name}, PPMd: {bits(nats):.3f} bits per character")


@main.command(help="Score at most 100,000 characters of each text in FOLDER and its folders with the base as it is.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--base", default="english", show_default=True, metavar="MODEL")
def kinds(folder: Path, base: str) -> None:
    model = load_base(base).model
    texts = {
        path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8")[:MOST_OF_A_KIND]
        for path in sorted(folder.rglob("*.txt"))
    }
    figures = {}
    read = score_lines(model.predictor(), model.tokenizer, texts.values())  # side by side takes half the time
    for (name, text), cost in zip(texts.items(), read, strict=True):
        nats = float(cost.token_nats[:-1].sum()) / len(text)  # without the end
        figures[name] = {"nats": nats, "characters": len(text)}
    write_result("base", what="kinds", base=base, figures=figures, **measured_here())
    echo_kinds(figures)


@main.command(help="Print the tables of what was measured.")
def table() -> None:
    echo_table(["text", "time", "read", "from the base", "from scratch", "PPMd"], row_table())
    columns = ["text", "from the base", "from scratch", "the plan takes", "above the better", "because"]
    newest = {result["text"]: result for result in results("base", what="choice", base="english")}
    echo_table(columns, map(choice_row, newest.values()))
    for base in dict.fromkeys(row.base for row in ROWS.values()):  # the newest of each kind
        found = results("base", what="kinds", base=base)
        echo_kinds({name: figure for result in found for name, figure in result["figures"].items()})


def train(row: str, text: Subject, minutes: float, seed: int, way: str, keep: Path | None = None) -> float:
    """Train on `text`, record and print the result; return nats per character."""
    # the text as it is: the held-out part is scored with its line breaks
    options = ["--base", way, "--minutes", str(minutes), "--seed", str(seed), "--unwrap", "no"]
    result = learned(text.training, text.held_out, options, lines=text.lines, keep=keep)
    origin = {"what": "run", "row": row, "text": text.name, "minutes": minutes, "seed": seed, "way": way}
    write_result("base", **origin, **measured_here(), **result)
    figures: dict[str, float] = result["figures"]
    said = ", ".join(f"{name} {bits(nats):.3f}" for name, nats in figures.items())
    click.echo(f"{row}, {text.name}, {minutes:g} min, seed {seed}, --base {way}: {said} bits per character")
    return figures["lines both" if text.lines else "carried both"]


def row_table() -> Iterator[list[str]]:
    """Yield the figures of the rows, in bits per character, of the newest run for each seed."""
    packed = {result["text"]: result["nats"] for result in results("base", what="ppmd")}
    for name, row in ROWS.items():
        newest = {(one["way"], one["seed"]): one["figures"] for one in results("base", what="run", row=name)}
        for kind in KINDS if row.text == "tinyshakespeare" else KINDS[:1]:
            cells = []
            for way in (row.base, NONE):
                found = [bits(newest[key][f"{kind} both"]) for key in sorted(newest) if key[0] == way]
                cells.append(spread(found) if found else "–")
            nats = packed.get(row.text) if kind == "carried" else None
            yield [row.text, f"{row.minutes:g} min", kind, *cells, "–" if nats is None else f"{bits(nats):.3f}"]


def choice_row(result: Mapping[str, Any]) -> list[str]:
    """Return what the default decides for a text, compared with the better way."""
    chosen = result["none" if result["auto"] == NONE else "english"]
    over = chosen / min(result["english"], result["none"]) - 1
    both = [f"{bits(result[way]):.3f}" for way in ("english", "none")]
    return [result["text"], *both, result["auto"], f"{over:.1%}", result["reason"] or ""]


def echo_kinds(figures: Mapping[str, Mapping[str, float]]) -> None:
    """Print the figure of each kind, and the mean of each group: the kinds of one folder."""
    groups: defaultdict[str, list[Mapping[str, float]]] = defaultdict(list)
    for name, found in figures.items():
        groups[name] = [found]
        groups[f"{name[: name.rfind('/') + 1]}all"].append(found)
    echo_table(["held-out texts", "characters", "bits per character"])
    for name, each in sorted(groups.items()):
        characters = sum(found["characters"] for found in each)
        mean = sum(found["characters"] * found["nats"] for found in each) / characters
        echo_row([name, f"{characters:,}", f"{bits(mean):.3f}"])


if __name__ == "__main__":
    main()
