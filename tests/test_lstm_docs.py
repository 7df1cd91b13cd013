"""The lesson: its sums are right, its pages agree, and its claims are what was measured. The worksheet answers what it
asks."""

from __future__ import annotations

import itertools
import math
import re
import textwrap
from pathlib import Path

import pytest

from benchmarks.tasks import TASKS
from benchmarks.teach import claims, latest

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("lstm.md", "lstm-memory.md", "lstm-sheet.md", "gates.md", "classic.md")
LESSON, MEMORY, SHEET, GATES, CLASSIC = ((DOCS / name).read_text(encoding="utf-8") for name in PAGES)
CLAIMS = claims()


def gradients(page: str, columns: slice) -> dict[str, list[str]]:
    """The gradients of the page's table by k, without their errors."""
    rows = re.findall(r"^\| ([\d,]+) \| (.*) \|$", page, re.MULTILINE)
    return {k: [cell.split(" ±")[0] for cell in cells.split(" | ")][columns] for k, cells in rows}


def test_the_gradients_are_those_that_the_page_of_the_horizon_measured() -> None:
    here, there = gradients(LESSON, slice(2)), gradients(GATES, slice(2, 4))
    assert len(here) >= 5
    assert here.items() <= there.items()


def test_the_code_computes_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    code = LESSON.split("```python\n")[1].split("```")[0]
    exec(code, {})
    assert capsys.readouterr().out.strip() == code.rsplit("# ", 1)[1].strip()


def test_the_worksheet_answers_what_it_asks() -> None:
    asked, answered = (re.findall(r"^\d+\. ", part, re.MULTILINE) for part in SHEET.split("<details>"))
    assert asked == answered


def test_the_story_of_the_worksheet_has_answers() -> None:
    asked, answered = (
        re.findall(r"^\| (Divya[^|]*) \| (.*) \|$", part, re.MULTILINE) for part in SHEET.split("<details>")
    )
    assert [text for text, _ in asked] == [text for text, _ in answered]
    assert all(cells.replace("|", "").strip() == "" for _, cells in asked)
    assert all(len(cells.split(" | ")) == 3 for _, cells in answered)


def test_the_plain_gradient_falls_as_fast_as_the_page_says() -> None:
    """A power of ten every so many characters, between the rows of the table."""
    falls = [(int(k.replace(",", "")), float(cells[3])) for k, cells in gradients(GATES, slice(4)).items()]
    falls = [(k, size) for k, size in falls if k >= 10 and size > 0]
    per_decade = [(b - a) / math.log10(x / y) for (a, x), (b, y) in itertools.pairwise(falls)]
    low, high = map(int, re.findall(r"power of ten every (\d+) to (\d+) characters", GATES.replace("\n", " "))[0])
    assert round(min(per_decade)) == low
    assert round(max(per_decade)) == high


@pytest.mark.parametrize("name", CLAIMS)
def test_the_pages_claim_what_was_measured(name: str) -> None:
    """`python -m benchmarks.teach claims` prints the sentences; `make bench-teach` measures anew."""
    assert CLAIMS[name] in " ".join(f"{LESSON} {MEMORY} {GATES}".split())


def test_no_figure_is_missing() -> None:
    assert not re.search(r"@[A-Z]+@", LESSON + MEMORY + GATES + SHEET)


def test_what_is_measured_meets_what_was_asked() -> None:
    for name in TASKS:
        done = latest("tasks", "seed", task=name, matters=True)
        assert len(done) == 3
        for one in done:
            assert one["area"] > one["chance"]
            assert 1 / 2 <= one["memory"] / one["true_memory"] <= 2
            if name != "recall":  # which can be spread over many cells
                assert one["area"] >= 0.99
                assert one["held_bits"] > one["bits"] + 0.5  # of the bit that a coin costs
                assert 25 <= one["reach"] <= 100
    assert all(one["area"] <= one["chance"] for one in latest("tasks", "seed", task="brackets", matters=False))
    [asked] = latest("units")
    assert asked["false"] <= 0.05 * asked["questions"]
    assert asked["found"] >= 0.9 * asked["questions"]


def test_the_kernels_of_an_older_processor_find_the_same() -> None:
    brackets = latest("tasks", "seed", task="brackets", matters=True, kernels="Haswell")
    divya = latest("subjects", "seed", cell="lstm", kernels="Haswell")
    assert len(brackets) >= 1
    assert len(divya) >= 1
    assert all(one["area"] >= 0.99 and 25 <= one["reach"] <= 100 for one in brackets)
    assert all(1 / 2 <= one["memory"] / one["true_memory"] <= 2 for one in brackets)
    assert all(one["divya"] > 0.5 and one["reena"] > 0.95 for one in divya)


@pytest.mark.parametrize("name", ["gaps", "difficult"])
def test_the_pictures_are_drawn_from_what_is_stored(name: str) -> None:
    assert f"]({name}.svg)" in MEMORY
    assert (DOCS / f"{name}.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_the_founding_program_is_forty_lines_that_compile() -> None:
    blocks = re.findall(r"^   ```python\n(.*?)^   ```", CLASSIC, re.MULTILINE | re.DOTALL)
    program = "".join(textwrap.dedent(block) for block in blocks)
    compile(program, "classic", "exec")
    assert len(blocks) == 7
    assert 30 <= len([line for line in program.splitlines() if line]) <= 42
