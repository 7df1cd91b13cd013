"""What the pages of the lesson show: their commands and programs run and print that, and figures are measured."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

import afterword
from afterword.language_model import LanguageModel
from afterword.operations.train import train
from afterword.wings.lesson.lesson import networks
from benchmarks.commands import results
from benchmarks.horizon import table
from benchmarks.subjects import ASKED, LAB, TEXT, make_text
from benchmarks.teach import claims, latest
from tests.processes import finished
from tests.test_docs import DOCS, ENVIRONMENT, cells, notebooks, page, place, ran

__all__ = ["notebooks", "place"]
CLAIMS = claims()
BOOK = DOCS / "notebooks" / "build-your-own.ipynb"


@pytest.fixture(scope="module")
def divya() -> LanguageModel:
    return afterword.load("lesson:divya")


@pytest.mark.slow
def test_the_commands_at_the_head_of_the_page_of_gates_work(place: Path) -> None:
    train("book.txt", out="book", steps=8, hidden_size=48, threads=1)
    lines = [line.split("  #")[0] for line in page("gates").split("```\n")[1].splitlines()]
    assert len(lines) == 7
    for line in lines:
        ran(*shlex.split(line)[1:])
    assert {"gates.html", "stretch.html"} <= {path.name for path in place.iterdir()}


def test_the_program_of_the_page_prints_what_it_says_and_so_do_the_lines_above_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    section = page("lstm").split("## One step by hand, and back\n")[1]
    code = section.split("```python\n")[1].split("```")[0]
    exec(code, {})
    printed = capsys.readouterr().out.strip()
    assert printed == code.rsplit("# ", 1)[1].strip()
    cell, hidden, slope, tried = printed.split()
    by_hand = section.split("```python")[0].replace("−", "-")
    assert f"= {cell}\n" in by_hand
    assert f"= {hidden}\n" in by_hand
    assert by_hand.count(f"= {slope}\n") == (slope == tried)


# The notebook: it asks, and its solutions are right


def function(code: str) -> str | None:
    """Return the name of the function that a cell defines alone, for a student to write."""
    return (re.match(r"def (my_\w+)\(", code) or [None, None])[1]


def filled_in(**changed: str) -> str:
    """Return the notebook's code with its solutions where they are asked for, or with others of the same names."""
    code = ["".join(cell["source"]) for cell in cells(BOOK)]
    names = [function(one) for one in code]
    asked = [name for k, name in enumerate(names) if name and name in names[k + 1 :]]
    assert len(asked) == 3
    solutions = {name: one for name, one in zip(names, code, strict=True) if name} | changed  # the last of each name
    kept = code[: -len(asked)]
    return "\n".join(solutions[name] if name else one for name, one in zip(names, kept, strict=False))


def test_the_notebook_asks_before_it_answers_and_its_solutions_are_right(notebooks: Path) -> None:
    shown = "".join(
        "".join(output.get("text", "")) for cell in cells(BOOK) for output in cell["outputs"]
    )  # as it is stored, with its cells empty
    assert (shown.count("Not yet"), shown.count("Right")) == (3, 0)
    done = finished([sys.executable, "-c", filled_in()], cwd=notebooks, env=ENVIRONMENT)
    assert (done.stdout.decode().count("Right"), b"Not yet" in done.stdout) == (3, False), done.stderr.decode()


def test_an_exercise_says_where_a_wrong_step_goes_wrong(notebooks: Path) -> None:
    wrong = filled_in(my_step="def my_step(U, W, b, x, h, c):\n    return h, c + h").split("## 2")[0]
    done = finished([sys.executable, "-c", wrong.replace("STEPS = 350", "STEPS = 1")], cwd=notebooks, env=ENVIRONMENT)
    assert "Not yet: at character 1" in done.stdout.decode(), done.stderr.decode()


# The lesson: its claims are what was measured.


def test_the_table_of_gradients_and_what_is_said_of_it_are_what_was_measured() -> None:
    assert table("gradients") in page("lstm")
    lstm, units, weights = (one["gradients"]["100"][1] for one in results("horizon"))
    said = f"it is {lstm / units:,.0e} times smaller if it has as many units, but only {lstm / weights:.0f} times"
    assert said.replace("3e+05", "300,000") in " ".join(page("lstm").split())


@pytest.mark.parametrize("name", CLAIMS)
def test_the_pages_claim_what_was_measured(name: str) -> None:
    """`python -m benchmarks.teach claims` prints the sentences; `make bench-teach` measures anew."""
    assert CLAIMS[name] in " ".join(" ".join(map(page, ("lstm", "gates"))).split())


def test_the_lab_says_what_was_found_in_the_networks_that_everybody_has() -> None:
    lab, known = " ".join(page("teaching").split()), networks()
    assert re.findall(r"^\| `lesson:(\w+)` \|", page("teaching"), re.MULTILINE) == [*known]
    answers = [answer for _, answer in known["divya"]["exercises"]]
    assert all(f"at {figure} at the R" in lab for figure in re.findall(r"(\S+) at the R", answers[0]))
    (before, with_before), (after, with_after) = re.findall(r": (\w), with (\S+)\.", answers[1])
    assert (before, after) == ("R", "D")
    assert f"Divya's, with {with_after}. With the gate as it was, Reena's, with {with_before}." in lab
    done = latest("decides", "seed", task="subjects")
    others, sizes = sum(one["forgets"] != "R" for one in done), [one["found"] for one in done]
    assert f"of {len(done)} networks with different seeds, {others} name somebody else" in lab
    assert f"In all {sum(map(bool, sizes))}, `inspect --decides` finds the cells: {min(sizes)} to {max(sizes)}" in lab
    lesson = " ".join(page("lstm").split())
    assert f"In all of them, {min(sizes)} to {max(sizes)} cells together hold her" in lesson
    knows = sum(one["bits"] < 0.5 for one in latest("decides", "seed", task="told"))
    (kept,) = [answer for _, answer in known["call"]["exercises"] if "input" not in answer and "nearer" in answer]
    figures = re.findall(r"0\.\d\d", kept)
    assert f"{knows} learned it. In `lesson:call`" in lesson
    said = "at {} for *eat* and at {} for *call*: it lets both in alike. But after *she*, the cells hold {} of the most"
    assert said.format(*figures) in lesson
    assert f"held of *eat*, and {figures[3]} of *call*" in lesson
    together, random = known["season"]["effects"][-2:]
    assert (together[0], together[2] > 0.95, random[2] < 0.05) == ("2 together", True, True)
    states = [float(one.replace("−", "-")) for one in re.findall(r"T\w\w (\S+),", known["season"]["exercises"][-1][1])]
    said = "from {:.1f} on a Tuesday to {:.1f} on a Thursday".format(*states)
    assert said.replace("-", "−") in lesson


def test_the_three_pages_have_at_most_6000_words() -> None:
    assert sum(len(page(name).split()) for name in ("lstm", "teaching", "gates")) <= 6000


def test_the_text_is_that_of_the_script() -> None:
    assert TEXT.read_text(encoding="utf-8") == (text := make_text())
    assert "\n".join(f"    {line}" for line in text.splitlines()[:4]) in page("gates")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_network_that_is_trained_as_the_lab_says_learns_the_text(place: Path) -> None:
    (command,) = re.findall(r"^afterword train subjects.txt .*$", page("teaching"), re.MULTILINE)
    assert command == LAB
    Path("subjects.txt").write_bytes(TEXT.read_bytes())
    ran(*shlex.split(command)[1:])
    model = afterword.load("subjects")
    assert model.about["validation"]["bits_per_character"] < 0.33
    assert model.next_characters(ASKED[1])[0].text == "R"
    assert model.next_characters(ASKED[1])[0].probability > 0.9


# The networks that everybody has: the figures of the pages


def test_what_the_lesson_says_of_its_cell_is_so(divya: LanguageModel) -> None:
    trace, lesson = divya.gates(ASKED[1]), " ".join(page("lstm").split())
    forget, input_gate, output, cell = (
        getattr(trace, name)[:, 0, 77] for name in ("forget", "input", "output", "cell")
    )
    R = ASKED[1].index("R")
    assert "its forget gate is at 1.00, and the cell keeps its 2.9" in lesson.replace(
        "the forget gate of our cell", "its forget gate"
    )
    np.testing.assert_allclose(forget[6:18], 1.00, atol=0.01)
    np.testing.assert_allclose(cell[5:R], 2.9, atol=0.1)
    assert "it falls to 0.02, and the cell to 0.1" in lesson
    np.testing.assert_allclose([forget[R], cell[R]], [0.02, 0.14], atol=0.02)
    assert "the cell rises from 0 to 2.9. In *likes to eat* it is at 0.00" in lesson
    assert input_gate[:5].max() > 0.9
    np.testing.assert_allclose(input_gate[6:18], 0.00, atol=0.02)
    assert "Its output gate is open nearly everywhere" in lesson
    assert np.mean(output > 0.5) > 0.85


def read(printed: str) -> tuple[list[list[float]], list[str], dict[str, float]]:
    """What `inspect --keeps` prints: the figures of each row, the characters of each row, and what is expected."""
    *rows, foot = printed.strip().splitlines()[2:]
    split = [row.split(maxsplit=7) for row in rows]
    expected = {name: float(figure) for name, figure in re.findall(r"(\w+) (\d\.\d\d)", foot)}
    return [[*map(float, row[:7])] for row in split], [row[7] for row in split], expected


def test_what_is_held_of_divya_is_what_the_page_of_gates_shows(divya: LanguageModel) -> None:
    asked, quoted = re.findall(r'^afterword inspect lesson:divya "(.*)" --keeps.*\n([^`]*)```', page("gates"), re.M)[0]
    figures, characters, expected = read(str(afterword.keeps(divya, asked, "Divya", instead="Kiran", after=".")))
    page_figures, page_characters, page_expected = read(quoted)
    assert (characters, expected.keys()) == (page_characters, page_expected.keys())
    np.testing.assert_allclose(figures, page_figures, atol=0.02)
    assert expected == pytest.approx(page_expected, abs=0.02)


@pytest.mark.slow
def test_holding_a_gate_costs_and_writes_what_the_page_says(divya: LanguageModel) -> None:
    [block] = [block for block in page("gates").split("```") if "score lesson:divya" in block]
    text = make_text()
    assert divya.score(text).bits_per_character == pytest.approx(float(block.split()[-1]), abs=0.001)
    assert divya.hold("forget=1").score(text).bits_per_character == pytest.approx(float(block.split()[-4]), abs=0.05)
    for gate, bits in re.findall(
        r"all (input|output) gates open, (?:it costs )?(\d\.\d\d)", page("gates").replace("\n", " ")
    ):
        assert divya.hold(f"{gate}=1").score(text).bits_per_character == pytest.approx(float(bits), abs=0.02)
    [block] = [block for block in page("gates").split("```") if "generate lesson:divya" in block]
    written = divya.hold("forget=1").generate(max_tokens=60, seed=1).text
    assert block.strip().splitlines()[1][:10] == written[:10]  # which another processor continues otherwise
