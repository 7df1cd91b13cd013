"""What a shell completes, asked as the shells ask, and by the shells that are installed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from afterword.cli.main import names
from tests.cli.answers import fine
from tests.cli.conftest import Run
from tests.processes import finished


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the command in it, on the path, and a file beside it."""
    command = tmp_path / "bin" / "afterword"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m afterword "$@"\n')
    command.chmod(0o755)
    (tmp_path / "novel.txt").write_text("a text")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("afterword ", [f"plain,{name}" for name in names()]),
        ("afterword ge", ["plain,generate"]),
        ("afterword generate book --te", ["plain,--temperature"]),
        ("afterword generate book --with n", ["plain,ngram"]),
        ("afterword train book.txt --recipe ", ["plain,auto", "plain,classic"]),
        ("afterword train --cell=r", ["plain,rnn"]),
        ("afterword generate bo", ["file,bo"]),
        ("afterword score book nov", ["file,nov"]),
        ("afterword train --config se", ["file,se"]),
        ("afterword inspect book --html ga", ["file,ga"]),
        ("afterword generate no/such/model --out / --see", ["plain,--seed"]),
        ("afterword nonsense x", []),
        ("afterword completion z", ["plain,zsh"]),
    ],
)
def test_commands_options_choices_and_files_are_completed(
    line: str, found: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_AFTERWORD_COMPLETE": "bash_complete"}
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    done = fine(run())
    assert (done.stdout.decode().split(), done.stderr) == (found, b"")


def asked(shell: str, script: str) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = finished([shell, "-c", script])
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


def test_bash_completes(place: Path) -> None:
    version = asked("bash", 'echo "${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}"')[0]
    if tuple(map(int, version.split())) < (4, 4):
        pytest.skip("bash is older than 4.4")
    script = """eval "$(afterword completion bash)"
        complete -p afterword
        COMP_WORDS=(afterword generate book --te) COMP_CWORD=3
        _afterword_completion afterword
        echo "${COMPREPLY[@]}" """
    assert asked("bash", script) == ["complete -o nosort -F _afterword_completion afterword", "--temperature"]


def test_zsh_completes(place: Path) -> None:
    script = """autoload -U compinit; compinit -u -d "$PWD/dump"
        eval "$(afterword completion zsh)"
        echo $_comps[afterword]
        compadd() { echo ${(P)@[-1]} }
        words=(afterword train --recipe cl) CURRENT=4
        _afterword_completion"""
    assert asked("zsh", script) == ["_afterword_completion", "classic"]
