"""Texts of every kind through the real command: read as they are meant, or refused in one line, with nothing made."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import json
import os
import shutil
import socket as sockets
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from afterword import language_model
from afterword.cli.main import program
from afterword.language_model import load
from afterword.operations.work import Work
from afterword.scoring.costs import USED, End, LineScore, Score, total
from afterword.text.decoding import Decoding
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.processes import finished

SMALL = ["--steps", "2", "--hidden-size", "8", "--threads", "1"]
CLEAN = "Fußgänger,\nzwei Zeilen.\n\nUnd é zum Schluß\n"
WORLD = "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 ọ\u0308 שלום עולם السلام עליכם हिन्दी 日本語\u2028\u200f!\n"
BOOK = "".join(f"The {number}th line of this book, and no more.\n" for number in range(60)).encode()


def listing(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def fill(pipe: Path, content: bytes) -> None:
    """Write to a pipe as soon as it is read."""
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()


# Read as they are meant


def test_a_text_costs_the_same_in_whatever_form_it_comes(model: Path, run: Run, tmp_path: Path) -> None:
    forms = {
        "plain": CLEAN.encode(),
        "marked": codecs.BOM_UTF8 + CLEAN.encode(),
        "utf-16": CLEAN.encode("utf-16"),
        "utf-16-be": codecs.BOM_UTF16_BE + CLEAN.encode("utf-16-be"),
        "utf-32": CLEAN.encode("utf-32"),
        "cr": CLEAN.replace("\n", "\r").encode(),
        "mixed newlines": CLEAN.replace(",\n", ",\r\n").replace("Schluß\n", "Schluß\r").encode(),
        "gzip": gzip.compress(CLEAN.encode()),
        "gzip in two members": gzip.compress(CLEAN[:9].encode()) + gzip.compress(CLEAN[9:].encode()),
    }
    files = [tmp_path / name for name in forms]
    for file in files:
        file.write_bytes(forms[file.name])
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "text").write_text(CLEAN, encoding="utf-8")
    fill(tmp_path / "pipe", CLEAN.encode())
    found = run("score", model, *files, tmp_path / "folder", tmp_path / "pipe", "-", "--json", input=CLEAN.encode())
    assert found.returncode == 0, found.stderr
    records = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(records) == len(forms) + 3
    for record in records:
        assert record | {"file": ""} == records[0] | {"file": ""}
    assert records[0]["characters"] == len(CLEAN)
    latin = tmp_path / "latin"
    latin.write_bytes(CLEAN.encode("latin-1"))
    [line] = run("score", model, latin, "--encoding", "latin-1", "--json").stdout.splitlines()
    assert json.loads(line).items() <= records[0].items()


def test_a_folder_with_other_files_among_the_text_is_learned_from(run: Run, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    (texts / "deep" / "deeper").mkdir(parents=True)
    (texts / "deep" / "deeper" / "book.txt").write_bytes(BOOK)
    (texts / "deep" / "wide.txt").write_bytes(WORLD.encode("utf-16"))
    (texts / "packed.gz").write_bytes(gzip.compress(b"old\rMac\rlines\r\n"))
    (texts / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    (texts / "table.bin").write_bytes(b"text\0text")
    (texts / ".hidden").write_bytes(b"hidden")
    (texts / "empty").write_bytes(b"")
    (texts / "deep" / "loop").symlink_to(texts)
    (texts / "itself").symlink_to("itself")
    os.mkfifo(texts / "pipe")
    out = tmp_path / "run"
    trained = run("train", texts, "--out", out, *SMALL)
    assert trained.returncode == 0, trained.stderr.decode()
    for note in (
        f"note: skipped (hidden): {texts / '.hidden'}",
        f"note: skipped (JPEG image): {texts / 'photo.jpg'}",
        f"note: skipped (not utf-8 text): {texts / 'table.bin'}",
        f"note: skipped (linked folder): {texts / 'deep' / 'loop'}",
        f"note: skipped (not a file): {texts / 'itself'} and {texts / 'pipe'}",
        f"note: read {texts / 'deep' / 'wide.txt'} as the UTF-16",
        f"note: turned the CRLF and CR line ends of {texts / 'packed.gz'} into LF",
    ):
        assert note in trained.stderr.decode()
    corpus = json.loads(run("info", out, "--json").stdout)["corpus"]
    read = len(BOOK) + len(WORLD) + len("old\nMac\nlines\n")
    assert corpus["training"]["characters"] + corpus["validation"]["characters"] == read


@pytest.mark.parametrize("vocabulary", ["char", "words"])
def test_joined_emoji_combining_marks_and_right_to_left_text_come_through_whole(
    run: Run, tmp_path: Path, vocabulary: str
) -> None:
    book, out = tmp_path / "world.txt", tmp_path / "run"
    book.write_bytes((WORLD * 20).encode())
    trained = run("train", "-", "--out", out, "--vocabulary", vocabulary, *SMALL, input=book.read_bytes())
    assert trained.returncode == 0, trained.stderr.decode()
    scored = json.loads(run("score", out, book, "--json").stdout)
    assert scored["characters"] == len(WORLD) * 20
    assert (scored["tokens"] < scored["characters"]) == (vocabulary != "char")
    prompt = "👩‍👩‍👧 e\u0301 ש Ж 🂡"
    written = run("generate", out, "--prompt", prompt, "--max-tokens", "30", "--seed", "3", "--json")
    sample = json.loads(written.stdout)
    assert (sample["prompt"], sample["tokens"]) == (prompt, 30)
    assert set(sample["text"]) <= set(WORLD)


# Refused


def book(content: bytes) -> Callable[[Path], Path]:
    """What makes a file of `content` in a folder."""

    def make(folder: Path) -> Path:
        (folder / "book").write_bytes(content)
        return folder / "book"

    return make


def linked_to_itself(folder: Path) -> Path:
    (folder / "book").symlink_to("book")
    return folder / "book"


def without_text(folder: Path) -> Path:
    (folder / "book" / "deep").mkdir(parents=True)
    (folder / "book" / "deep" / "loop").symlink_to(folder / "book")
    (folder / "book" / "photo").write_bytes(b"\xff\xd8")
    return folder / "book"


def socket(folder: Path) -> Path:
    with contextlib.chdir(folder), sockets.socket(sockets.AF_UNIX) as made:  # whose name must be short
        made.bind("book")
    return folder / "book"


def flipped(packed: bytes) -> bytes:
    return packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:]


# What only files and devices can be, and one of each kind of the errors that tests/text/test_corpus.py lists.
WRONG: dict[str, tuple[Callable[[Path], Path], list[str], str]] = {
    "not there": (lambda folder: folder / "book", [], "No such file"),
    "empty": (book(b""), [], "0 characters; at least 64 are needed"),
    "only a mark": (book(codecs.BOM_UTF8), [], "0 characters"),
    "equal lines": (book(b"the same\n" * 100), ["--lines"], "all lines are equal"),
    "only newlines": (book(b"\r\n\r" * 100), ["--lines"], "0 characters"),
    "latin-1": (book(BOOK + "é".encode("latin-1") + BOOK), [], f"is not utf-8 at byte {len(BOOK)}: try --encoding"),
    "a surrogate": (book(BOOK + b"\xed\xa0\x80"), [], f"is not utf-8 at byte {len(BOOK)}"),
    "NUL": (book(BOOK + b"\0"), [], f"contains a NUL at byte {len(BOOK)}"),
    "utf-16 without its mark": (book(BOOK.decode().encode("utf-16-le")), [], "--encoding utf-16-le"),
    "utf-16 that ends early": (book(BOOK.decode().encode("utf-16")[:-1]), [], "is not utf-16 at byte"),
    "another encoding than named": (book(BOOK), ["--encoding", "utf-32-le"], "is not utf-32-le at byte"),
    "an encoding of names": (book(BOOK), ["--encoding", "punycode"], "punycode is not a text encoding: give for"),
    "an encoding of hosts": (book(BOOK), ["--encoding", "IDNA"], "IDNA is not a text encoding"),
    "an encoding of code": (book(BOOK), ["--encoding", "unicode_escape"], "is not a text encoding"),
    "an encoding of nothing": (book(BOOK), ["--encoding", "undefined"], "is not a text encoding"),
    "gzip that ends early": (book(gzip.compress(BOOK)[:-9]), [], "is a damaged gzip file"),
    "gzip with a wrong sum": (book(flipped(gzip.compress(BOOK))), [], "is a damaged gzip file"),
    "gzip of no text": (book(gzip.compress(b"\x89PNG\0")), [], "contains a NUL"),
    "a link to itself": (linked_to_itself, [], "cannot read"),
    "a folder without text": (without_text, [], "is a folder without text files"),
    "a device": (lambda folder: Path("/dev/zero"), [], "is not a file, folder or pipe"),
    "a socket": (socket, [], "is not a file, folder or pipe"),
    "too many characters": (
        book("".join(map(chr, range(0x3400, 0x3400 + 40_000))).encode()),
        [],
        "different characters, and a model knows at most 30,000, more than any language uses",
    ),
    "validation that is not there": (book(BOOK), ["--validation", "gone.txt"], "cannot read gone.txt"),
    "validation by an empty file": (book(BOOK), ["--validation", "/dev/null"], "cannot read /dev/null"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_text_that_cannot_be_learned_from_gets_one_line_and_leaves_nothing(
    run: Run, tmp_path: Path, wrong: str
) -> None:
    make, options, says = WRONG[wrong]
    text = make(tmp_path)
    before = listing(tmp_path)
    finished = run("train", text, "--out", tmp_path / "run", *SMALL, *options)
    assert says in error_line(finished)
    assert listing(tmp_path) == before


def test_a_pipe_that_is_given_twice_is_refused_before_it_is_waited_for(model: Path, run: Run, tmp_path: Path) -> None:
    pipe, out = tmp_path / "pipe", tmp_path / "run"
    os.mkfifo(pipe)
    assert f"{pipe} can be read only once" in error_line(run("train", pipe, pipe, "--out", out))
    assert f"{pipe} can be read only once" in error_line(run("train", pipe, "--validation", pipe, "--out", out))
    assert "can be read only once" in error_line(run("train", "-", "/dev/stdin", "--out", out, input=BOOK))
    assert not out.exists()
    assert "can be read only once" in error_line(run("score", model, pipe, pipe))
    assert "can be read only once" in error_line(run("score", model, "-", "-"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize("options", [[], ["--encoding", "latin-1"]], ids=["utf-8", "latin-1"])
def test_a_line_of_50_mb_that_was_packed_to_a_thousandth_is_read_in_little_memory(
    tmp_path: Path, options: list[str]
) -> None:
    """It ends in a NUL, so that all of it is read, and then refused."""
    path = tmp_path / "line.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for _ in range(50):
            packed.write(b"one line " * 111_111)
        packed.write(b"\0")
    assert path.stat().st_size < 5e5
    code = """import re, sys
from afterword.cli import main
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
main.program.get_command(None, "train")  # imports what it needs, whose size differs from machine to machine
before = peak()
try:
    main.main(sys.argv[1:])
finally:
    print(peak() - before)"""
    command: list[str | Path] = [sys.executable, "-c", code, "train", path, "--out", tmp_path / "run", *options]
    refused = finished(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, fresh=True)
    more = int(refused.stdout)
    refused.stdout = b""
    assert f"contains a NUL at byte {50 * 9 * 111_111}" in error_line(refused)
    assert more < 60_000  # kB


# Read in little memory


def test_lines_that_are_scored_as_one_text_are_read_as_they_come(tmp_path: Path) -> None:
    file = tmp_path / "many.gz"
    file.write_bytes(gzip.compress(b"ab\n" * 1_500_000, 1))  # 90 MB as a list
    tracemalloc.start()
    try:
        parts = Work().parts(str(file), Decoding(), lines=True)
        counts = [len(lines) for lines in parts]
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
    assert (sum(counts), max(counts)) == (1_500_000, 1000)


@pytest.mark.parametrize(
    ("kind", "against", "piped", "most"),
    [
        ("model", False, True, 14e6),
        ("model", True, False, 36e6),
        ("lines_model", False, False, 13e6),
        ("lines_model", True, True, 26e6),
    ],
)
def test_the_memory_of_scoring_does_not_grow_with_the_text(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    against: bool,
    piped: bool,
    most: float,
) -> None:
    """With 3 MB of text the peak is 3 MB below `most`, as it is with 8 MB."""
    model: Path = request.getfixturevalue(kind)
    file = tmp_path / "text.gz"
    packed = gzip.compress((b"abcd" * 40 + b"\n") * 20_000)  # 3 MB
    if piped:
        fill(file, packed)
    else:
        file.write_bytes(packed)

    def score(network: object, tokenizer: object, text: str, on_progress: object, after: object) -> Score:
        return Score(np.ones(len(text)), len(text), len(text), end=End(0, 0, None))

    def score_lines(network: object, tokenizer: object, lines: list[str], on_progress: object) -> list[LineScore]:
        return [LineScore.of({USED: np.ones(1)}, line, 1) for line in lines]

    monkeypatch.setattr(language_model, "score", score)  # the real ones take a minute
    monkeypatch.setattr(language_model, "score_lines", score_lines)
    order = ["score", str(model), str(file)]
    if against:
        copy = shutil.copytree(model, tmp_path / "copy")
        order = ["compare", str(model), str(copy), "--file", str(file)]
    program.main(["info", str(model)], standalone_mode=False)
    tracemalloc.start()
    try:
        program.main(order, standalone_mode=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most


def test_lines_some_at_a_time_cost_what_all_cost_at_once(run: Run, lines_model: Path, tmp_path: Path) -> None:
    lines = [("abcd" * 9)[k % 7 : k % 31] for k in range(2500)]
    (tmp_path / "text").write_text("\n".join(lines))
    found = run("score", lines_model, tmp_path / "text", "--json", "--hold", "forget=1")
    assert found.returncode == 0, found.stderr
    rows = json.loads(found.stdout)
    free = total(load(lines_model).score_lines([line for line in lines if line]))
    assert rows["free_bits_per_character"] == pytest.approx(free.bits_per_character)
    held = total(load(lines_model).hold("forget=1").score_lines([line for line in lines if line]))
    expected = {"tokens": held.tokens, "perplexity": held.perplexity, "characters": held.characters}
    assert {name: rows[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("options", [[], ["--lines"]])
def test_a_line_without_an_end_is_refused(run: Run, lines_model: Path, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "endless.gz").write_bytes(gzip.compress(b"ab" * 2_100_000, 1))
    found = run("score", lines_model, tmp_path / "endless.gz", *options)
    assert found.returncode == 2
    assert error_line(found).startswith("a line has more than 4,000,000 characters: ")
