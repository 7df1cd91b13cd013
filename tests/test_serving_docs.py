"""The commands and the code of docs/serving.md, run as they stand there."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.serving.http.limits import Limits
from tests.processes import finished
from tests.serving.server import Serving, serving
from tests.tiny import save_tiny

DOCS = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    folder = save_tiny(tmp_path_factory.mktemp("docs") / "book")
    with serving(folder) as server:
        yield server, folder


def test_the_code_works(book: tuple[Serving, Path]) -> None:
    server, folder = book
    (code,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
    done = finished([sys.executable, "-c", code.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")])
    assert done.returncode == 0, done.stderr.decode()
    nats = float(done.stdout.split()[-1])
    assert nats == pytest.approx(load(folder).score("Friends, Romans").nats, abs=1e-4)


def test_the_command_for_curl_works(book: tuple[Serving, Path]) -> None:
    server, folder = book
    (command,) = re.findall(r"```\n(curl .*?)```", DOCS, re.DOTALL)
    arguments = shlex.split(command.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"))
    done = finished([*arguments, "-s"])
    expected = load(folder).generate(
        "Brutus: ", max_tokens=100, seed=1, temperature=1, min_p=0, new_word_p=0, repetition_penalty=1
    )
    assert f'"text":"{expected.text}"'.replace("\n", "\\n") in done.stdout.decode()


def test_every_limit_is_told() -> None:
    for field in fields(Limits):
        assert f"`--{field.name.replace('_', '-')}`" in DOCS
