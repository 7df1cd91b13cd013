"""`afterword inspect` through the real command."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from afterword.commands import find_operation
from afterword.errors import OptionError
from afterword.language_model import load
from afterword.operations.inspect_ import inspect
from afterword.settings import kinds_of
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.terminals import on_a_terminal

TEXT = "abé\ndcab"
LONG = "abé\ndcabbb" * 24


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(LONG, encoding="utf-8")
    return path


def test_json_is_the_trace(model: Path, run: Run) -> None:
    [found], trace = records(run("inspect", model, TEXT, "--json")), load(model).gates(TEXT)
    assert found["tokens"] == list(TEXT)
    units = found["units"][1]
    np.testing.assert_allclose(found["forget"][1], trace.forget[:, 1, units], atol=1e-6)
    np.testing.assert_allclose(found["bits"], trace.bits, atol=1e-6)


def test_the_terminal_shows_the_text_and_its_gates(model: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    finished = fine(run("inspect", model, TEXT))
    lines = finished.stdout.decode().splitlines()
    assert (lines[0][:5], lines[0][-8:], finished.stderr) == ("text ", "abé↵dcab", b"")
    assert any(line.startswith("forget l1") for line in lines)


def test_what_is_written_to_a_file_is_not_drawn_too(model: Path, run: Run, tmp_path: Path) -> None:
    fields = [field for field, _ in kinds_of(find_operation("inspect").request)]
    endings = {field.name: field.metadata["ending"] for field in fields if field.metadata["ending"]}
    for names in [*((name,) for name in endings), [*endings]]:
        files = {name: tmp_path / f"{name}{endings[name][0]}" for name in names}
        options = [one for name, file in files.items() for one in (f"--{name}", file)]
        finished = run("inspect", model, TEXT, *options, "--overwrite")
        assert (finished.returncode, finished.stdout) == (0, b""), names
        assert {*finished.stderr.decode().splitlines()} == {f"wrote {file}" for file in files.values()}
        assert all(file.stat().st_size > 1000 for file in files.values())


def test_a_text_that_names_a_file_is_still_a_text_but_noted(
    model: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "abc").write_text("dab")
    monkeypatch.chdir(tmp_path)
    finished = run("inspect", model, "abc", "--json")
    note = "note: abc is read as the text itself: --file reads the file of that name\n"
    assert (json.loads(finished.stdout)["text"], finished.stderr.decode()) == ("abc", note)


def test_standard_input_is_a_file_too(model: Path, run: Run) -> None:
    assert json.loads(run("inspect", model, "--file", "-", "--json", input=b"ab").stdout)["text"] == "ab"


def test_characters_that_the_model_never_saw_are_told_and_shown(model: Path, run: Run) -> None:
    finished = fine(run("inspect", model, "ab☃b", "--json"))
    assert finished.stderr.decode().startswith("note: the model never saw '☃' in training")
    assert json.loads(finished.stdout)["tokens"] == ["a", "b", "<0xE2>", "<0x98>", "<0x83>", "b"]


@pytest.mark.parametrize(("options", "what"), [(["--html", "/dev/null"], "looking at the gates")])
def test_what_takes_long_shows_a_bar_on_a_terminal(model: Path, options: list[str], what: str) -> None:
    arguments = ["inspect", str(model), TEXT * 40, *options]
    call = f"from afterword import bars; from afterword.cli.main import main; bars.DELAY = 0; main({arguments})"
    status, shown = on_a_terminal(sys.executable, "-c", call)
    assert status == 0
    assert re.search(f"{what} .*━", shown)


def test_python_gets_what_the_command_prints(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = inspect(model, TEXT, units=("l1.u3",))
    assert seen.trace.to_dict(seen.named) == seen.to_dict()
    with pytest.raises(OptionError, match="or a file with file="):
        inspect(model)
    assert capsys.readouterr() == ("", "")


def test_held_parts_score_beside_free_ones(model: Path, run: Run, text: Path) -> None:
    record = records(run("score", model, text, "--hold", "forget=1", "--json"))[0]
    assert record["bits_per_character"] == pytest.approx(load(model).hold("forget=1").score(LONG).bits_per_character)
    assert record["free_bits_per_character"] == load(model).score(LONG).bits_per_character
    [line, *_] = records(run("score", model, text, "--hold", "forget=1", "--json", "--lines"))
    assert "free_bits_per_character" in line
