"""Count the lines that are joined in wrapped prose, where all should be, and in other texts, where none should be.

    python -m benchmarks.unwrap [--build] [--peers]
    python -m benchmarks.unwrap --layout MODEL [--texts 100]

There are ten texts of each kind, from ../shared/data and, for code, from Python's library and this project. Prose with
one line per paragraph is wrapped here, at 60 to 78 columns, so the right result is known exactly. The ten novels of
Project Gutenberg were wrapped by hand; there, each line that begins with a small letter continues its paragraph. In
books of verse and drama, prefaces and notes are prose, so only blocks whose lines all begin with a capital letter count
as verse. `--build` takes the other texts, on which the recognition was built. `--peers` prints a table of the same
figures for other tools, of the first 100,000 characters of each text; pandoc gets an environment of its own. `--layout`
lets a model of joined prose write. It counts the texts in which a line ends within a sentence, as in the wrapped books
that a base has read.
"""

from __future__ import annotations

import csv
import lzma
import random
import re
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from afterword import load
from afterword.text.unwrap import unwrapped, unwrapped_parts
from benchmarks.commands import DATA, as_written, echo_row, echo_table, peer_python

Reading = Callable[[str], str]
EACH = 10
WRITTEN = 800  # characters of a text that a model writes
LONG = 62  # characters: lines of verse are shorter
PIECE, SHORT = 400_000, 100_000  # characters of a text, and of one that other tools read
GUTENBERG = "github:rcdm-uga/Gutenberg_Text"


def books(build: bool, most: int) -> Iterator[tuple[str, str, str, str]]:
    """Yield the kind, source, title and text of every second book: those for building, or the others."""
    packed = {part: lzma.decompress((DATA / "books" / f"{part}.txt.xz").read_bytes()) for part in ("train", "held-out")}
    at = dict.fromkeys(packed, 0)
    with (DATA / "books" / "MANIFEST.tsv").open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t")):
            part, size = row["part"], int(row["bytes"])
            text = packed[part][at[part] : at[part] + size].decode("utf-8", "replace")
            at[part] += size + 3  # three newlines separate two books
            if (number % 2 == 0) == build:
                yield row["kind"], row["source"], row["title"], text[:most]


def passages(folder: str, draw: random.Random, most: int) -> Iterator[tuple[str, str]]:
    """Yield some texts of `folder` that have one line per paragraph."""
    text = lzma.decompress((DATA / folder / "held-out.txt.xz").read_bytes()).decode()
    documents = [one for one in text.split("\n\n\n") if len(one) > 10_000]
    for number, one in enumerate(draw.sample(documents, min(3, len(documents)))):
        yield f"{folder} {number}", one[:most]


def wrapped(text: str, columns: int) -> str:
    return "\n".join(textwrap.fill(line, columns) for line in text.split("\n"))


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


def all_lines_joined(texts: tuple[str, str], read: Reading) -> tuple[int, int]:
    """Return how many line ends were joined in the second of `texts`, which is the first one wrapped, and how many
    should be."""
    text, folded = texts
    return breaks(folded) - breaks(read(folded)), breaks(folded) - breaks(text)


def fmt(text: str) -> str:
    return subprocess.run(["fmt", "-w", "2500"], input=text, check=True, stdout=subprocess.PIPE, text=True).stdout


def pandoc(text: str) -> str:
    place = peer_python("pandoc", "pypandoc_binary==1.17").parents[1]
    (program,) = map(str, place.glob("lib/*/site-packages/pypandoc/files/pandoc"))
    command = [program, "-f", "commonmark", "-t", "plain", "--wrap=none"]
    read: str = subprocess.run(command, input=text, check=True, stdout=subprocess.PIPE, text=True).stdout
    return read


PEERS: dict[str, Reading] = {
    "Afterword": unwrapped,
    "pandoc, `--wrap=none`": pandoc,
    "`fmt -w 2500` of GNU": fmt,
    r"`(?<!\n)\n(?!\n)`": lambda text: re.sub(r"(?<!\n)\n(?!\n)", " ", text),
    r"`\n(?=[a-z])`": lambda text: re.sub(r"\n(?=[a-z])", " ", text),
}
"""What joins the lines of paragraphs; the expressions' matches become spaces."""


def count_broken(model: str, texts: int) -> None:
    """Print how many texts that `model` writes have a line that ends within a sentence."""
    broken = length = 0
    for sample in load(model).samples(num=texts, seed=0, max_tokens=WRITTEN):
        found = re.search(r"[a-z,;] ?\n ?[a-z]", sample.text)
        broken, length = broken + (found is not None), length + len(sample.text)
        if found is not None:
            click.echo(repr(sample.text[max(0, found.start() - 90) : found.end() + 60]))
    click.echo(f"{broken} of {texts} texts ({length:,} characters in all) have a line that ends within a sentence")


@click.command(help=as_written(__doc__))
@click.option("--build", is_flag=True, help="The texts on which the recognition was built.")
@click.option("--peers", is_flag=True, help="Print a table that compares other tools.")
@click.option("--layout", metavar="MODEL", help="Let this model of joined prose write.")
@click.option("--texts", default=100, help="The number of texts that it writes.")
def main(build: bool, peers: bool, layout: str | None, texts: int) -> None:
    if layout:
        count_broken(layout, texts)
        return
    draw, most = random.Random(1 + build), SHORT if peers else PIECE
    all_books = [*books(build, most)]
    draw.shuffle(all_books)
    prose = [(title, text) for kind, source, title, text in all_books if "ELTeC" in source and kind == "novel"][:4]
    prose += [each for folder in ("modern", "german", "french", "spanish") for each in passages(folder, draw, most)]
    draw.shuffle(prose)
    root, library = Path(__file__).parents[1], Path(random.__file__).parent
    code = [
        *root.glob("src/**/*.py"),
        *root.glob("src/**/page/*.js"),
        *library.glob("*.py"),
        *library.glob("email/*.py"),
    ]
    code = sorted(code)[build::2]
    logs = [DATA / "BGL_2k.log", *sorted((DATA / "logs").glob("*.log")), *sorted((DATA / "adfa-ld").glob("*.txt"))]
    logs += [DATA / "names.txt"]
    rows: dict[str, list[tuple[str, Any, Any]]] = {
        "verse": [(t, x, verse_joined) for kind, _, t, x in all_books if kind == "verse"][:EACH],
        "drama": [(t, x, kept_lines) for kind, _, t, x in all_books if kind == "drama"][:EACH],
        "prose, wrapped here": [],
        "prose, wrapped by hand": [
            (t, x, small_letters_joined) for kind, source, t, x in all_books if source == GUTENBERG and kind == "novel"
        ][:EACH],
        "prose, not wrapped": [(t, re.sub("\n+", "\n", x), kept_lines) for t, x in prose][:EACH],
        "code": [(str(p.name), p.read_text("utf-8", "replace")[:most], kept_lines) for p in draw.sample(code, EACH)],
        "logs": [(p.name, p.read_text("utf-8", "replace")[:most], kept_lines) for p in logs][:EACH],
    }
    exact = 0
    for title, text in prose[:EACH]:
        columns = draw.randint(60, 78)
        text = "\n".join(line.strip() for line in text.split("\n"))
        folded = wrapped(text, columns)
        rows["prose, wrapped here"].append((f"{title} at {columns}", (text, folded), all_lines_joined))
        exact += unwrapped(folded) == text
    if peers:
        echo_table(["lines joined", *rows])
        for name, read in PEERS.items():
            sums = [
                [sum(each) for each in zip(*(f(x, read) for _, x, f in some), strict=True)] for some in rows.values()
            ]
            echo_row([name, *(f"{joined / ends:.2%}" for joined, ends in sums)])
        return
    for kind, some in rows.items():
        found = [(title, measure(text, unwrapped)) for title, text, measure in some]
        joined, ends = (sum(each[k] for _, each in found) for k in (0, 1))
        click.echo(f"{kind}: {joined:,} of {ends:,} lines joined ({joined / max(1, ends):.2%}) in {len(found)} texts")
        for title, (joined, ends) in found:
            click.echo(f"    {joined:>6,} of {ends:>7,}  {joined / max(1, ends):7.2%}  {title[:60]}")
    click.echo(f"{exact} of the texts that were wrapped here are restored exactly")
    text = wrapped(prose[0][1], 72)
    text = text * (20_000_000 // len(text))
    began = time.monotonic()
    for _ in unwrapped_parts([text]):
        pass
    click.echo(f"{len(text) / 1e6 / (time.monotonic() - began):.0f} million characters per second", err=True)


if __name__ == "__main__":
    main()
