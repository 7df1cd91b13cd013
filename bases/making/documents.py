"""The documents that a base model may learn from: read by their manifest, cleaned, balanced, or a tenth of them."""

from __future__ import annotations

import csv
import dataclasses
import lzma
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bases.making.printing import Paragraph

MOST_OF_AN_AUTHOR = 800_000  # characters of novels, stories and children's books by one author
MANY = {"novel", "stories", "children"}  # the kinds of which there is more than enough
HELD_OUT_AUTHORS = {"Louisa M. Alcott", "Louisa May Alcott", "Gilbert White"}  # besides the manifest's own
HELD_OUT_TITLES = {
    "Louisa May Alcott Her Life, Letters, and Journals": "letters",
    "The Natural History of Selborne, Vol. 1": "science",
}
ONLY_TO_MEASURE = {"court argument", "fiction and essays (MASC)", "speech transcript (MASC)", "fate-core"}
"""Kinds and titles whose licence may not cover weights that ship: their held-out documents only serve to measure."""
SHARE_HELD_OUT = 0.03  # of texts that come without a manifest: the end of each
HELD_OUT_OF_A_KIND = 100_000  # characters, at least, where they come from training documents
NOT_THE_BOOK = re.compile(r"transcriber|gutenberg|e-?text|\[illustration|^\s*contents\.?\s*$|ebook", re.IGNORECASE)
LISTED = re.compile(r"(\.\s?){4,}|\s{2,}\d+\s*$")  # a line of a list of contents: dots, or a page number apart
BREAK = re.compile(r"^[\s*.·-]+$")


@dataclass(frozen=True)
class Document:
    """A book, an article or the like, and what its manifest says about it."""

    author: str
    title: str
    kind: str
    text: str
    held_out: bool
    died: str = ""
    year: str = ""
    source: str = ""
    licence: str = ""
    raw: bool = True
    """Whether the text is an edition's own; if not, it is clean, balanced, and has one line per paragraph."""

    def paragraphs(self) -> Iterator[Paragraph]:
        text = unicodedata.normalize("NFC", self.text)
        if self.raw:
            yield from found_in(text)
        else:
            text = re.sub(r"(?<=\w-)\n\n(?=[^\W\d_A-Z])", "", text)  # a word that a page break has torn apart
            yield from (Paragraph([part], prose=True) for block in text.split("\n\n") if (part := block.strip()))


def documents_of(folder: Path) -> Iterator[Document]:
    """Yield the documents of a folder with MANIFEST.tsv, train.txt.xz and held-out.txt.xz, in its order."""
    data = {part: lzma.decompress((folder / f"{part}.txt.xz").read_bytes()) for part in ("train", "held-out")}
    with (folder / "MANIFEST.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    yield from raw_books(rows, data) if "bytes" in rows[0] else clean_documents(rows, data)


def raw_books(rows: Iterable[dict[str, str]], data: dict[str, bytes]) -> Iterator[Document]:
    at = dict.fromkeys(data, 0)
    for row in rows:
        part, size, kind, died = row["part"], int(row["bytes"]), row["kind"], row["died"]
        text = data[part][at[part] : at[part] + size].decode("utf-8", errors="replace")
        at[part] += size + 3  # three newlines stand between two books
        held_out = part == "held-out"
        if row["author"] in HELD_OUT_AUTHORS and not held_out:
            if row["title"] not in HELD_OUT_TITLES:
                continue
            kind, held_out = HELD_OUT_TITLES[row["title"]], True
        source = f"{row['source']} {row['path']}"
        yield Document(row["author"], row["title"], kind, text, held_out, died=died, source=source)


def clean_documents(rows: Iterable[dict[str, str]], data: dict[str, bytes]) -> Iterator[Document]:
    texts = {part: packed.decode("utf-8") for part, packed in data.items()}
    for row in rows:
        part, first, size = row["part"], int(row["offset"]), int(row["characters"])
        held_out = part == "held-out"
        if held_out or ONLY_TO_MEASURE.isdisjoint((row["kind"], row["title"])):
            text = texts[part][first : first + size]
            source = f"{row['source']} {row['path']}"
            year, licence = row["year"], row["licence"]
            yield Document(
                row["author"], row["title"], row["kind"], text, held_out, "", year, source, licence, raw=False
            )


def documents_from(texts: Iterable[Path]) -> Iterator[Document]:
    """Yield each text as a document of its own, whose end is held out."""
    for path in texts:
        text = path.read_text(encoding="utf-8")
        cut = int(len(text) * (1 - SHARE_HELD_OUT))
        yield Document(path.stem, path.stem, "text", text[:cut], held_out=False)
        yield Document(path.stem, path.stem, "text", text[cut:], held_out=True)


def balanced(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield the documents, except an author's novels, stories and children's books beyond `MOST_OF_AN_AUTHOR`."""
    read: Counter[str] = Counter()
    for document in documents:
        if document.raw and document.kind in MANY and not document.held_out:
            if read[document.author] >= MOST_OF_AN_AUTHOR:
                continue
            read[document.author] += len(document.text)
        yield document


def tenth_of(documents: Iterable[Document], draw: random.Random) -> Iterator[Document]:
    """Yield a tenth of each kind's training documents, and others of them as held out."""
    kinds: defaultdict[str, list[Document]] = defaultdict(list)
    for document in documents:
        if not document.held_out:
            kinds[document.kind].append(document)
    for same in kinds.values():
        draw.shuffle(same)
        size = 0
        while len(same) > 1 and size < HELD_OUT_OF_A_KIND:
            document = same.pop()
            size += len(document.text)
            yield dataclasses.replace(document, held_out=True)
        yield from same[::10]


def found_in(text: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of an edition's text, without what is not part of the book."""
    text = text.replace("\r\n", "\n").replace("\t", "    ").replace("\xa0", " ")
    for block in re.split(r"\n\s*\n", text):
        lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        if not lines or any(NOT_THE_BOOK.search(line) for line in lines):
            continue
        if sum(bool(LISTED.search(line)) for line in lines) * 2 > len(lines) or all(map(BREAK.match, lines)):
            continue
        indentation = min(len(line) - len(line.lstrip()) for line in lines)
        lines = [line[indentation:].replace("_", "") for line in lines]
        if any(lines):
            yield Paragraph(lines, is_prose(lines))


def is_prose(lines: Sequence[str]) -> bool:
    """Whether lines break because they are full, and not because a verse, a heading or a list ends."""
    if len(lines) == 1:
        return len(lines[0]) > 90
    full = lines[:-1]
    return sum(len(line) for line in full) / len(full) >= 54 and not any(line[:1] == " " for line in lines)
