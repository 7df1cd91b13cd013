"""A damaged model's folder in commands and over HTTP; and folders of ours that are never taken for a text."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

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
DAMAGES = ("flipped", "missing", "another's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny_whole(tmp_path / "mine", seed=0)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return save_tiny_whole(tmp_path / "yours", seed=1)


def damage(file: Path, how: str, other: Path) -> None:
    """Replace `file` by a damaged one, as another program would."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.unlink()
    if how != "missing":
        file.write_bytes(content if how == "flipped" else (other / file.name).read_bytes())


@pytest.mark.parametrize("name", PARTS)
def test_a_damaged_file_is_one_line_of_each_command(name: str, folder: Path, other: Path, run: Run) -> None:
    (folder.parent / "log").write_text("a b 3 é\n")
    for how in DAMAGES:
        copied = Path(shutil.copytree(folder, folder.parent / how))
        damage(copied / name, how, other)
        for command in (["info", copied], ["score", copied, folder.parent / "log"]):
            assert str(copied) in error_line(run(*command))


def test_a_damaged_file_of_a_model_that_is_served_is_one_line_of_the_answer(folder: Path, other: Path) -> None:
    sound = Path(shutil.copytree(folder, folder.parent / "sound"))
    with serving(folder) as server:
        assert server.post("/v1/score", {"text": "a b"}).status == 200
        for name in PARTS[1:]:
            for how in DAMAGES:
                damage(folder / name, how, other)
                said = server.post("/v1/score", {"text": "a b"})
                if not (name == "model.safetensors" and how == "missing"):  # as while the folder is being replaced
                    assert said.status == 500, (name, how)
                    assert "the model mine cannot be read: " in said.error
                    assert "\n" not in said.error
                (folder / name).unlink(missing_ok=True)
                shutil.copy(sound / name, folder / name)
                assert server.post("/v1/score", {"text": "a b"}).status == 200, (name, how)


def test_what_holds_a_file_of_ours_is_never_taken_for_a_text(folder: Path, tmp_path: Path, run: Run) -> None:
    log, places = tmp_path / "log", [folder]
    log.write_text("a b 3 é\n" * 200)
    for name in FILES:
        places.append(alone := tmp_path / f"only {name}")
        alone.mkdir()
        shutil.copy(folder / name, alone)
        places.append(Path(shutil.copytree(folder, tmp_path / f"not {name}")))
        (places[-1] / name).unlink()
    run_folder = tmp_path / "run"
    shutil.copytree(tmp_path / "not config.json", run_folder / "model")
    for name, content in (("run.json", "{}"), ("metrics.jsonl", '{"step": 1}\n'), ("lock", "An Afterword run. While")):
        places.append(alone := tmp_path / f"only {name}")
        alone.mkdir()
        for at in (alone, run_folder):
            (at / name).write_text(content)
    for place in [*places, run_folder]:
        if place.name == f"only {CARD}":  # a text, which people may have written
            assert not is_ours(place)
            continue
        (place / "notes.txt").write_text("a b 3 é\n" * 200)
        with pytest.raises(TextError, match="is not a text: it has files of a model or a run of Afterword"):
            Reader(Decoding()).find([place])
        if place not in (folder, tmp_path / f"not {CARD}"):
            assert place.name in error_line(run("score", place, log))
        shutil.move(place, tmp_path / "texts" / place.name)
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
