"""The columns of a table, and the keys of JSON, come from the kind of record: no row decides about them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from afterword.commands import commands, find_operation
from afterword.operations.train import train
from tests.cases import cases
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.tiny import save_tiny


class Case(NamedTuple):
    """A command whose answer has rows, and lines whose rows differ in what they have."""

    command: str
    lines: tuple[str, ...]
    none: str | None = None
    """A text that gives no row, if there is one."""


SOME, BLANK = ("abcd", "☃☃☃ 12", "dcb\té"), "\n\n\n"
CASES = {
    "lines": Case("score LINES FILE --lines", SOME),
    "an n-gram": Case("score MIXED FILE --lines --with ngram", SOME),
    "two files": Case("score LINES FILE OTHER --lines", SOME),
    "top, held": Case("score LINES FILE --lines --top 9 --hold forget=1", SOME, BLANK),
    "adapt": Case("score MIXED FILE --lines --adapt --with ngram", SOME),
    "labels": Case("score LABELS FILE --lines --top 9", ("ham\tabab", "dcdc", "spam\tbbb"), BLANK),
    "surprises": Case("surprises MIXED FILE", SOME),
    "surprises, two files": Case("surprises MIXED FILE OTHER --top 40", SOME),
    "compare": Case("compare LINES MIXED --file FILE --lines", SOME),
    "compare, top": Case("compare LINES MIXED --file FILE --lines --top 9", SOME, BLANK),
    **{name: Case(*case) for name, case in cases("COLUMNS").items()},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("columns")
    made = {
        "LINES": save_tiny(place / "LINES", lines=True),
        "MIXED": save_tiny(place / "MIXED", lines=True, mixed=True),
    }
    book = "".join(f"The {k}th ship was old. Nobody saw the sea.\n\n" for k in range(300))
    labelled = [f"{'ham' if k % 2 else 'spam'}\tline {k} ab" for k in range(200)]
    quick: dict[str, Any] = {"base": "none", "steps": 1, "hidden_size": 8, "threads": 1}
    train(text=book, out=place / "RUN", **quick)
    train(text=labelled, labels=True, out=place / "LABELS", **quick)
    for more in cases("OF_LINES_MODEL"):
        made |= more(made["LINES"], place)
    return made | {name: place / name for name in ("RUN", "LABELS")}


def table_of(run: Run, *words: str) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Return the names of the columns in CSV, and the rows."""
    read = csv.DictReader(io.StringIO(fine(run(*words, "--csv")).stdout.decode(), newline=""), restkey="more")
    rows = list(read)
    assert not any("more" in row or None in row.values() for row in rows)  # each row has a cell for each column
    return tuple(read.fieldnames or ()), rows


def rows_of(run: Run, *words: str) -> list[dict[str, Any]]:
    return [row for row in records(run(*words, "--json")) if "perplexity" not in row]  # without that of the whole


def test_every_command_that_prints_rows_is_among_the_cases() -> None:
    rows = {name for name in commands() if any(one.rows for one in find_operation(name).records)}
    assert rows == {case.command.split()[0] for case in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_the_columns_are_the_same_whatever_row_is_the_first_and_without_any(
    name: str, models: dict[str, Path], tmp_path: Path, run: Run
) -> None:
    case = CASES[name]
    file, other = tmp_path / "file", tmp_path / "other"
    other.write_text("ab\n", "utf-8")
    words = [str({**models, "FILE": file, "OTHER": other}.get(word, word)) for word in case.command.split()]
    operation = find_operation(words[0])
    has_titles = operation.show is None and not all(one.has_text() for one in operation.records)
    heads, keys, titles = set[tuple[str, ...]](), set[tuple[str, ...]](), set[str]()

    def add_title() -> None:
        if has_titles:  # without its widths, which depend on the values
            titles.add(" ".join(fine(run(*words)).stdout.decode().split("\n")[0].split()))

    turned = ["\n".join([*case.lines[k:], *case.lines[:k], ""]) for k in range(len(case.lines))]
    for text in [*turned, *(f"{line}\n" for line in case.lines)]:  # each line is the first one once, and the only one
        file.write_text(text, "utf-8")
        (head, table), rows = table_of(run, *words), rows_of(run, *words)
        heads.add(head)
        keys |= {tuple(row) for row in rows}
        for row, cells in zip(rows, table, strict=True):
            values = {key: value for key, value in row.items() if isinstance(value, str | int | float)}
            for k, each in enumerate(row.get("alternatives", []), 1):
                values |= {f"{key}_{k}": value for key, value in each.items()}
            assert {key: cells[key] for key in values} == {key: str(value) for key, value in values.items()}
        add_title()
    if case.none is not None:
        file.write_text(case.none, "utf-8")
        head, table = table_of(run, *words)
        heads.add(head)
        assert table == rows_of(run, *words) == []
        add_title()
    assert len(heads) == len(keys) == 1
    assert len(titles) == has_titles


def test_each_of_several_texts_has_a_row_of_each_model_in_every_form_with_the_same_columns(
    models: dict[str, Path], run: Run, tmp_path: Path
) -> None:
    files = [str(tmp_path / name) for name in ("one.txt", "two.txt", "three.txt")]
    for file in files:
        Path(file).write_text("abc\ncab\n", "utf-8")
    named = [part for file in files for part in ("--file", file)]
    lines, mixed = str(models["LINES"]), str(models["MIXED"])  # one has no n-gram
    for words in (["score", mixed, *files], ["compare", lines, mixed, *named], ["compare", mixed, lines, *named]):
        rows, (head, table) = records(run(*words, "--json")), table_of(run, *words)
        shown = fine(run(*words)).stdout.decode().splitlines()
        assert len(rows) == len(table) == len(shown) - 1 == len(files) * (2 if words[0] == "compare" else 1)
        assert {frozenset(row) for row in rows} == {frozenset(head)}
        assert all(bool(cells["ngram"]) == (row["ngram"] is not None) for row, cells in zip(rows, table, strict=True))
