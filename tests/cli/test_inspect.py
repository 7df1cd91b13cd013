"""`afterword inspect` through the real command."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import afterword
from afterword.errors import OptionError
from afterword.language_model import LanguageModel, load
from afterword.operations import inspect_
from afterword.operations.inspect_ import FILES, Found, Inspect, Seen, inspect
from afterword.settings import kinds_of
from afterword.wings.lesson.finding import Finding
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
    endings = {field.name: field.metadata["ending"] for field, _ in kinds_of(Inspect) if field.metadata["ending"]}
    assert {*endings} == {*FILES}
    for names in [*((name,) for name in FILES), FILES]:
        files = {name: tmp_path / f"{name}{endings[name][0]}" for name in names}
        options = [one for name, file in files.items() for one in (f"--{name}", file)]
        finished = run("inspect", model, TEXT, *options, "--overwrite")
        assert (finished.returncode, finished.stdout) == (0, b""), names
        assert finished.stderr.decode() == "".join(f"wrote {file}\n" for file in files.values())
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


KEEPS = ("--keeps", "abé", "--after", "\n", "--instead", "béa")
INSPECTIONS: dict[tuple[str, ...], Callable[[LanguageModel], Finding]] = {
    ("--ablate",): lambda model: afterword.ablate(model, LONG),
    KEEPS: lambda model: afterword.keeps(model, LONG, "abé", after="\n", instead=["béa"]),
    ("--find", "b+"): lambda model: afterword.units(model, LONG).matching("b+"),
    ("--horizon",): lambda model: dataclasses.replace(afterword.horizon(model, LONG), name="tiny"),
    ("--horizon", "--find", "[ab]"): lambda model: dataclasses.replace(
        afterword.horizon(model, LONG, at="[ab]"), name="tiny"
    ),
}


@pytest.mark.parametrize("options", INSPECTIONS, ids=" ".join)
def test_an_inspection_prints_what_python_finds(options: tuple[str, ...], model: Path, run: Run, text: Path) -> None:
    for held in ((), ("l0.u1=1",)):
        found = INSPECTIONS[options](load(model).hold(*held))
        asked = ("inspect", model, "--file", text, *options, *(word for one in held for word in ("--hold", one)))
        [record] = records(run(*asked, "--json"))
        assert_alike(json.dumps(record), json.dumps(found.to_dict()).replace("NaN", "null"))
        assert_alike(run(*asked).stdout.decode(), f"{found}\n")


def assert_alike(printed: str, expected: str) -> None:
    """But for what a batch of another size rounds otherwise."""
    number = re.compile(r"-?\d+\.\d+(?:e-?\d+)?|-?\de-\d+")
    assert number.sub("", printed).split() == number.sub("", expected).split()
    found, figures = ([*map(float, number.findall(text))] for text in (printed, expected))
    np.testing.assert_allclose(found, figures, atol=1e-3)


def test_a_long_text_is_read_as_far_as_it_can_be_looked_at(model: Path, run: Run, text: Path) -> None:
    text.write_text(LONG * 90)
    finished = run("inspect", model, "--file", text, "--find", "b", "--json")
    assert finished.stderr.decode() == "note: only the first 20,000 characters are read\n"


def test_as_much_is_read_as_is_measured(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_, "MOST_CHARACTERS", 50)
    for stretch, read in ((None, LONG[:50]), ("7:", LONG[7:57]), ("7:40", LONG[7:40])):
        found = inspect(model, LONG, horizon=True, stretch=stretch)
        assert isinstance(found, Found)
        assert str(found) == str(dataclasses.replace(afterword.horizon(load(model), read), name="tiny"))


@pytest.mark.parametrize(("options", "what"), [(["--html", "/dev/null"], "looking at the gates")])
def test_what_takes_long_shows_a_bar_on_a_terminal(model: Path, options: list[str], what: str) -> None:
    arguments = ["inspect", str(model), TEXT * 40, *options]
    call = f"from afterword import bars; from afterword.cli.main import main; bars.DELAY = 0; main({arguments})"
    status, shown = on_a_terminal(sys.executable, "-c", call)
    assert status == 0
    assert re.search(f"{what} .*━", shown)


def test_python_gets_what_the_command_prints(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen, found = inspect(model, TEXT, units=("l1.u3",)), inspect(model, TEXT, ablate=True)
    assert isinstance(seen, Seen)
    assert seen.trace.to_dict(seen.named) == seen.to_dict()
    assert isinstance(found, Found)
    assert str(found) == str(afterword.ablate(load(model), TEXT))
    with pytest.raises(OptionError, match="or a file with file="):
        inspect(model)
    assert capsys.readouterr() == ("", "")


def test_held_parts_write_and_score_otherwise(model: Path, run: Run, text: Path) -> None:
    free, held = (
        run("generate", model, "--seed", "1", *options).stdout
        for options in ([], ["--hold", "output=0", "--hold", "l0.u1=1"])
    )
    assert free != held
    assert held.decode().strip() == load(model).hold("output=0", "l0.u1=1").generate(seed=1).text.strip()
    record = records(run("score", model, text, "--hold", "forget=1", "--json"))[0]
    assert record["bits_per_character"] == pytest.approx(load(model).hold("forget=1").score(LONG).bits_per_character)
    assert record["free_bits_per_character"] == load(model).score(LONG).bits_per_character
    [line, *_] = records(run("score", model, text, "--hold", "forget=1", "--json", "--lines"))
    assert "free_bits_per_character" in line


def test_an_invalid_expression_is_refused_before_the_text_is_read(
    model: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LanguageModel, "units", lambda *_: pytest.fail("the text was read"))
    with pytest.raises(OptionError, match="is not a regular expression"):
        inspect(model, file=text, find="([")
