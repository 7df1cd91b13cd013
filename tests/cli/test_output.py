"""What commands write: a file that is there is never lost by it, unless that was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from afterword.cli import main as command
from afterword.operations.every import find_operation, summaries
from afterword.operations.operation import FOLDER
from afterword.settings import kinds_of
from tests.processes import finished

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
SOURCE = "abcdé\n" * 40
WORK = {
    "export": ["{model}"],
    "generate": ["{model}", "--seed", "1", "--max-tokens", "5"],
    "inspect": ["{model}", "abé"],
    "surprises": ["{model}", "{source}"],
    "horizon": ["{model}", "{source}", "--steps", "3", "--places", "2", "--no-gradient"],
    "forecast": ["{table}", "--horizon", "3", "--method", "naive"],
}


def outputs() -> Iterator[tuple[str, str, str]]:
    """Every option of every command that names a file to write, and how that may end."""
    for name in summaries():
        for field, _ in kinds_of(find_operation(name).request):
            if (endings := field.metadata["ending"]) not in (None, FOLDER):
                yield name, "--" + field.name.replace("_", "-"), (*endings, ".txt")[0]
    yield "generate", "--out", ".txt"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "novel.txt"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def line(name: str, model: Path, source: Path, *options: str) -> list[str]:
    """The command with its arguments. Without a model, there is no table either."""
    table = model.parent / "values.csv"
    if model.exists() and not table.exists():
        table.write_text("date,sold\n" + "".join(f"2026-01-{day:02},{day % 7}\n" for day in range(1, 30)))
    return [name, *(word.format(model=model, source=source, table=table) for word in WORK[name]), *options]


def left(arguments: list[str]) -> object:
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    return end.value.code


def test_all_that_write_a_file_are_known() -> None:
    assert {name for name, _, _ in outputs()} == set(WORK)


@pytest.mark.parametrize(("name", "option", "ending"), list(outputs()))
def test_a_file_that_is_there_is_refused_before_any_work_and_replaced_when_asked(
    name: str, option: str, ending: str, model: Path, source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = source.rename(source.with_suffix(ending))
    assert left(line(name, Path("no/such/model"), source, option, str(source))) == 2
    out, err = capfd.readouterr()
    assert (out, err) == (
        "",
        f"error: {source} exists already: name another file, or replace it with --overwrite\n",
    )
    assert source.read_text("utf-8") == SOURCE
    copy = source.with_name("copy.txt")
    copy.write_text(SOURCE, encoding="utf-8")
    assert left(line(name, model, copy, option, str(source), "--overwrite")) == 0
    assert source.read_bytes() != SOURCE.encode()
    left_over = [name for name in sorted(os.listdir(source.parent)) if not name.endswith(".ts")]  # types of a module
    assert left_over == ["copy.txt", source.name]


@pytest.mark.parametrize(("name", "option", "ending"), list(outputs()))
def test_a_failed_run_leaves_the_old_file(name: str, option: str, ending: str, source: Path) -> None:
    source = source.rename(source.with_suffix(ending))
    assert left(line(name, Path("no/such/model"), source, "--overwrite", option, str(source))) == 2
    assert source.read_text("utf-8") == SOURCE


@pytest.mark.parametrize(("name", "option", "ending"), list(outputs()))
def test_devices_pipes_and_standard_output_are_written_to(
    name: str, option: str, ending: str, model: Path, source: Path, run: Run
) -> None:
    for place in ("/dev/stdout", "-"):
        finished = run(*line(name, model, source, option, place))
        assert finished.returncode == 0, finished.stderr
        assert len(finished.stdout) > 4
    for place in ("/dev/null", "/dev/stderr"):
        assert run(*line(name, model, source, option, place)).returncode == 0
    assert Path("/dev/null").is_char_device()


def test_standard_output_that_leads_to_a_file_keeps_what_stands_in_it(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    with open(log, "ab") as file:
        arguments = ["generate", str(model), "--seed", "1", "--out", "/dev/stdout"]
        assert finished([sys.executable, "-m", "afterword", *arguments], stdout=file).returncode == 0
    assert log.read_text("utf-8").startswith("before\n")
    assert log.stat().st_size > 50


def test_a_link_to_a_file_is_that_file(model: Path, source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    link = source.with_name("link")
    link.symlink_to(source)
    assert left(["generate", str(model), "--out", str(link)]) == 2
    assert left(["generate", str(model), "--out", str(link), "--overwrite", "--seed", "1"]) == 0
    assert link.is_symlink()
    assert source.read_text("utf-8") != SOURCE


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--html", "/"], "/ is a folder: name a file"),
        (["--html", ""], "the path is empty: name a file"),
        (["--npz", "no/such/file"], "the folder no/such does not exist; make it first"),
        (["--html", "{place}/one", "--npz", "{place}/./one"], "one is named twice"),
        (["--png", "{place}/x.jpg"], "x.jpg: this file will be PNG, so its name must end in .png"),
        (["--svg", "x.png"], "x.png: this file will be SVG, so its name must end in .svg"),
        (["--html", "novel.txt"], "novel.txt: this file will be HTML, so its name must end in .html or .htm"),
    ],
)
def test_a_place_that_will_not_do_is_told_in_one_line(
    options: list[str], says: str, model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert left(["inspect", str(model), "abé", *(option.format(place=tmp_path) for option in options)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err


def test_a_name_without_an_ending_and_one_in_capitals_will_do(model: Path, tmp_path: Path) -> None:
    for name in ("gates", "GATES.HTM", ".hidden"):
        assert left(["inspect", str(model), "abé", "--html", str(tmp_path / name)]) == 0
        assert (tmp_path / name).exists()


def test_a_folder_that_cannot_be_written_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda place, mode: place != tmp_path)  # as for anybody but root
    assert left(["generate", "no/such/model", "--out", str(tmp_path / "text")]) == 2
    assert "cannot write" in capfd.readouterr().err
