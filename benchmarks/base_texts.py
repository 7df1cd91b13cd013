"""Make the text that a base model learns from out of books: clean, balanced, and in every manner of being printed.

    python -m benchmarks.base_texts TEXT… --out DIR          any texts, each a book
    python -m benchmarks.base_texts --books DIR --out DIR    the English books, by their manifest

Writes DIR/train.txt, for each kind of held-out book DIR/held-out/KIND.txt, DIR/held-out.txt with some of each for
--validation, and DIR/books.tsv, which says what was taken. The same texts and seed give the same bytes. A book's way of
quoting, wrapping and dashing says nothing about what is in it, so it is drawn anew for each piece of about 100,000
characters: a model must then take it from the text that it reads.
"""

from __future__ import annotations

import csv
import lzma
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

PIECE = 100_000  # characters, about
KEPT_CHARACTERS = 112  # the commonest that are Latin or punctuation; a paragraph with another one is left out
MOST_OF_AN_AUTHOR = 800_000  # characters of novels, stories and children's books by one author
MANY = {"novel", "stories", "children"}  # the kinds of which there is more than enough
HELD_OUT_AUTHORS = {"Louisa M. Alcott", "Louisa May Alcott", "Gilbert White"}  # besides the manifest's own
HELD_OUT_TITLES = {
    "Louisa May Alcott Her Life, Letters, and Journals": "letters",
    "The Natural History of Selborne, Vol. 1": "science",
}
VALIDATION = 96_000  # characters of all held-out kinds together that training looks at
SHARE_HELD_OUT = 0.03  # of texts that come without a manifest: the end of each
NOT_THE_BOOK = re.compile(r"transcriber|gutenberg|e-?text|\[illustration|^\s*contents\.?\s*$|ebook", re.IGNORECASE)
LISTED = re.compile(r"(\.\s?){4,}|\s{2,}\d+\s*$")  # a line of a list of contents: dots, or a page number apart
BREAK = re.compile(r"^[\s*.·-]+$")


@dataclass(frozen=True)
class Book:
    """text: as it came; kind: what is said of it in the manifest."""

    author: str
    title: str
    kind: str
    text: str
    held_out: bool
    died: str = ""
    source: str = ""


@dataclass(frozen=True)
class Manner:
    """How a piece is printed: one of the ways in which people's own files are."""

    curly: bool
    dash: str
    width: int | None  # of a line, in characters; None: a paragraph is one line
    gap: str  # between paragraphs of unwrapped prose
    indented: bool  # verse keeps its indentation

    @classmethod
    def drawn(cls, draw: random.Random) -> Manner:
        curly = draw.random() < 0.35
        width = draw.choice([None, None, *range(64, 80, 2)]) if draw.random() < 0.8 else None
        return cls(
            curly,
            dash=draw.choice(["—", "—", " — ", "--"] if curly else ["--", "--", "--", "—", " - "]),
            width=width,
            gap="\n" if width is None and draw.random() < 0.3 else "\n\n",
            indented=draw.random() < 0.5,
        )


def books_of(folder: Path) -> Iterator[Book]:
    """The books of a folder with MANIFEST.tsv, train.txt.xz and held-out.txt.xz, in its order."""
    data = {part: lzma.decompress((folder / f"{part}.txt.xz").read_bytes()) for part in ("train", "held-out")}
    at = dict.fromkeys(data, 0)
    with (folder / "MANIFEST.tsv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            part, size, kind = row["part"], int(row["bytes"]), row["kind"]
            text = data[part][at[part] : at[part] + size].decode("utf-8", errors="replace")
            at[part] += size + 3  # three newlines stand between two books
            held_out = part == "held-out"
            if row["author"] in HELD_OUT_AUTHORS and not held_out:
                if row["title"] not in HELD_OUT_TITLES:
                    continue
                kind, held_out = HELD_OUT_TITLES[row["title"]], True
            yield Book(row["author"], row["title"], kind, text, held_out, row["died"], f"{row['source']} {row['path']}")


def books_from(texts: Iterable[Path]) -> Iterator[Book]:
    """Each text a book of its own, whose end is held out."""
    for path in texts:
        text = path.read_text(encoding="utf-8")
        cut = int(len(text) * (1 - SHARE_HELD_OUT))
        yield Book(path.stem, path.stem, "text", text[:cut], held_out=False)
        yield Book(path.stem, path.stem, "text", text[cut:], held_out=True)


def paragraphs(text: str) -> Iterator[list[str]]:
    """The paragraphs of a text as lists of lines, without what is not the book's own."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\t", "    ").replace("\xa0", " "))
    for block in re.split(r"\n\s*\n", text):
        lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        if not lines or any(NOT_THE_BOOK.search(line) for line in lines):
            continue
        if sum(bool(LISTED.search(line)) for line in lines) * 2 > len(lines) or all(map(BREAK.match, lines)):
            continue
        indentation = min(len(line) - len(line.lstrip()) for line in lines)
        yield [line[indentation:].replace("_", "") for line in lines]


def is_prose(lines: list[str]) -> bool:
    """Whether lines break because they are full, and not because a verse, a heading or a list ends."""
    if len(lines) == 1:
        return len(lines[0]) > 90
    full = lines[:-1]
    return sum(len(line) for line in full) / len(full) >= 54 and not any(line[0] == " " for line in lines)


def printed(lines: list[str], manner: Manner) -> str:
    """A paragraph in a manner."""
    if is_prose(lines):
        text = re.sub(r"\s+", " ", " ".join(lines))
        text = wrapped(punctuated(text, manner), manner.width) if manner.width else punctuated(text, manner)
    else:
        kept = lines if manner.indented else [line.lstrip() for line in lines]
        text = punctuated("\n".join(kept), manner)
    return text


def punctuated(text: str, manner: Manner) -> str:
    """Quotes and dashes as the manner has them."""
    text = text.replace("“", '"').replace("”", '"').replace("‘", "'").replace("’", "'").replace("…", "...")
    text = re.sub(r"(?<=\w)\s?(?:--|—)\s?(?=\w)", manner.dash, text) if manner.dash != "--" else text.replace("—", "--")
    if manner.dash != "--":
        text = text.replace("--", "—" if "—" in manner.dash else "--")
    if manner.curly:
        text = re.sub(r"(^|[\s(\[—-])\"", r"\1“", text).replace('"', "”")
        text = re.sub(r"(^|[\s(\[—“-])'(?!(?:tis|twas|em|twere|twill|til|gainst|t)\b)", r"\1‘", text).replace("'", "’")
    return text


def wrapped(text: str, width: int) -> str:
    """A paragraph as full lines of at most `width` characters."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def pieces(book: Book, allowed: set[str] | None) -> Iterator[list[list[str]]]:
    """The book's paragraphs in pieces of about `PIECE` characters; those with characters not `allowed` are left out."""
    piece: list[list[str]] = []
    length = 0
    for lines in paragraphs(book.text):
        if allowed is not None and not allowed.issuperset("".join(lines)):
            continue
        piece.append(lines)
        length += sum(map(len, lines)) + len(lines) + 1
        if length >= PIECE:
            yield piece
            piece, length = [], 0
    if piece:
        yield piece


def in_manner(piece: list[list[str]], manner: Manner) -> str:
    """All paragraphs of a piece, printed."""
    parts = []
    for lines in piece:
        parts.append(printed(lines, manner))
        parts.append(manner.gap if is_prose(lines) else "\n\n")
    return "".join(parts[:-1]) + "\n\n"


def balanced(books: Iterable[Book]) -> Iterator[Book]:
    """The books, but for an author's novels, stories and children's books beyond `MOST_OF_AN_AUTHOR`."""
    read: Counter[str] = Counter()
    for book in books:
        if book.kind in MANY and not book.held_out:
            if read[book.author] >= MOST_OF_AN_AUTHOR:
                continue
            read[book.author] += len(book.text)
        yield book


@click.command()
@click.argument("texts", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--books", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--seed", default=14, show_default=True)
def main(texts: tuple[Path, ...], books: Path | None, out: Path, seed: int) -> None:
    """Clean TEXTS, or the books of a folder with a manifest, and write them as one text to learn from."""
    if bool(texts) == bool(books):
        raise click.UsageError("give either texts or --books DIR")
    kept = list(balanced(books_of(books) if books else books_from(texts)))
    draw = random.Random(seed)
    counts: Counter[str] = Counter()
    for book in kept:
        if not book.held_out:
            counts.update(unicodedata.normalize("NFC", book.text))
    latin = [character for character, _ in counts.most_common() if ord(character) < 0x370 or ord(character) >= 0x2000]
    allowed = set(latin[:KEPT_CHARACTERS])
    training: list[list[list[str]]] = []
    held_out: defaultdict[str, list[str]] = defaultdict(list)
    for book in kept:
        if book.held_out:
            held_out[book.kind] += [in_manner(piece, Manner.drawn(draw)) for piece in pieces(book, None)]
        else:
            training += pieces(book, allowed)
    draw.shuffle(training)
    (out / "held-out").mkdir(parents=True, exist_ok=True)
    with (out / "train.txt").open("w", encoding="utf-8") as file:
        written = sum(file.write(in_manner(piece, Manner.drawn(draw))) for piece in training)
    some = []
    for kind, parts in sorted(held_out.items()):
        text = "".join(parts)
        (out / "held-out" / f"{kind.replace(' ', '-')}.txt").write_text(text, encoding="utf-8")
        middle = len(text) // 2
        some.append(text[middle : middle + VALIDATION // len(held_out)])
    (out / "held-out.txt").write_text("".join(some), encoding="utf-8")
    with (out / "books.tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["part", "kind", "author", "died", "title", "source", "characters"])
        for book in kept:
            part = "held out" if book.held_out else "training"
            table.writerow([part, book.kind, book.author, book.died, book.title, book.source, len(book.text)])
    characters = sum(len(part) for parts in held_out.values() for part in parts)
    click.echo(f"{written:,} characters to learn from, {characters:,} held out, of {len(held_out)} kinds")


if __name__ == "__main__":
    main()
