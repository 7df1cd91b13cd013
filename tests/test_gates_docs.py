"""docs/gates.md: its model is made anew by its own command, and its figures are held to what comes out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from afterword.cli import main as command
from afterword.language_model import LanguageModel
from afterword.training import train
from benchmarks.subjects import ASKED, SENTENCE, TEXT, TRAIN, guesses, make_text, report, trained, walk

pytestmark = pytest.mark.timeout(600)  # 3,500 steps of learning
PLACES_OF = {"likes to eat": (5, 18), "stop": (18, 19), "R": (20, 21), "eena": (21, 25)}
PAGE = (Path(__file__).parents[1] / "docs" / "gates.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return trained(tmp_path_factory.mktemp("subjects"))


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "|" in line]


def test_the_text_is_the_one_that_the_script_makes_and_the_page_quotes() -> None:
    text = make_text()
    assert TEXT.read_text(encoding="utf-8") == text
    assert "\n".join(f"    {line}" for line in text.splitlines()[:4]) in PAGE
    assert TRAIN in PAGE
    assert "@@" not in PAGE


def test_the_figures_of_the_page_are_what_its_command_gives(model: LanguageModel) -> None:
    """Within 0.2: another processor rounds otherwise, and 3,500 steps of learning carry that far."""
    section = cells(PAGE.split("## Divya and Reena")[1].split("\n## ")[0])
    found = cells(report(model))
    assert [row[0] for row in found] == [row[0] for row in section]
    for row, quoted in zip(found, section, strict=True):
        for number, figure in zip(row[1:], quoted[1:], strict=True):
            assert number == figure or abs(float(number) - float(figure)) <= 0.2, (row, quoted)


def test_what_the_page_says_of_the_sentence_is_so(model: LanguageModel) -> None:
    found = walk(model)
    assert found.sentence == SENTENCE
    gates = {name: found.at(first, last)[1] for name, (first, last) in PLACES_OF.items()}
    assert gates["R"] < gates["stop"] - 0.05 < gates["likes to eat"]  # they close most at the new name
    assert gates["eena"] > 0.8
    assert 0.1 < found.held[-1] < found.held[17] - 0.3  # most of her is let go on the way, and not all
    before, after = (guesses(model, text) for text in ASKED)
    assert before["Divya"] > 0.4
    assert after["Reena"] > 0.9
    assert after["Divya"] < 0.05


def without_figures(printed: str) -> list[list[str]]:
    """The words of each line, without numbers and what is said of a unit."""
    return [
        re.sub(r"[+-]?\d+\.\d+|l0\.u\d+|cell|hidden|high|low", "…", line).split()
        for line in printed.strip().splitlines()
    ]


def test_what_the_page_shows_as_printed_is_printed(model: LanguageModel) -> None:
    text = make_text()
    blocks = [block for block in PAGE.split("```") if "held open  " in block or "held-out half" in block]
    found = [model.ablate(text[:2000]), model.units(text[:20_000]).matching("Divya likes to ([a-z]+)", 3)]
    for block, printed in zip(blocks, found, strict=True):
        assert without_figures(block) == without_figures(str(printed))


def test_the_commands_at_the_head_of_the_page_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("book", "other"):
        text = "".join(f'Brutus said "the {k}th line", and no more of it.\n' for k in range(80))
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    train("book.txt", out="book", steps=8, hidden_size=48, threads=1)
    commands = [line.split("  #")[0] for line in PAGE.split("```\n")[1].splitlines()]
    assert len(commands) == 9
    for line in commands:
        program, *arguments = shlex.split(line)
        assert program == "afterword"
        with pytest.raises(SystemExit) as left:
            command.main(arguments)
        assert left.value.code == 0, (line, capfd.readouterr().err)
    assert {"gates.html", "gates.npz"} <= {path.name for path in tmp_path.iterdir()}
