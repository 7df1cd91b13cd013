"""Texts of every kind through the real command: read as they are meant, and in little memory however long they are."""

from __future__ import annotations

import codecs
import gzip
import json
import os
import shutil
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from afterword import language_model
from afterword.cli.main import program
from afterword.errors import TextError
from afterword.language_model import load
from afterword.scoring.costs import USED, End, LineScore, Score, total
from afterword.text.corpus import TextSettings, read_corpus
from tests.cli.conftest import Run

CLEAN = "Fußgänger,\nzwei Zeilen.\n\nUnd é zum Schluß\n"


def fill(pipe: Path, content: bytes) -> None:
    """Write to a pipe as soon as it is read."""
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()


@contextmanager
def at_most(size: float) -> Iterator[None]:
    """Fail if more bytes of memory are used at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def test_a_text_costs_the_same_in_whatever_form_it_comes(model: Path, run: Run, tmp_path: Path) -> None:
    forms = [CLEAN.encode(code) for code in ("utf-8", "utf-8-sig", "utf-16", "utf-32")]
    forms += [codecs.BOM_UTF16_BE + CLEAN.encode("utf-16-be"), CLEAN.replace("\n", "\r").encode()]
    forms += [CLEAN.replace(",\n", ",\r\n").replace("Schluß\n", "Schluß\r").encode(), gzip.compress(CLEAN.encode())]
    forms += [gzip.compress(CLEAN[:9].encode()) + gzip.compress(CLEAN[9:].encode())]
    files = [tmp_path / f"{number}" for number in range(len(forms))]
    for file, form in zip(files, forms, strict=True):
        file.write_bytes(form)
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


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_line_that_was_packed_to_a_thousandth_is_read_in_little_memory(tmp_path: Path, encoding: str) -> None:
    """It ends in a NUL, so that all of it is read, and then refused."""
    path = tmp_path / "line.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for _ in range(40):
            packed.write(b"one line " * 111_111)
        packed.write(b"\0")
    with (
        at_most(30e6),
        pytest.raises(TextError, match=f"contains a NUL at byte {40 * 9 * 111_111}"),
        read_corpus([path], TextSettings(encoding=encoding)),
    ):
        pass


@pytest.mark.parametrize(("kind", "against", "most"), [("model", False, 14e6), ("lines_model", True, 26e6)])
def test_the_memory_of_scoring_does_not_grow_with_the_text(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    against: bool,
    most: float,
) -> None:
    """With 3 MB of text the peak is 3 MB below `most`, as it is with 8 MB."""

    def score(network: object, tokenizer: object, text: str, on_progress: object, after: object) -> Score:
        return Score(np.ones(len(text)), len(text), len(text), end=End(0, 0, None))

    def score_lines(network: object, tokenizer: object, lines: list[str], on_progress: object) -> list[LineScore]:
        return [LineScore.of({USED: np.ones(1)}, line, 1) for line in lines]

    monkeypatch.setattr(language_model, "score", score)  # the real ones take a minute
    monkeypatch.setattr(language_model, "score_lines", score_lines)
    model: Path = request.getfixturevalue(kind)
    pipe = tmp_path / "text.gz"
    fill(pipe, gzip.compress((b"abcd" * 40 + b"\n") * 20_000))  # 3 MB
    copy = shutil.copytree(model, tmp_path / "copy")
    order = ["compare", str(model), str(copy), "--file", str(pipe)] if against else ["score", str(model), str(pipe)]
    program.main(["info", str(model)], standalone_mode=False)
    with at_most(most):
        program.main(order, standalone_mode=False)


def test_lines_some_at_a_time_cost_what_all_cost_at_once(run: Run, lines_model: Path, tmp_path: Path) -> None:
    lines = [("abcd" * 9)[k % 7 : k % 31] for k in range(2500)]
    (tmp_path / "text").write_text("\n".join(lines))
    found = run("score", lines_model, tmp_path / "text", "--json", "--hold", "forget=1")
    assert found.returncode == 0, found.stderr
    rows = json.loads(found.stdout)
    free = total(load(lines_model).score_lines([line for line in lines if line]))
    assert rows["free_bits_per_character"] == pytest.approx(free.bits_per_character)
    held = total(load(lines_model).hold("forget=1").score_lines([line for line in lines if line]))
    for name in ("tokens", "perplexity", "characters"):
        assert rows[name] == pytest.approx(getattr(held, name))
