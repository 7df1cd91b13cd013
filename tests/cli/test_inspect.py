"""`afterword inspect` through the real command."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.language_model import load
from afterword.operations import inspect_
from afterword.operations.inspect_ import FILES, Found, Inspect, Seen, inspect
from afterword.operations.train import train
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


def test_files_are_written_and_named(model: Path, run: Run, tmp_path: Path) -> None:
    text, page, step = tmp_path / "text.txt", tmp_path / "gates.html", tmp_path / "step.html"
    text.write_text(TEXT * 3)
    finished = run("inspect", model, "--file", text, "--stretch", "2:10", "--html", page, "--step", step)
    assert (finished.returncode, finished.stdout) == (0, b"")
    assert finished.stderr.decode() == f"wrote {page}\nwrote {step}\n"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


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


def test_what_is_held_is_seen(model: Path, run: Run) -> None:
    found = records(run("inspect", model, TEXT, "--json", "--hold", "l0.forget=0.25", "--units", "l0.u3"))[0]
    assert found["forget"] == [[[0.25]] * len(TEXT), [[]] * len(TEXT)]


def test_characters_that_the_model_never_saw_are_told_and_shown(model: Path, run: Run) -> None:
    finished = fine(run("inspect", model, "ab☃b", "--json"))
    assert finished.stderr.decode().startswith("note: the model never saw '☃' in training")
    assert json.loads(finished.stdout)["tokens"] == ["a", "b", "<0xE2>", "<0x98>", "<0x83>", "b"]


def test_ablate_prints_the_table_or_json(model: Path, run: Run) -> None:
    finished = run("inspect", model, TEXT, "--ablate")
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert finished.stdout.decode().startswith("all gates at work: ")
    record = records(run("inspect", model, TEXT, "--ablate", "--json"))[0]
    assert len(record["each"]) == 21
    assert record["bits_per_character"] == pytest.approx(load(model).score(TEXT).bits_per_character)


def test_keeps_prints_the_table_or_json(model: Path, run: Run) -> None:
    arguments = ("inspect", model, "ab\ncd\na", "--keeps", "ab", "--after", "\n", "--instead", "ba")
    finished = run(*arguments)
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert finished.stdout.decode().splitlines()[0] == "'ab' compared with 'ba' in its place"
    assert finished.stdout.decode().splitlines()[-1].startswith("expected next: ")
    record = records(run(*arguments, "--json"))[0]
    assert record == load(model).keeps("ab\ncd\na", "ab", after="\n", instead=["ba"]).to_dict()


def test_units_are_those_of_the_answer(model: Path, run: Run, text: Path) -> None:
    [record] = records(run("inspect", model, "--file", text, "--find", "b+", "--json"))
    answer = load(model).units(LONG).matching("b+")
    assert record == answer.to_dict()
    assert run("inspect", model, "--file", text, "--find", "b+").stdout.decode() == f"{answer}\n"
    [held] = records(run("inspect", model, "--file", text, "--find", "b+", "--json", "--hold", "l0.u1=1"))
    assert held == load(model).hold("l0.u1=1").units(LONG).matching("b+").to_dict()


def test_a_long_text_is_read_as_far_as_it_can_be_looked_at(model: Path, run: Run, text: Path) -> None:
    text.write_text(LONG * 90)
    finished = run("inspect", model, "--file", text, "--find", "b", "--json")
    assert finished.stderr.decode() == "note: only the first 20,000 characters are read\n"


def test_the_horizon_is_that_of_the_answer(model: Path, run: Run, text: Path) -> None:
    for options, at in (((), None), (("--find", "[ab]"), "[ab]")):
        found = dataclasses.replace(load(model).horizon(LONG, at=at), name="tiny")
        [record] = records(run("inspect", model, "--file", text, "--horizon", *options, "--json"))
        assert [(row["k"], row["bits"]) for row in record["steps"]] == [
            (k, pytest.approx(found.at(k)[0])) for k in found.steps
        ]
        assert (record["model"], record["reach"]) == ("tiny", found.reach)
        lines, shown = run("inspect", model, LONG, "--horizon", *options).stdout.decode().splitlines(), str(found)
        assert lines[:2] == shown.splitlines()[:2]
        assert [line.split()[0] for line in lines] == [line.split()[0] for line in shown.splitlines()]


def test_as_much_is_read_as_is_measured(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_, "MOST_CHARACTERS", 50)
    for stretch, read in ((None, LONG[:50]), ("7:", LONG[7:57]), ("7:40", LONG[7:40])):
        found = inspect(model, LONG, horizon=True, stretch=stretch)
        assert isinstance(found, Found)
        assert str(found) == str(dataclasses.replace(load(model).horizon(read), name="tiny"))


@pytest.mark.parametrize(
    ("options", "what"), [(["--html", "/dev/null"], "looking at the gates"), (["--ablate"], "inspecting: ablate")]
)
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
    assert str(found) == str(load(model).ablate(TEXT))
    with pytest.raises(OptionError, match="or a file with file="):
        inspect(model)
    assert capsys.readouterr() == ("", "")


def test_a_picture_is_written(model: Path, run: Run, tmp_path: Path) -> None:
    png = tmp_path / "gates.png"
    finished = run("inspect", model, TEXT, "--png", png)
    assert (finished.returncode, finished.stderr.decode()) == (0, f"wrote {png}\n")
    assert png.stat().st_size > 10_000


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


def test_a_network_holds_a_subject_to_its_last_use_and_lets_it_go_at_the_next_name(tmp_path: Path, run: Run) -> None:
    """The two tables of the founding example, for a network that learned three names in two seconds."""
    draw = random.Random(0)
    pairs = [draw.choices(("Ann", "Bob", "Eve"), k=2) for _ in range(400)]
    lines = [f"{one} sat. So {one} ate. {other} ran. So {other} hid.\n" for one, other in pairs]
    (tmp_path / "names.txt").write_text("".join(lines))
    sizes: dict[str, Any] = {"steps": 400, "hidden_size": 64, "batch_size": 8, "seq_length": 64}
    options: dict[str, Any] = {"base": "none", "ngram": 0, "dropout": 0, "learning_rate": 0.02, "threads": 1}
    train(tmp_path / "names.txt", out=tmp_path / "names", **sizes, **options)
    texts = ("Ann sat. So ", "Ann sat. So Ann ate. Bob ran. So ")
    asked = [("inspect", tmp_path / "names", text, "--keeps", "Ann", "--after", ".") for text in texts]
    tables = [run(*one).stdout.decode().splitlines() for one in asked]
    for caption, head, *_, foot in tables:
        assert caption.startswith("'Ann' compared with '")
        assert re.split(" {2,}", head.strip())[0] == "of 'Ann' still held"
        assert foot.startswith("expected next: ")
    held = [[float(row.split()[0]) for row in rows] for _, _, *rows, _ in tables]
    expected = [dict(re.findall(r"(\w+) (\d\.\d\d)", foot)) for *_, foot in tables]
    assert min(held[0]) > 0.4  # after her sentence, where she comes again
    assert held[1][-1] < 0.4  # after his, where nothing asks for her
    assert float(expected[0]["Ann"]) > 0.5  # 0.81 and 0.85, by the rounding of the processor
    assert float(expected[1]["Bob"]) > 0.5 > 0.2 > float(expected[1]["Ann"])
