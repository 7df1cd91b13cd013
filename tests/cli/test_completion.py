"""What a shell completes, asked as the shells ask, and by the shells that are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from afterword.cli.main import commands
from tests.processes import finished

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


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


def completed(run: Run, line: str) -> list[str]:
    """What may stand for the last word of `line`, as bash is told."""
    words = line.split(" ")
    asked = run(COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), _AFTERWORD_COMPLETE="bash_complete")
    assert (asked.returncode, asked.stderr) == (0, b"")
    return asked.stdout.decode().split()


def test_every_command_is_completed(run: Run) -> None:
    assert completed(run, "afterword ") == [f"plain,{name}" for name in commands()]
    assert completed(run, "afterword ge") == ["plain,generate"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
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
def test_options_choices_and_files_are_completed(line: str, found: list[str], run: Run) -> None:
    assert completed(run, line) == found


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


def test_fish_completes(place: Path) -> None:
    script = """afterword completion fish | source
        complete -C 'afterword train --recipe '
        complete -C 'afterword score book nov'"""
    assert asked("fish", script) == ["auto", "classic", "novel.txt"]
