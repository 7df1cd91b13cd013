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


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("afterword ", [f"plain,{name}" for name in names()]),
        ("afterword ge", ["plain,generate"]),
        ("afterword generate book --te", ["plain,--temperature"]),
        ("afterword generate book --with n", ["plain,ngram"]),
        ("afterword train book.txt --recipe ", ["plain,auto", "plain,classic"]),
        ("afterword score book nov", ["file,nov"]),
        ("afterword train --validation se", ["file,se"]),
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


BASH = """eval "$(afterword completion bash)"
complete -p afterword
COMP_WORDS=(afterword generate book --te) COMP_CWORD=3
_afterword_completion afterword
echo "${COMPREPLY[@]}" """
ZSH = """autoload -U compinit; compinit -u -d "$PWD/dump"
eval "$(afterword completion zsh)"
echo $_comps[afterword]
compadd() { echo ${(P)@[-1]} }
words=(afterword train --recipe cl) CURRENT=4
_afterword_completion"""
OLD_BASH = "(( BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404 ))"


@pytest.mark.parametrize(
    ("shell", "script", "found"),
    [
        ("bash", BASH, ["complete -o nosort -F _afterword_completion afterword", "--temperature"]),
        ("zsh", ZSH, ["_afterword_completion", "classic"]),
    ],
)
def test_a_shell_completes(
    shell: str, script: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(shell) is None or (shell == "bash" and not finished(["bash", "-c", OLD_BASH]).returncode):
        pytest.skip(f"{shell} is not installed, or too old")
    command = tmp_path / "afterword"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m afterword "$@"\n')
    command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = fine(finished([shell, "-c", script]))
    assert (done.stdout.decode().splitlines(), done.stderr) == (found, b"")
