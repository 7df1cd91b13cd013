"""`afterword inspect` through the real command."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from afterword.language_model import load
from afterword.operations.inspect_ import inspect
from tests.cli.answers import records
from tests.cli.conftest import Run
from tests.terminals import on_a_terminal

TEXT = "abé\ndcab"
LONG = "abé\ndcabbb" * 24


def test_json_is_the_trace_in_python_too(model: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    [found], trace = records(run("inspect", model, TEXT, "--json")), load(model).gates(TEXT)
    assert found["tokens"] == list(TEXT)
    units = found["units"][1]
    np.testing.assert_allclose(found["forget"][1], trace.forget[:, 1, units], atol=1e-6)
    np.testing.assert_allclose(found["bits"], trace.bits, atol=1e-6)
    seen = inspect(model, TEXT, units=("l1.u3",))
    assert seen.trace.to_dict(seen.named) == seen.to_dict()
    assert capsys.readouterr() == ("", "")


def test_a_text_is_given_by_itself_or_in_a_file_or_on_standard_input(model: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("ab☃b", encoding="utf-8")
    typed, read = run("inspect", model, "ab☃b", "--json"), run("inspect", model, "--file", tmp_path / "text", "--json")
    piped = run("inspect", model, "--file", "-", "--json", input="ab☃b".encode())
    assert records(typed) == records(read) == records(piped)
    assert records(typed)[0]["tokens"] == ["a", "b", "<0xE2>", "<0x98>", "<0x83>", "b"]


def test_what_takes_long_shows_a_bar_on_a_terminal(model: Path) -> None:
    arguments = ["inspect", str(model), TEXT * 40, "--html", "/dev/null"]
    call = f"from afterword import bars; from afterword.cli.main import main; bars.DELAY = 0; main({arguments})"
    status, shown = on_a_terminal(sys.executable, "-c", call)
    assert status == 0
    assert re.search("looking at the gates .*━", shown)
