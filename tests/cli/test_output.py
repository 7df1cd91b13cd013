"""What commands write: a file that is there is never lost by it, unless that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterword.commands import commands, find_operation
from afterword.operations.operation import FOLDER
from afterword.settings import kinds_of
from tests.cases import cases
from tests.cli.answers import fine
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.processes import finished

SOURCE = "abcdé\n" * 40
WORK = {
    "generate": ["{model}", "--seed", "1", "--max-tokens", "5"],
    "inspect": ["{model}", "abé"],
    "surprises": ["{model}", "{source}"],
    **cases("OUTPUTS"),
}


def outputs() -> Iterator[tuple[str, str, str]]:
    """Every option of every command that names a file to write, and how that may end."""
    for name in commands():
        for field, _ in kinds_of(find_operation(name).request):
            if (endings := field.metadata["ending"]) not in (None, FOLDER):
                yield name, "--" + field.name.replace("_", "-"), (*endings, ".txt")[0]
    yield "generate", "--out", ".txt"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "novel.txt"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def test_all_that_write_a_file_are_known() -> None:
    assert {name for name, _, _ in outputs()} == set(WORK)


@pytest.mark.parametrize(("name", "option", "ending"), list(outputs()))
def test_a_file_that_is_there_is_replaced_only_when_asked_and_streams_are_written_to(
    name: str, option: str, ending: str, model: Path, source: Path, run: Run
) -> None:
    if package := cases("NEEDS").get(f"{name} {option}"):
        pytest.importorskip(package)
    for file, content in cases("FILES").items():
        (model.parent / file).write_bytes(content)

    def line(model: Path, *out: object) -> list[str]:
        places = {"model": model, "source": source, "folder": model.parent}
        return [name, *(word.format(**places) for word in WORK[name]), option, *map(str, out)]

    there, missing = source.with_name(f"there{ending}"), Path("no/such/model")
    there.write_text(SOURCE, encoding="utf-8")
    told = error_line(run(*line(missing, there)))
    assert told == f"{there} exists already: name another file, or replace it with --overwrite"
    if WORK[name]:  # else there is nothing that could be missing
        error_line(run(*line(missing, there, "--overwrite")))
    assert there.read_text("utf-8") == SOURCE  # a run that fails leaves the old file
    shown = fine(run(*line(model, there, "--overwrite")))
    if name in ("generate", "inspect", "surprises"):  # what is written to a file is not shown too
        assert shown.stdout == b""
        assert (f"wrote {there}\n" in shown.stderr.decode()) == (name != "generate")
    left_over = {path.name for path in source.parent.iterdir() if path.suffix != ".ts"}  # types of a module
    assert left_over == {there.name, source.name}
    written = fine(run(*line(model, "-"))).stdout
    assert len(written) > 4
    assert there.read_bytes() != SOURCE.encode()
    if name == "generate":
        assert fine(run(*line(model, "/dev/stdout"))).stdout == written
        assert written in fine(run(*line(model, "/dev/stderr"))).stderr
        fine(run(*line(model, "/dev/null")))
        assert Path("/dev/null").is_char_device()


def test_standard_output_that_leads_to_a_file_keeps_what_stands_in_it(model: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    with open(log, "ab") as file:
        arguments = ["generate", str(model), "--seed", "1", "--out", "/dev/stdout"]
        fine(finished([sys.executable, "-m", "afterword", *arguments], stdout=file))
    assert log.read_text("utf-8").startswith("before\n")
    assert log.stat().st_size > 50


def test_a_link_is_the_file_it_leads_to_and_any_name_will_do(
    model: Path, source: Path, tmp_path: Path, run: Run
) -> None:
    link = source.with_name("link")
    link.symlink_to(source)
    error_line(run("generate", model, "--out", link))
    fine(run("generate", model, "--out", link, "--overwrite", "--seed", "1"))
    assert link.is_symlink()
    assert source.read_text("utf-8") != SOURCE
    for name in ("gates", "GATES.HTM", ".hidden"):
        fine(run("inspect", model, "abé", "--html", tmp_path / name))
        assert (tmp_path / name).exists()


def test_a_folder_that_cannot_be_written_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr("os.access", lambda place, mode: place != tmp_path)  # as for anybody but root
    assert "cannot write" in error_line(run("generate", "no/such/model", "--out", tmp_path / "text"))
