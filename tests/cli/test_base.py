"""`--base` as it is typed: begun from and told; and refused, as tests/refusals.py lists, before anything is loaded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from afterword.bases.base import load_base
from tests.bases.small import save
from tests.cli.answers import fine, printed
from tests.cli.conftest import Run
from tests.processes import finished


def test_a_run_from_a_base_says_so_wherever_it_is_asked_but_not_where_the_base_was(
    book: Path, tmp_path: Path, run: Run
) -> None:
    private, out = tmp_path / "clients of Dr. Who", tmp_path / "run"
    private.mkdir()
    friend = save(private / "friend")
    trained = fine(run("train", book, "--base", friend, "--out", out, "--steps", "4", "--threads", "1"))
    assert "from friend: 2 × 6 LSTM" in trained.stderr.decode()
    told = [line.split() for line in printed(run("info", out)).splitlines()]
    assert ["base", "name", "friend"] in told
    assert ["base", "fingerprint", load_base(friend).fingerprint] in told
    fine(run("train", "--resume", out, "--base", friend, "--more-minutes", "1e-9"))
    for file in (out / "model").rglob("*"):
        assert b"Dr. Who" not in file.read_bytes(), file
    assert json.loads((out / "run.json").read_text())["asked"]["base"] == str(friend)


def test_it_is_refused_before_torch_is_imported(tmp_path: Path) -> None:
    code = "import sys; from afterword.cli.main import main\ntry:\n main()\nfinally:\n print('torch' in sys.modules)"
    arguments = ["train", "no text.txt", "--base", str(save(tmp_path / "friend")), "--hidden-size", "300"]
    assert finished([sys.executable, "-c", code, *arguments], fresh=True).stdout.strip() == b"False"
