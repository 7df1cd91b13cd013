"""A figure knows what it depends on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from afterword.commands import WINGS
from benchmarks import commands, stale

ROOT = Path(__file__).parents[1]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in which results are written."""
    for variable, value in (("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")):
        monkeypatch.setenv(variable, value)
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    monkeypatch.setattr(commands, "PLACE", tmp_path / "benchmarks")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for files in commands.TABLES.values():
        change(tmp_path, files[0], "Begin")
    return tmp_path


def change(place: Path, path: str, subject: str) -> None:
    """Change a file, or one in a folder, and commit it."""
    file = place / path if path.endswith(".py") else place / path / "table.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(subject + path, encoding="utf-8")
    git = ["git", "-C", str(place), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", subject], check=True)


def measure(name: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", command])
    commands.write_result(name, figure=1.5)


def listed(*options: str) -> list[str]:
    found = CliRunner().invoke(stale.main, options, catch_exceptions=False)
    assert found.exit_code == 0
    return found.output.splitlines()


def test_a_figure_is_stale_if_a_table_that_it_depends_on_changed_after_its_newest_result(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure("odd", "dga", monkeypatch)
    measure("series", "show", monkeypatch)
    (written,) = commands.results("odd")
    assert written.keys() == {"figure", "command", "commit", "machine", "date", "depends"}
    assert written["command"].endswith("dga")
    assert listed() == ["0 figures are older than what they depend on; 0 are of unknown age"]
    change(place, "src/afterword/wings/odd", "Find more")
    first, count = listed()
    assert first.startswith("odd.jsonl: ")
    assert first.endswith("changed since: detectors")
    assert listed("--count") == [count] == ["1 figures are older than what they depend on; 0 are of unknown age"]
    measure("odd", "dga", monkeypatch)  # again
    assert listed() == ["0 figures are older than what they depend on; 0 are of unknown age"]


def test_a_result_without_a_known_commit_is_of_unknown_age(place: Path) -> None:
    lines = [{"figure": 1}, {"figure": 2}, {"figure": 3, "command": "x", "commit": "0" * 40, "depends": ["plan"]}]
    content = "".join(json.dumps(line) + "\n" for line in lines)
    (place / "benchmarks" / "results" / "quality.jsonl").write_text(content, encoding="utf-8")
    assert listed() == [
        "quality.jsonl: 3 of unknown age",
        "0 figures are older than what they depend on; 3 are of unknown age",
    ]


def test_the_tables_that_figures_depend_on_exist() -> None:
    assert {table for tables in commands.DEPENDS.values() for table in tables} <= commands.TABLES.keys()
    paths = [Path(path) for each in commands.TABLES.values() for path in each]
    assert all((ROOT / path).exists() for path in paths if "wings" not in path.parts or path.name in WINGS)
