"""Make the text that a base model learns from: clean, in a chosen proportion, and printed in every manner.

    python -m bases.making.texts TEXT… --out DIR               any texts, each a book
    python -m bases.making.texts --books BOOKS --out DIR       the documents of a folder, by its manifest
    python -m bases.making.texts --books BOOKS --books MODERN --share MODERN=0.3 --without JUDGED --out DIR
                                                                  of two folders, 30 % of the text from MODERN

Writes into DIR: train.txt; held-out/KIND.txt for each kind of the first folder, and held-out/FOLDER/KIND.txt for each
kind of a further one; held-out.txt for --validation, a part of each kind that is not in those files; books.tsv, which
lists what was taken. The same texts, options and seed give the same bytes.

--share FOLDER=S makes S the share of FOLDER in train.txt's characters: it is read in part or repeatedly, each time in
other manners. Folders without a share are read once.

--part KIND=N takes the text of a kind N times: 0.5 takes half of its pieces, and 1.5 takes all, half of them twice. So
rare or difficult kinds can be read more often than plentiful ones.

--wrapped P is the probability that a piece's prose is wrapped by hand. Otherwise each paragraph is one line.

--times N prints the whole text N times, each time in a different order and in other manners. It is meant for a
language with few texts.

--without JUDGED leaves out paragraphs that share eight words in a row with a text in the folder JUDGED: the texts that
the base is judged by, which `python -m benchmarks.base_subjects --out JUDGED` writes.

--tenth makes a small sample to choose settings on: a tenth of the training documents of each kind, and as held-out
texts others of the training documents. What the folders hold out remains unread.
"""

from __future__ import annotations

import csv
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from bases.making.documents import Document, balanced, documents_from, documents_of, tenth_of
from bases.making.overlap import Books
from bases.making.printing import LANGUAGES, WRAPPED, Manner, Paragraph, in_manner
from benchmarks.commands import as_written

PIECE = 100_000  # characters, about, that are printed in one manner
KEPT_CHARACTERS = 112  # the most common ones, besides ASCII and the language's letters
KNOWN_RUN = 8  # words in a row that a paragraph may not share with a text that is judged
VALIDATION = 96_000  # characters of a collection's held-out kinds together that training looks at
COLUMNS = ["kind", "author", "died", "title", "source", "year", "licence"]


@dataclass
class Collection:
    """The documents of a folder, and the pieces of them to learn from."""

    name: str
    documents: list[Document]
    share: float | None = None
    """The part of the whole text; without it, the pieces are read once."""
    pieces: list[list[Paragraph]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(map(size_of, self.pieces))


def size_of(piece: Iterable[Paragraph]) -> int:
    return sum(paragraph.size for paragraph in piece)


def pieces(paragraphs: Iterable[Paragraph]) -> Iterator[list[Paragraph]]:
    """Yield paragraphs in pieces of about `PIECE` characters."""
    piece: list[Paragraph] = []
    length = 0
    for paragraph in paragraphs:
        piece.append(paragraph)
        length += paragraph.size
        if length >= PIECE:
            yield piece
            piece, length = [], 0
    if piece:
        yield piece


class Filter:
    """Keeps paragraphs of common characters that share no run of words with judged texts, and counts the others."""

    def __init__(self, documents: Iterable[Document], letters: str, judged: Iterable[Path]) -> None:
        counts: Counter[str] = Counter()
        for document in documents:
            counts.update(unicodedata.normalize("NFC", document.text))
        latin = [character for character, _ in counts.most_common() if not 0x370 <= ord(character) < 0x2000]
        self._allowed = {*latin[:KEPT_CHARACTERS], *map(chr, range(ord(" "), 0x7F)), *letters}
        self._judged = Books(line for path in judged for line in path.read_text(encoding="utf-8").splitlines())
        self.left_out: Counter[str] = Counter()

    def kept(self, paragraphs: Iterable[Paragraph]) -> Iterator[Paragraph]:
        for paragraph in paragraphs:
            if not self._allowed.issuperset("".join(paragraph.lines)):
                self.left_out["rare characters"] += 1
            elif self._judged.size and self._shares_a_run("\n".join(paragraph.lines)):
                self.left_out["words of judged texts"] += 1
            else:
                yield paragraph

    def _shares_a_run(self, text: str) -> bool:
        return bool((self._judged.shared(text).lengths >= KNOWN_RUN).any())


def mixed(collections: Sequence[Collection], draw: random.Random) -> list[list[Paragraph]]:
    """Return pieces of all collections in random order, as many of each as its share asks for."""
    once = sum(collection.size for collection in collections if collection.share is None)
    whole = once / (1 - sum(collection.share or 0 for collection in collections))
    found = []
    for collection in collections:
        if collection.share is None:
            found += collection.pieces
        else:
            found += repeated(collection.pieces, whole * collection.share, draw)
    draw.shuffle(found)
    return found


def repeated(pieces: Sequence[list[Paragraph]], size: float, draw: random.Random) -> Iterator[list[Paragraph]]:
    """Yield pieces of about `size` characters in all, none more than once more often than another."""
    while pieces:
        for piece in draw.sample(pieces, len(pieces)):
            if size <= 0:
                return
            size -= size_of(piece)
            yield piece


def numbers(given: Sequence[str], names: Iterable[str], most: float, option: str) -> dict[str, float]:
    """Return the numbers of texts such as NAME=0.5, by name. Raises BadParameter."""
    known, found = sorted(names), dict[str, float]()
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            found[name] = 0
        if name not in known or not 0 < found[name] < most:
            message = f"{text}; give NAME=N, with N between 0 and {most:g} and the name {' or '.join(known)}"
            raise click.BadParameter(message, param_hint=option)
    return found


def shares(given: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Return what --share says, by the folder's name. Raises BadParameter."""
    found = numbers(given, names, 1, "--share")
    if len(found) == len(names) or sum(found.values()) >= 1:
        raise click.BadParameter("give shares below 1 in all, and one folder without any", param_hint="--share")
    return found


def write_held_out(collection: Collection, place: Path, language: str, draw: random.Random) -> str:
    """Write the held-out text of each kind, and return some of each that is left for validation."""
    kinds: defaultdict[str, str] = defaultdict(str)
    for document in collection.documents:
        if document.held_out:
            for piece in pieces(document.paragraphs()):
                kinds[document.kind] += in_manner(piece, LANGUAGES[language], Manner.drawn(LANGUAGES[language], draw))
    place.mkdir(parents=True, exist_ok=True)
    validation = ""
    for kind, text in sorted(kinds.items()):
        cut = max(len(text) // 2, len(text) - VALIDATION // len(kinds))
        name = "-".join(re.findall(r"[\w.]+", kind))
        (place / f"{name}.txt").write_text(text[:cut], encoding="utf-8")
        validation += text[cut:]
    return validation


def write_list(documents: Iterable[tuple[str, Document]], path: Path) -> None:
    """Write what was taken as a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["part", "collection", *COLUMNS, "characters"])
        for name, document in documents:
            part = "held out" if document.held_out else "training"
            cells = [getattr(document, column) for column in COLUMNS]
            table.writerow([part, name, *cells, len(document.text)])


folder = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=as_written(__doc__))
@click.argument("texts", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--books", multiple=True, type=folder, help="a folder with a manifest (repeatable)")
@click.option("--share", "given", multiple=True, metavar="FOLDER=S", help="share of the text (default: read once)")
@click.option("--part", multiple=True, metavar="KIND=N", help="take the text of this kind N times (repeatable)")
@click.option(
    "--wrapped",
    type=click.FloatRange(0, 0.8),
    default=WRAPPED,
    show_default=True,
    help="probability that a piece's prose is wrapped by hand",
    metavar="P",
)
@click.option("--without", type=folder, help="leave out what the texts in this folder contain")
@click.option(
    "--times",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="print the whole text N times",
    metavar="N",
)
@click.option("--tenth", is_flag=True, help="make a small sample, and do not read what the folders hold out")
@click.option("--language", type=click.Choice(list(LANGUAGES)), default="english", show_default=True)
@click.option("--out", required=True, type=click.Path(path_type=Path))
@click.option("--seed", default=14, show_default=True)
def main(
    texts: tuple[Path, ...],
    books: tuple[Path, ...],
    given: tuple[str, ...],
    part: tuple[str, ...],
    wrapped: float,
    without: Path | None,
    times: int,
    tenth: bool,
    language: str,
    out: Path,
    seed: int,
) -> None:
    if bool(texts) == bool(books):
        raise click.UsageError("give either texts or --books DIR")
    if texts and tenth:
        raise click.UsageError("--tenth takes documents of --books DIR")
    share = shares(given, [place.name for place in books]) if given else {}
    judged = sorted(without.glob("*.txt")) if without else []
    if without and not judged:
        raise click.BadParameter(f"{without} has no .txt file", param_hint="--without")
    draw = random.Random(seed)
    collections = [Collection("texts", list(documents_from(texts)))] if texts else []
    for place in books:
        documents = balanced(documents_of(place))
        documents = tenth_of(documents, draw) if tenth else documents
        collections.append(Collection(place.name, list(documents), share.get(place.name)))

    validation = ""
    for number, collection in enumerate(collections):
        place = out / "held-out" / collection.name if number else out / "held-out"
        validation += write_held_out(collection, place, language, draw)
    (out / "held-out.txt").write_text(validation, encoding="utf-8")

    everything = [(collection.name, document) for collection in collections for document in collection.documents]
    training = [document for _, document in everything if not document.held_out]
    times_of = numbers(part, {document.kind for document in training}, 10, "--part")
    chosen = Filter(training, LANGUAGES[language].letters, judged)
    for collection in collections:
        chosen.left_out.clear()
        of_kind: defaultdict[str, list[list[Paragraph]]] = defaultdict(list)
        for document in collection.documents:
            if not document.held_out:
                kind = document.kind if document.kind in times_of else ""
                of_kind[kind] += pieces(chosen.kept(document.paragraphs()))
        collection.pieces = of_kind.pop("", [])
        for kind, found in of_kind.items():
            collection.pieces += repeated(found, times_of[kind] * sum(map(size_of, found)), draw)
        reasons = "".join(f", {count:,} for {reason}" for reason, count in sorted(chosen.left_out.items()))
        click.echo(f"{collection.name}: {collection.size:,} characters; paragraphs left out{reasons or ': none'}")

    with (out / "train.txt").open("w", encoding="utf-8") as file:
        spoken = LANGUAGES[language]
        written = sum(
            file.write(in_manner(piece, spoken, Manner.drawn(spoken, draw, wrapped)))
            for _ in range(times)
            for piece in mixed(collections, draw)
        )
    write_list(everything, out / "books.tsv")
    click.echo(f"{written:,} characters to learn from")


if __name__ == "__main__":
    main()
