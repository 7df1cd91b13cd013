"""What attacks once found, as data: what was given to a command, and what must be said of it, with nothing made."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shlex
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.commands import find_operation
from afterword.settings import kinds_of
from tests.cli.conftest import Run
from tests.runs.conftest import once_ended
from tests.sealing import reseal
from tests.text.test_formats import BOOK as EPUB
from tests.text.test_formats import MANIFEST, ODT, PACKAGE, zipped
from tests.tiny import save_tiny

__all__ = ["once_ended"]

Make = Callable[[Path], object]
BOOK = "".join(f"The {number}th line of this book, and no more.\n" for number in range(60)).encode()
SMALL = ["--steps", "2", "--hidden-size", "8", "--threads", "1"]
PACKED = gzip.compress(BOOK, mtime=0)
CJK = "".join(map(chr, range(0x3400, 0x3400 + 40_000))).encode()
WORD = {"[Content_Types].xml": "", "word/document.xml": "<x>text</x>"}


def contents(place: Path) -> dict[str, Any]:
    """Return the kind and the content of each path in `place`."""
    found: dict[str, Any] = {}
    for path in place.rglob("*"):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) and status.st_size < 2**26 else b""
        link = os.readlink(path) if path.is_symlink() else ""
        found[str(path.relative_to(place))] = (status.st_mode, content, link)
    return found


# What makes an input in a folder, or damages one.


def text(content: bytes, name: str = "book") -> Make:
    return lambda place: (place / name).write_bytes(content)


def document(name: str, files: dict[str, str]) -> Make:
    return lambda place: zipped(place / name, files)


def pipe(name: str) -> Make:
    def make(place: Path) -> None:
        (place / name).unlink(missing_ok=True)
        os.mkfifo(place / name)

    return make


def grown(name: str, size: int, begin: bytes = b"") -> Make:
    """What makes a file so large; it is sparse, and takes no room on the disk."""

    def make(place: Path) -> None:
        with open(place / name, "r+b") as file:
            file.write(begin)
        os.truncate(place / name, size)

    return make


def linked(name: str) -> Make:
    def make(place: Path) -> None:
        (place / name).rename(place / "mine")
        (place / name).symlink_to(place / "mine")

    return make


def with_half_a_character(place: Path) -> None:
    values = json.loads((place / "tiny" / "config.json").read_text())
    values["about"]["recipe"] = "\ud800"
    (place / "tiny" / "config.json").write_text(json.dumps(values))
    reseal(place / "tiny")


def itself(place: Path) -> None:
    (place / "book").symlink_to("book")


def without_text(place: Path) -> None:
    (place / "book" / "deep").mkdir(parents=True)
    (place / "book" / "deep" / "loop").symlink_to(place / "book")
    (place / "book" / "photo").write_bytes(b"\xff\xd8")


def listening(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("book")


def changed(marks: dict[bytes, tuple[int, int]]) -> Make:
    """What makes a Word document and changes a byte of it, so far after each mark."""

    def make(place: Path) -> None:
        path = zipped(place / "a.docx", WORD)
        content = bytearray(path.read_bytes())
        for mark, (after, value) in marks.items():
            for found in re.finditer(re.escape(mark), bytes(content)):
                content[found.start() + after] = value
        path.write_bytes(content)

    return make


def nothing(place: Path) -> None:
    """What is wrong is in the words."""


NO_REPEATS = r"\*\+" * 300 + "(?:a|b)" * 200
LOCKED = "<encryption><CipherReference URI='OEBPS/text/one.xhtml'/></encryption>"
ENCRYPTED = MANIFEST.replace("/>", "><manifest:encryption-data/></manifest:manifest>")
OUTSIDE = PACKAGE.replace("text/one.xhtml", "../../../../etc/hostname")
TRAIN, RESUME = "train book --out new", "train --resume run --more-minutes 0.001"
FOUND: list[tuple[Make, str, str]] = [
    # files and devices
    (nothing, "train /dev/zero --out new", "is not a file, folder or pipe"),
    (itself, TRAIN, "cannot read"),
    (without_text, TRAIN, "is a folder without text files"),
    (listening, TRAIN, "is not a file, folder or pipe"),
    (text(BOOK), f"{TRAIN} --validation /dev/null", "cannot read /dev/null"),
    (pipe("book"), "train book book --out new", "book can be read only once"),
    (pipe("book"), f"{TRAIN} --validation book", "book can be read only once"),
    (pipe("book"), "score tiny book book", "can be read only once"),
    (nothing, "train - /dev/stdin --out new", "can be read only once"),
    (nothing, "score tiny - -", "can be read only once"),
    # words
    (
        nothing,
        f"generate tiny --pattern {'.*' * 3000}",
        "pattern is too large: it may have at most 200 repeats",
    ),
    (nothing, rf"generate tiny --pattern '{NO_REPEATS}'", "can match pattern"),
    # texts
    (text(b""), TRAIN, "0 characters; at least 64 are needed"),
    (text(b"\r\n\r" * 100), f"{TRAIN} --lines", "0 characters"),
    (text(BOOK + b"\xed\xa0\x80"), TRAIN, f"is not utf-8 at byte {len(BOOK)}"),
    (text(BOOK.decode().encode("utf-16-le")), TRAIN, "--encoding utf-16-le"),
    (text(BOOK.decode().encode("utf-16")[:-1]), TRAIN, "is not utf-16 at byte"),
    (text(BOOK), f"{TRAIN} --encoding utf-32-le", "is not utf-32-le at byte"),
    *(
        (text(BOOK), f"{TRAIN} --encoding {name}", f"{name} is not a text encoding")
        for name in ("punycode", "IDNA", "unicode_escape", "undefined")  # of names, of hosts, of code, of nothing
    ),
    (text(PACKED[:-6] + bytes([PACKED[-6] ^ 1]) + PACKED[-5:]), TRAIN, "is a damaged gzip file"),
    (text(gzip.compress(b"\x89PNG\0", mtime=0)), TRAIN, "contains a NUL"),
    (text(CJK), TRAIN, "different characters, and a model knows at most 30,000, more than any language uses"),
    *(
        (
            text(gzip.compress(b"ab" * 2_100_000, 1, mtime=0)),
            f"score lines book{more}",
            "a line has more than 4,000,000 char",
        )
        for more in ("", " --lines")
    ),
    # documents
    (document("a.docx", WORD | {"word/document.xml": "<w:p>"}), "plan a.docx", "is a damaged Word document ("),
    (changed({b"\xb3\xa9": (0, 0xFF)}), "plan a.docx", "is a damaged Word document (Error -3 while"),
    (changed({b"PK\3\4": (8, 99), b"PK\1\2": (10, 99)}), "plan a.docx", "is a damaged Word document ("),
    (changed({b"PK\3\4": (6, 1), b"PK\1\2": (8, 1)}), "plan a.docx", "is an encrypted Word document: save it without"),
    (document("a.epub", EPUB | {"META-INF/container.xml": "<x/>"}), "plan a.epub", "is a damaged EPUB book"),
    (document("a.epub", EPUB | {"OEBPS/book.opf": OUTSIDE}), "plan a.epub", "is a damaged EPUB book"),
    *(
        (document("a.epub", {one: EPUB[one] for one in EPUB if one != name}), "plan a.epub", "is a damaged EPUB book")
        for name in EPUB
        if name.startswith("OEBPS/text")
    ),
    (document("a.epub", EPUB | {"META-INF/encryption.xml": LOCKED}), "plan a.epub", "is an encrypted EPUB book"),
    (
        document("a.odt", ODT | {"META-INF/manifest.xml": ENCRYPTED, "content.xml": "\1\2"}),
        "plan a.odt",
        "is an encrypted OpenDocument text",
    ),
    # models
    *((pipe(f"tiny/{name}"), "info tiny", name) for name in ("config.json", "tokenizer.json", "model.safetensors")),
    *(
        (grown(f"tiny/{name}", 2**40), "info tiny", f"{name}: it has 1,099,511,627,776 bytes, and at most ")
        for name in ("config.json", "tokenizer.json", "model.safetensors", "ngram.safetensors")
    ),
    (grown("tiny/README.md", 2**40), "export tiny --html page.html", "README.md: it has 1,099,511,627,776 bytes, and"),
    (
        grown("tiny/model.safetensors", 2**31 + 8, (2**31).to_bytes(8, "little")),
        "info tiny",
        "its header is too large",
    ),
    (with_half_a_character, "info tiny", "contains a lone surrogate"),
    # runs
    (text(b'{"format": 3, "versions": {"python": "\\ud800"}}', "run/run.json"), RESUME, "contains a lone surrogate"),
    (pipe("run/run.json"), RESUME, "run holds no run: run.json is missing"),
    (pipe("run/metrics.jsonl"), RESUME, "it is not a regular file"),
    (pipe("run/corpus/corpus.json"), RESUME, "it is not a regular file"),
    (pipe("run/corpus/training.bin"), RESUME, "the encoded text in run/corpus is damaged (training.bin has -1 bytes"),
    *(
        (linked(f"run/{name}"), RESUME, f"must not have links in the place of a run's own files: {name}")
        for name in ("checkpoints", "corpus", "model", "metrics.jsonl", "run.json", "model/README.md")
    ),
]


@pytest.fixture(scope="module")
def sound(once_ended: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models and a run."""
    place = tmp_path_factory.mktemp("sound")
    save_tiny(place / "tiny", mixed=True)
    save_tiny(place / "lines", lines=True)
    shutil.copytree(once_ended, place / "run")
    return place


@pytest.mark.parametrize("number", range(len(FOUND)))
def test_what_was_found_is_refused_in_one_line_and_leaves_nothing(
    run: Run, sound: Path, tmp_path: Path, number: int
) -> None:
    make, line, says = FOUND[number]
    shutil.copytree(sound, tmp_path, dirs_exist_ok=True)
    with contextlib.chdir(tmp_path):
        make(tmp_path)
        before = contents(tmp_path)
        refused = run(*shlex.split(line), input=BOOK)
    said = refused.stderr.decode().splitlines()
    assert refused.returncode in (1, 2)
    assert refused.stdout == b""
    assert said[-1].startswith("error: "), said
    assert len(said) == 1 or "--resume" in line, said
    assert says in said[-1]
    assert contents(tmp_path) == before


NUMBERS = ["nan", "inf", "-inf", "1e400", "-1", "0", "99999999999999999999", "0x9", "", " ", "1_0", "٣", "½", "\ud800"]


@pytest.mark.parametrize("name", ["gone", "tiny"])
def test_an_extreme_number_of_any_option_is_one_line(run: Run, sound: Path, name: str) -> None:
    fields = kinds_of(find_operation("generate").request) if name == "gone" else []  # a model would write for long
    numbered = [one.name.replace("_", "-") for one, kind in fields if {int, float} & {*kind.types}]
    for option in numbered or ["top-k", "temperature", "top-p", "no-copy"]:
        for number in NUMBERS:
            word = f"--{option}={number}".encode("utf-8", "surrogatepass")
            found = run("generate", sound / name, "--max-tokens=2", word)
            said = found.stderr.decode()
            assert found.returncode in (2, 2 * (name == "gone")), (word, said)
            assert found.returncode == 0 or said.splitlines()[-1].startswith("error: "), (word, said)
            assert "Traceback" not in said
