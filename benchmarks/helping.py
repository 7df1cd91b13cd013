"""Whether twice the text or twice the minutes helps more, and whether `train` says so.

    python -m benchmarks.helping [NAME ...]   three trainings of each text, or of those named, and then the table
    python -m benchmarks.helping --show       the table, of benchmarks/results/helping.jsonl

The first training has half of a text, the second all of it, and the third half of it and twice the minutes. The first
is right if it names what saved more, or nothing if neither saved 1 %. The half is every other tenth of the text, so
that the halves are equally near to the held-out part, which follows the text. Two texts are trained on at a time, each
on one thread.
"""

from __future__ import annotations

import json
import lzma
import tempfile
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import click

from afterword.learning.batches import steps_per_pass
from afterword.planning.expectation import FREE, Expectation, savings
from afterword.planning.tuning import OF_TEXT, limit_from_base, most_steps
from afterword.runs.in_words import WORTH
from afterword.text.encoded import EncodedCorpus
from benchmarks.commands import (
    DATA,
    as_written,
    echo_table,
    measured_here,
    results,
    run_afterword,
    shuffled,
    write_result,
)
from benchmarks.expectation import lines_bits
from benchmarks.plan import held_out_bits

HELD_OUT, MINUTES = 30_000, 0.5  # characters, of the first training
ENGLISH, SCRATCH, LINES = ("--base", "english"), ("--base", "none"), ("--base", "none", "--lines")


class Case(NamedTuple):
    """A part of a text, and how to train on it."""

    file: str
    begin: int
    characters: int
    options: tuple[str, ...]


SEEN = {  # by these texts the rule was mended, after it had been right in 3 of 6
    "german novels": Case("german/held-out.txt.xz", 0, 600_000, SCRATCH),
    "cather": Case("voice/cather.own.txt.xz", 0, 80_000, ENGLISH),
    "Hadoop's log": Case("logs/Hadoop_2k.log", 0, 340_000, SCRATCH),
    "norris, 8 kB": Case("voice/norris.own.txt.xz", 0, 8_000, ENGLISH),
    "domain names": Case("dga/benign.txt", 0, 1_000_000, LINES),
    "modern prose": Case("modern/held-out.txt.xz", 0, 1_000_000, ENGLISH),
}
CASES = SEEN | {  # by these, nothing was chosen
    "On Liberty": Case("books/held-out.txt.xz", 2_664_043, 200_000, ENGLISH),
    "Linux's log": Case("logs/Linux_2k.log", 0, 180_000, ENGLISH),
    "a tragedy": Case("books/held-out.txt.xz", 613_969, 100_000, SCRATCH),
    "books": Case("books/held-out.txt.xz", 0, 2_500_000, SCRATCH),
    "matsnu's names": Case("dga/matsnu.txt", 0, 120_000, LINES),
}


def trial(name: str, case: Case) -> dict[str, Any]:
    """Train three times, and return what came of it."""
    path = DATA / case.file
    text = (lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()).decode()[case.begin :]
    if "--lines" in case.options:
        text = "\n".join(shuffled(text.splitlines()))
    whole, held_out = text[: case.characters], text[case.characters :][:HELD_OUT]
    lines = whole.splitlines(keepends=True)
    half = "".join(line for k, line in enumerate(lines) if 10 * k // len(lines) % 2)
    found: dict[str, Any] = {"name": name, **case._asdict(), "minutes": MINUTES, "bits": {}}
    ways = {"twice the text": (whole, MINUTES), "twice the minutes": (half, 2 * MINUTES), "neither": (half, MINUTES)}
    with tempfile.TemporaryDirectory() as place:
        held, learned, out = (Path(place, each) for each in ("held.txt", "learned.txt", "run"))
        held.write_text(held_out, encoding="utf-8")
        for way, (part, minutes) in ways.items():
            learned.write_text(part, encoding="utf-8")
            options = ["--validation", held, "--minutes", minutes, "--threads", 1, *case.options, "--out", out]
            run_afterword("train", learned, *options, "--overwrite")
            encoded, record = EncodedCorpus.open(out / "corpus"), json.loads((out / "run.json").read_text())
            bits = lines_bits(out, encoded) if encoded.lines else held_out_bits(out)[0]
            found["bits"] |= {way: bits["both"]}
        validation = json.loads((out / "model" / "config.json").read_text())["about"]["validation"]
    cost, ngram = validation["nats_per_character"], validation["ngram"]
    per_pass = steps_per_pass(encoded, record["plan"]["batch_size"], record["plan"]["seq_length"])
    tokens, from_base = len(encoded.training), record["base"] is not None
    limit = limit_from_base(tokens, encoded.lines) if from_base else OF_TEXT
    found["facts"] = {
        "size": encoded.training_characters if from_base else tokens,
        "passes": record["ended"]["step"] / per_pass,
        "most": most_steps(per_pass, limit) / per_pass,
        "gained": 1 - cost / (Expectation(**record["expected"]).before_from_base if from_base else ngram),
        "from_base": from_base,
    }
    return found | measured_here()


@click.command(help=as_written(__doc__))
@click.argument("names", nargs=-1, type=click.Choice(CASES))
@click.option("--show", is_flag=True)
def main(names: tuple[str, ...], show: bool) -> None:
    chosen = [] if show else [*names] or [*CASES]
    with ThreadPoolExecutor(2) as two:
        for found in two.map(lambda name: trial(name, CASES[name]), chosen):
            write_result("helping", **found)
    rows: list[list[str]] = []
    right: dict[bool, list[bool]] = {True: [], False: []}
    for name, found in {found["name"]: found for found in results("helping")}.items():
        saved = savings(**found["facts"], share=FREE)
        gains = {way: 1 - bits / found["bits"]["neither"] for way, bits in found["bits"].items() if way != "neither"}
        said, best = (max({"nothing": WORTH, **each}.items(), key=itemgetter(1))[0] for each in (saved, gains))
        right[name in SEEN].append(said == best)
        both = [f"{100 * each[way]:.1f} %" for way in gains for each in (saved, gains)]
        rows.append([name, f"{found['facts']['passes']:.1f}", *both, said, "yes" if said == best else "no"])
    echo_table(["half of", "passes", "text", "measured", "minutes", "measured", "said", "right"], rows)
    held, seen = (f"{sum(right[each])} of {len(right[each])}" for each in (False, True))
    click.echo(f"right in {held} texts by which nothing was chosen, and in {seen} others")


if __name__ == "__main__":
    main()
