"""README's first screen, its outputs and its commands are true."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from tests.processes import finished
from tests.serving.server import serving

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for block in README.split("```\n")[1::2] if block.startswith("afterword ")]
SCORED = r"^ +\d+ +[\d.]+ +[\d.]+  (.*\n)"  # a line of `score --lines`, with its text
MOST = 120  # lines


def test_readme_fits_in_a_few_minutes() -> None:
    assert len(README.splitlines()) <= MOST
    assert all((ROOT / path).stat().st_size < 200_000 for path in re.findall(r"docs/pictures/\w+\.png", README))


def test_the_sample_is_one_of_the_recorded_commands() -> None:
    commands = re.findall(r"`(afterword (?:train|generate) looking-glass[^`]+)`", README)
    assert len(commands) == 2
    assert "\n".join(commands) in (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")


def rounded(output: str) -> list[str | float]:
    """Return the words of an output; of its numbers, the digits that every processor computes alike."""
    return [round(float(word), 1) if re.fullmatch(r"\d+\.\d+", word) else word for word in output.split()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the texts that README names."""
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("".join(f"Brutus: the {k}th line, friends, countrymen.\n" for k in range(80)))
    Path("lines.txt").write_text("".join(re.findall(SCORED, README, re.MULTILINE)))
    runpy.run_path(str(ROOT / "docs" / "make_log.py"))
    return tmp_path


def test_the_commands_work_one_after_the_other_and_print_what_readme_shows(place: Path) -> None:
    for block in BLOCKS:
        *commands, output = re.split(r"^(afterword .*)\n", block, flags=re.MULTILINE)
        for command in filter(None, commands):
            small = command.split("  #")[0].replace("--minutes 5", "--steps 8 --hidden-size 8 --threads 1")
            done = finished([sys.executable, "-m", *shlex.split(small)])
            assert done.returncode == 0, (command, done.stderr.decode())
        if command.startswith("afterword odd"):  # of which three are shown
            assert re.findall(r"log:\d+", output) == re.findall(r"log:\d+", done.stdout.decode())[:3]
        elif output.strip():
            assert rounded(output) == rounded(done.stdout.decode()), command


def test_the_commands_among_the_text_work(place: Path) -> None:
    found = re.findall(r"`afterword ((?:export|inspect) [^`]+)`", README)
    assert len(found) == 2
    for command in found:
        done = finished([sys.executable, "-m", "afterword", *shlex.split(command), "--overwrite"])
        assert done.returncode == 0, (command, done.stderr.decode())


def test_the_server_answers_as_readme_shows() -> None:
    (request,) = re.findall(r"^curl .* --json '(.*)'$", README, re.MULTILINE)
    with serving("english") as server:
        (answer,) = server.complete(**json.loads(request))["choices"]
    assert f'"text": {json.dumps(answer["text"])}, …' in README
