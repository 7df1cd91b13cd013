"""Tiny models with random weights, and the command, which runs in the process of the tests or in one of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from afterword import bars
from afterword.cli.main import main
from afterword.model.folder.saved import load_model, save_model
from afterword.text.characters import CharTokenizer
from tests.refusals import make_place
from tests.tiny import save_tiny

HARD = 'ab é\n\nd,"cb\x1b☃\n'.encode()
VALIDATION = {"nats_per_character": 1.5, "bits_per_character": 2.164, "lstm": 2.0, "ngram": 1.5}
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run `afterword ARGUMENTS` in this process, with `input` in a pipe; return its output as bytes."""
    return lambda *arguments, input=b"": run_here([os.fsdecode(argument) for argument in arguments], input)


def run_here(arguments: list[str], input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the command in this process, with `input` in a pipe; return its exit status and what it printed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, piped(input) as stdin:
        with standard([stdin, out, err]), pytest.raises(SystemExit) as left:
            main(arguments)
        bars.form = "auto"  # what --progress chose is for a process
        out.seek(0)
        err.seek(0)
        assert isinstance(left.value.code, int)
        return subprocess.CompletedProcess(arguments, left.value.code, out.read(), err.read())


@contextlib.contextmanager
def piped(input: bytes) -> Iterator[IO[bytes]]:
    """Yield the end of a pipe from which `input` comes."""
    read, write = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), open(write, "wb") as end:
            end.write(input)

    feeding = threading.Thread(target=feed)
    feeding.start()
    with open(read, "rb") as end:
        yield end
    feeding.join()


@contextlib.contextmanager
def standard(streams: list[IO[bytes]]) -> Iterator[None]:
    """Make files the standard streams of this process, as descriptors and in Python."""
    names, before = ("stdin", "stdout", "stderr"), [os.dup(number) for number in range(3)]
    python = [getattr(sys, name) for name in names]
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        setattr(sys, names[number], open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
    try:
        yield
    finally:
        for number, descriptor in enumerate(before):
            getattr(sys, names[number]).close()
            os.dup2(descriptor, number)
            os.close(descriptor)
            setattr(sys, names[number], python[number])


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of running text that knows "\\n", a, b, c, d and é."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def mixed_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of running text, mixed with an n-gram."""
    return save_tiny(tmp_path_factory.mktemp("models") / "mixed", mixed=True)


@pytest.fixture(scope="session")
def lines_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of lines that knows a, b, c, d and é."""
    return save_tiny(tmp_path_factory.mktemp("models") / "lines", lines=True)


@pytest.fixture(scope="session")
def named_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the requests of tests/refusals.py name, and models that read a text in another way."""
    folder = tmp_path_factory.mktemp("named")
    make_place(folder)
    (folder / "hard").write_bytes(HARD)
    (folder / "prompts").write_bytes("ab\n\ncdé\na\n".encode())
    for name, key, value in (("joined", "unwrapped", 3), ("told", "validation", VALIDATION)):
        saved = load_model(folder / "mixed")
        saved.about[key] = value
        save_model(folder / name, saved, "# Tiny\n")
    saved.tokenizer = CharTokenizer.of("\nabcdé", lowercase=True)
    save_model(folder / "lower", saved, "# Tiny\n")
    return folder


@pytest.fixture
def place(named_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`named_models`, where the test begins."""
    monkeypatch.chdir(named_models)
    return named_models


@pytest.fixture
def text(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The module's `TEXT` in a file."""
    path = tmp_path / "text.txt"
    path.write_text(request.module.TEXT, encoding="utf-8")
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A text of numbered lines."""
    path = tmp_path / "book.txt"
    path.write_text("".join(f"The {k}th line of this book, and no more.\n" for k in range(120)))
    return path
