"""A figure knows what it depends on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from afterword.commands import WINGS
from benchmarks import commands, stale

ROOT = Path(__file__).parents[1]


def change(place: Path, path: str, subject: str) -> None:
    """Change a file, or one in a folder, and commit it."""
    file = place / path if path.endswith(".py") else place / path / "table.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(subject, encoding="utf-8")
    git = ["git", "-C", str(place), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", subject], check=True)


def test_a_figure_is_stale_if_a_table_that_it_depends_on_changed_after_its_newest_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in (("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")):
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(commands, "PLACE", tmp_path / "benchmarks")
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "benchmarks" / "results" / "quality.jsonl").write_text('{"figure": 1}\n', encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)

    def measure(name: str, command: str) -> None:
        monkeypatch.setattr("sys.argv", ["benchmark", command])
        commands.write_result(name, figure=1.5)

    def listed(*options: str) -> list[str]:
        return CliRunner().invoke(stale.main, options, catch_exceptions=False).output.splitlines()

    for files in commands.TABLES.values():
        change(tmp_path, files[0], "Begin")
    measure("odd", "dga")
    measure("series", "show")
    unknown = "quality.jsonl: 1 of unknown age"
    fresh, one = (f"{count} figures are older than what they depend on; 1 are of unknown age" for count in (0, 1))
    assert listed() == [unknown, fresh]
    change(tmp_path, "src/afterword/wings/odd", "Find more")
    figure, *others = listed()
    assert figure.startswith("odd.jsonl: ")
    assert figure.endswith("changed since: detectors")
    assert [others, listed("--count")] == [[unknown, one], [one]]
    measure("odd", "dga")  # again
    assert listed() == [unknown, fresh]


def test_the_tables_that_figures_depend_on_exist() -> None:
    assert {table for tables in commands.DEPENDS.values() for table in tables} <= commands.TABLES.keys()
    paths = [Path(path) for each in commands.TABLES.values() for path in each]
    assert all((ROOT / path).exists() for path in paths if "wings" not in path.parts or path.name in WINGS)
