"""A damaged model's folder in commands and over HTTP; and folders of ours that are never taken for a text."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import TextError
from afterword.model.folder.saved import CARD, FILES
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import is_ours
from tests.cases import cases
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.processes import until
from tests.serving.server import serving
from tests.tiny import save_tiny_whole

PARTS = [name for name in FILES if name != CARD]
LOG = "a b 3 é\n" * 200
OF_A_RUN = {"run.json": "{}", "metrics.jsonl": '{"step": 1}\n', "lock": "An Afterword run. While"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny_whole(tmp_path / "mine", seed=0)


def test_a_damaged_file_of_a_model_that_is_served_is_one_line_of_the_answer(folder: Path, tmp_path: Path) -> None:
    other = save_tiny_whole(tmp_path / "yours", seed=1)
    with serving(folder) as server:
        assert server.post("/v1/score", {"text": "a b"}).status == 200
        for k, name in enumerate(PARTS[1:], 1):  # missing weights are those of a folder that is being replaced
            file, sound = folder / name, (folder / name).read_bytes()
            file.unlink()
            if k % 3:  # one is of another model, one is cut short, and one is missing
                file.write_bytes((other / name).read_bytes() if k % 3 == 1 else sound[:-1])
            said = server.post("/v1/score", {"text": "a b"})
            assert said.status == 500, name
            assert "the model mine cannot be read: " in said.error
            assert "\n" not in said.error
            file.unlink(missing_ok=True)
            file.write_bytes(sound)
            assert server.post("/v1/score", {"text": "a b"}).status == 200, name


def test_what_holds_a_file_of_ours_is_never_taken_for_a_text(folder: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "log").write_text(LOG)
    contents = {**OF_A_RUN, **{name: (folder / name).read_bytes() for name in FILES}}
    held: dict[str, dict[str, Any]] = {
        "run": {**OF_A_RUN},
        **{f"only {name}": {name: content} for name, content in contents.items()},
    }
    held |= {f"not {name}": {other: contents[other] for other in FILES if other != name} for name in (None, *FILES)}
    for name, files in held.items():
        place = tmp_path / "texts" / name
        for file, content in {**files, "notes.txt": LOG}.items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        if name == f"only {CARD}":  # a text, which people may have written
            assert not is_ours(place)
            shutil.rmtree(place)
            continue
        with pytest.raises(TextError, match="is not a text: it has files of a model or a run of Afterword"):
            Reader(Decoding()).find([place])
        if name not in ("not None", f"not {CARD}"):  # which are whole models
            assert name in error_line(run("score", place, tmp_path / "log"))
    assert "skipped" not in error_line(run("train", tmp_path / "texts" / "run", "--out", tmp_path / "new"))
    (tmp_path / "texts" / "book.txt").write_text("abc\n")
    reader = Reader(Decoding())
    [[book]] = reader.find([tmp_path / "texts"])
    assert book.name.endswith("book.txt")
    assert "skipped (Afterword model or run)" in "".join(reader.notes.lines())


def test_other_programs_files_of_our_names_are_texts(tmp_path: Path) -> None:
    files = {"config.json": '{"port": 80}', "tokenizer.json": "{}", "lock": "7", **cases("OTHERS")}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    [found] = Reader(Decoding()).find([tmp_path])
    assert len(found) == len(files)


@pytest.mark.parametrize(
    ("program", "file"),
    [
        ("-m afterword plan TEXT", "training.bin"),
        ("-c import\tafterword;afterword.train('TEXT')", "training.bin"),
        *cases("KILLED"),
    ],
)
def test_what_is_killed_leaves_no_text(tmp_path: Path, program: str, file: str) -> None:
    good, temporary = tmp_path / "good.log", tmp_path / "temporary"
    temporary.mkdir()
    good.write_text("".join(f"open file{k % 9} by user{k % 7}\n" for k in range(600)))
    for name, content in cases("FILES").items():
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, *program.replace("TEXT", str(good)).split(" ")]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        until(lambda: [*temporary.rglob(file)])
        os.killpg(process.pid, signal.SIGKILL)
    until(lambda: not [*temporary.iterdir()])
