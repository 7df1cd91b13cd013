"""Count the lines that are joined in wrapped prose, where all should be, and in other texts, where none should be.

    python -m benchmarks.unwrap --peers

There are ten texts of each kind, of 100,000 characters at most, from ../shared/data and, for code, from Python's
library and this project; none of them served to build the recognition. The ten novels of Project Gutenberg were wrapped
by hand: each line that begins with a small letter continues its paragraph. In books of verse and drama, prefaces and
notes are prose, so only blocks whose lines all begin with a capital letter count as verse. `--peers` adds pandoc, in an
environment of its own.
"""

from __future__ import annotations

import csv
import lzma
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import click

from afterword.text.unwrap import unwrapped
from benchmarks.commands import DATA, PLACE, as_written, echo_row, echo_table, peer_python

Reading = Callable[[str], str]
EACH = 10
LONG = 62  # characters: lines of verse are shorter
MOST = 100_000  # characters of a text
GUTENBERG = "github:rcdm-uga/Gutenberg_Text"


def books() -> Iterator[tuple[str, str, str]]:
    """Yield the kind, source and text of every second book; the others served for building."""
    packed = {part: lzma.decompress((DATA / "books" / f"{part}.txt.xz").read_bytes()) for part in ("train", "held-out")}
    at = dict.fromkeys(packed, 0)
    with (DATA / "books" / "MANIFEST.tsv").open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t")):
            part, size = row["part"], int(row["bytes"])
            text = packed[part][at[part] : at[part] + size].decode("utf-8", "replace")
            at[part] += size + 3  # three newlines separate two books
            if number % 2:
                yield row["kind"], row["source"], text[:MOST]


def passages(folder: str, draw: random.Random) -> list[str]:
    """Return some texts of `folder` that have one line per paragraph."""
    text = lzma.decompress((DATA / folder / "held-out.txt.xz").read_bytes()).decode()
    documents = [one for one in text.split("\n\n\n") if len(one) > 10_000]
    return [one[:MOST] for one in draw.sample(documents, min(3, len(documents)))]


def breaks(text: str) -> int:
    """Return the number of line ends between two lines that are not empty."""
    lines = [bool(line.strip()) for line in text.split("\n")]
    return sum(one and other for one, other in pairwise(lines))


def kept_lines(text: str, read: Reading) -> tuple[int, int]:
    """Return how many line ends of `text` were joined, and how many it has."""
    return breaks(text) - breaks(read(text)), breaks(text)


def is_verse(block: str) -> bool:
    """Return whether each line but the first begins with a capital letter, and all are shorter than `LONG`."""
    lines = [line.strip(" \"'“‘(_[") for line in block.split("\n") if line.strip()]
    return len(lines) > 1 and all(line[:1].isupper() for line in lines[1:]) and max(map(len, lines)) < LONG


def verse_joined(text: str, read: Reading) -> tuple[int, int]:
    """Return how many line ends of verse were joined, and how many there are."""
    joined = ends = 0
    found = set(map(str.strip, read(text).split("\n")))
    for block in filter(is_verse, text.split("\n\n")):
        lines = [line.strip() for line in block.split("\n") if line.strip()]
        ends += len(lines) - 1
        joined += min(len(lines) - 1, sum(line not in found for line in lines))
    return joined, ends


def small_letters_joined(text: str, read: Reading) -> tuple[int, int]:
    """Return how many lines that begin with a small letter were joined to the one before, and how many there are."""
    kinds = [0, 0]
    for number, one in enumerate((text, read(text))):
        lines = one.split("\n")
        for before, line in pairwise(lines):
            kinds[number] += bool(before.strip()) and line[:1].islower()
    return kinds[0] - kinds[1], kinds[0]


def pandoc(text: str) -> str:
    place = peer_python("pandoc", "pypandoc_binary==1.17").parents[1]
    (program,) = map(str, place.glob("lib/*/site-packages/pypandoc/files/pandoc"))
    command = [program, "-f", "commonmark", "-t", "plain", "--wrap=none"]
    read: str = subprocess.run(command, input=text, check=True, stdout=subprocess.PIPE, text=True).stdout
    return read


@click.command(help=as_written(__doc__))
@click.option("--peers", is_flag=True, help="Compare pandoc.")
def main(peers: bool) -> None:
    draw, all_books = random.Random(1), [*books()]
    draw.shuffle(all_books)
    prose = [text for kind, source, text in all_books if "ELTeC" in source and kind == "novel"][:4]
    prose += [text for folder in ("modern", "german", "french", "spanish") for text in passages(folder, draw)]
    draw.shuffle(prose)
    root, library = PLACE.parent, Path(random.__file__).parent
    code = sorted(
        [*root.glob("src/**/*.py"), *root.glob("src/**/*.js"), *library.glob("*.py"), *library.glob("email/*.py")]
    )
    logs = [DATA / "BGL_2k.log", *sorted((DATA / "logs").glob("*.log")), *sorted((DATA / "adfa-ld").glob("*.txt"))]
    logs += [DATA / "names.txt"]
    columns: dict[str, tuple[list[str], Callable[[str, Reading], tuple[int, int]]]] = {
        "verse": ([text for kind, _, text in all_books if kind == "verse"], verse_joined),
        "drama": ([text for kind, _, text in all_books if kind == "drama"], kept_lines),
        "wrapped prose": (
            [text for kind, source, text in all_books if source == GUTENBERG and kind == "novel"],
            small_letters_joined,
        ),
        "prose, one line per paragraph": ([re.sub("\n+", "\n", text) for text in prose], kept_lines),
        "code": ([read(path) for path in draw.sample(code[::2], EACH)], kept_lines),
        "logs": ([read(path) for path in logs], kept_lines),
    }
    echo_table(["lines joined", *columns])
    for name, joining in [("Afterword", unwrapped), *([("pandoc, without wrapping", pandoc)] if peers else [])]:
        sums = [
            [sum(each) for each in zip(*(count(text, joining) for text in texts[:EACH]), strict=True)]
            for texts, count in columns.values()
        ]
        echo_row([name, *(f"{joined / ends:.2%}" for joined, ends in sums)])


def read(path: Path) -> str:
    return path.read_text("utf-8", "replace")[:MOST]


if __name__ == "__main__":
    main()
