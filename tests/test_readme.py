"""Run README's commands and code as written."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from afterword.cli import demo
from tests.logs import lines
from tests.processes import finished
from tests.serving.server import serving

pytestmark = pytest.mark.timeout(600)
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the texts that README speaks of."""
    for name in ("book", "other"):
        text = "".join(f"Brutus: the {k}th line, friends, Romans, countrymen.\n" for k in range(80))
        (tmp_path / f"{name}.txt").write_text(text)
    for name, seed in (("good", 0), ("today", 1)):
        (tmp_path / f"{name}.log").write_text("\n".join(lines(700, seed)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_screen_quotes_the_demo() -> None:
    first_screen = " ".join(README.split("## Install")[0].split())
    prompt, temperature, seed = demo.PROMPT.strip(), f"temperature {demo.TEMPERATURE:g}", f"seed {demo.SEED}"
    assert f'"{prompt}", at {temperature} with {seed}' in first_screen


def test_the_sample_is_what_its_command_writes() -> None:
    _, _, command, _, sample, *_ = README.split("```")
    arguments = shlex.split(command)
    done = finished([sys.executable, "-m", *arguments])
    assert done.stdout.decode().strip() == sample.strip()


def small(command: str) -> str:
    """The same command in less time."""
    command = command.replace("odd good.log today.log", "odd good.log today.log --minutes 0.05")
    return command.replace("--minutes 5", "--steps 8 --hidden-size 8 --threads 1")


def test_the_commands_of_readme_work_one_after_the_other(place: Path) -> None:
    block = README.split("## Use\n\n```\n")[1].split("```")[0]
    commands = [line.split("  #")[0] for line in block.splitlines()]
    assert len(commands) >= 5
    for command in commands:
        arguments = shlex.split(small(command))
        assert arguments[0] == "afterword"
        if arguments[1] == "serve":  # until it is told to stop
            with serving(*arguments[2:]) as server:
                assert server.complete(model="book", prompt="Brutus")["choices"]
            continue
        done = finished([sys.executable, "-m", *arguments])
        assert done.returncode == 0, (command, done.stderr.decode())


def test_the_code_of_readme_works(place: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = code.replace("minutes=5", "steps=8, hidden_size=8, threads=1")
    done = finished([sys.executable, "-c", code])
    assert done.returncode == 0, done.stderr.decode()
