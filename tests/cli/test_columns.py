"""The columns of a table, and the keys of JSON, come from the kind of record: no row decides about them."""

from __future__ import annotations

import csv
import io
from itertools import permutations
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


SOME = ("abcd", "☃☃☃ 12", "dcb\té")
LABELLED = ("ham\tabab", "dcdc", "spam\tbbb")
CASES = {
    "score --lines": Case("score LINES FILE --lines", SOME),
    "score --lines, an n-gram": Case("score MIXED FILE --lines --with ngram", SOME),
    "score --lines, two files": Case("score LINES FILE OTHER --lines", SOME),
    "score --lines --top": Case("score LINES FILE --lines --top 9", SOME, "\n\n\n"),
    "score --lines, held": Case("score LINES FILE --lines --top 9 --hold forget=1", SOME, "\n\n\n"),
    "score --lines --adapt": Case("score MIXED FILE --lines --adapt --with ngram", SOME),
    "score --lines, labels": Case("score LABELS FILE --lines --top 9", LABELLED, "\n\n\n"),
    "surprises": Case("surprises MIXED FILE", SOME),
    "surprises, two files": Case("surprises MIXED FILE OTHER --top 40", SOME),
    "compare --lines": Case("compare LINES MIXED --file FILE --lines", SOME),
    "compare --lines --top": Case("compare LINES MIXED --file FILE --lines --top 9", SOME, "\n\n\n"),
    **{name: Case(*case) for name, case in cases("COLUMNS").items()},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("columns")
    made = {
        "LINES": save_tiny(place / "LINES", lines=True),
        "MIXED": save_tiny(place / "MIXED", lines=True, mixed=True),
    }
    book, labelled = place / "book", place / "labelled"
    book.write_text("".join(f"The {k}th ship was old. Nobody saw the sea.\n\n" for k in range(300)), "utf-8")
    labelled.write_text("".join(f"{'ham' if k % 2 else 'spam'}\tline {k} ab\n" for k in range(200)), "utf-8")
    quick: dict[str, Any] = {"base": "none", "steps": 1, "hidden_size": 8, "threads": 1}
    train(book, out=place / "RUN", **quick)
    train(labelled, labels=True, out=place / "LABELS", **quick)
    for more in cases("OF_LINES_MODEL"):
        made |= more(made["LINES"], place)
    return made | {name: place / name for name in ("RUN", "LABELS")}


def columns(printed: str) -> list[str]:
    return next(csv.reader(io.StringIO(printed)))


def title(printed: str) -> str:
    """Return the head of a table without its widths, which depend on the values."""
    return " ".join(printed.split("\n")[0].split())


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
    heads, keys, titles = set[tuple[str, ...]](), set[tuple[str, ...]](), set[str]()
    turned = [(*case.lines[k:], *case.lines[:k]) for k in range(len(case.lines))]  # each line is the first one once
    for lines in [*turned, *case.lines]:
        file.write_text("\n".join([*lines, ""]) if isinstance(lines, tuple) else f"{lines}\n", "utf-8")
        table = fine(run(*words, "--csv")).stdout.decode()
        heads.add(tuple(columns(table)))
        assert {len(row) for row in csv.reader(io.StringIO(table))} == {len(columns(table))}
        rows = [row for row in records(run(*words, "--json")) if "perplexity" not in row]  # not the whole
        keys |= {tuple(row) for row in rows}
        for row, cells in zip(rows, csv.DictReader(io.StringIO(table, newline="")), strict=True):
            values = {key: value for key, value in row.items() if isinstance(value, str | int | float)}
            for k, each in enumerate(row.get("alternatives", []), 1):
                values |= {f"{key}_{k}": value for key, value in each.items()}
            assert {key: cells[key] for key in values} == {key: str(value) for key, value in values.items()}
        if find_operation(words[0]).show is None and not all(
            one.has_text() for one in find_operation(words[0]).records
        ):
            titles.add(title(fine(run(*words)).stdout.decode()))
    assert len(heads) == len(keys) == 1
    assert len(titles) <= 1
    if case.none is not None:
        file.write_text(case.none, "utf-8")
        table = fine(run(*words, "--csv")).stdout.decode()
        assert {tuple(columns(table))} == heads
        assert len(table.splitlines()) == 1
        assert [row for row in records(run(*words, "--json")) if "perplexity" not in row] == []
        assert not titles or {title(fine(run(*words)).stdout.decode())} == titles


def test_models_with_and_without_an_n_gram_have_the_same_columns_in_any_order(
    models: dict[str, Path], tmp_path: Path, run: Run
) -> None:
    (tmp_path / "file").write_text("abc\ncab\n", "utf-8")
    found = set[tuple[str, ...]]()
    for first, second in permutations(["LINES", "MIXED"]):
        words = ["compare", models[first], models[second], "--file", tmp_path / "file"]
        rows = records(run(*words, "--json"))
        table = list(csv.DictReader(io.StringIO(fine(run(*words, "--csv")).stdout.decode())))
        found |= {tuple(sorted(row)) for row in [*rows, *table]}
        assert [bool(row["ngram"]) for row in table] == [name == "MIXED" for name in (first, second)]
    assert len(found) == 1


@pytest.mark.parametrize("command", ["score", "compare"])
def test_each_of_several_texts_has_a_row_in_every_form(
    models: dict[str, Path], run: Run, tmp_path: Path, command: str
) -> None:
    files = [tmp_path / name for name in ("one.txt", "two.txt", "three.txt")]
    for file in files:
        file.write_text("abcd", encoding="utf-8")
    given = [models["MIXED"], *files] if command == "score" else [models["MIXED"], models["LINES"], "--file", files[0]]
    given += [] if command == "score" else ["--file", files[1], "--file", files[2]]
    for form in ([], ["--csv"], ["--json"]):
        out = fine(run(command, *given, *form)).stdout.decode().splitlines()
        each = 1 if command == "score" else 2
        assert len(out) == each * len(files) + (form != ["--json"]), form
