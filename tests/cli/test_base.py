"""`--base` as it is typed: begun from, told, and refused in one line before anything is read or written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from afterword.bases.base import load_base
from tests.bases.small import base_of, save
from tests.cli.answers import fine
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.processes import finished

FEW = ["--steps", "4", "--threads", "1"]


def test_a_run_from_a_base_says_so_wherever_it_is_asked_and_goes_on_from_it_alone(
    book: Path, tmp_path: Path, run: Run
) -> None:
    friend, fingerprint = save(tmp_path / "friend"), load_base(tmp_path / "friend").fingerprint
    settings = tmp_path / "settings.toml"
    settings.write_text(f'base = "{friend}"\n')
    trained = fine(run("train", book, "--config", settings, "--out", tmp_path / "run", *FEW))
    assert b"from friend: 2 \xc3\x97 6 LSTM" in trained.stderr
    told = run("info", tmp_path / "run").stdout.decode()
    assert ["base", "name", "friend"] in [line.split() for line in told.splitlines()]
    assert ["base", "fingerprint", fingerprint] in [line.split() for line in told.splitlines()]
    refused = run("train", "--resume", tmp_path / "run", "--base", "none")
    assert "began from friend, not from scratch: leave --base out" in error_line(refused)
    fine(run("train", "--resume", tmp_path / "run", "--base", friend, "--more-minutes", "1e-9"))


def test_it_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    friend = save(tmp_path / "friend", base_of("\nab"))
    code = "import sys; from afterword.cli.main import main\ntry:\n main()\nfinally:\n print('torch' in sys.modules)"
    arguments = ["train", "no text.txt", "--base", str(friend), "--hidden-size", "300"]
    assert finished([sys.executable, "-c", code, *arguments], fresh=True).stdout.strip() == b"False"


def test_the_folders_around_a_base_are_not_told_with_a_model(book: Path, tmp_path: Path, run: Run) -> None:
    private = tmp_path / "clients of Dr. Who"
    private.mkdir()
    fine(run("train", book, "--base", save(private / "friend"), "--out", tmp_path / "run", *FEW))
    for file in (tmp_path / "run" / "model").rglob("*"):
        assert b"Dr. Who" not in file.read_bytes(), file
    assert json.loads((tmp_path / "run" / "run.json").read_text())["asked"]["base"] == str(private / "friend")
