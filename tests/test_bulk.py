"""Batches of rows: each kind of batch, in each process, gets what the model itself says of its rows."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas
import pyarrow
import pytest

from afterword.bulk import Generator, Scorer
from afterword.errors import AfterwordError, ModelError, OptionError, TextError
from afterword.language_model import load
from afterword.model.threads import PRODUCTS
from benchmarks.bulk import ENGINES, TWO, code_of_page
from tests.processes import finished
from tests.tiny import save_tiny

TEXTS = ["abé", "", "ab☃\0", "abé"]
COLUMNS: dict[str, list[Any]] = {"line": [7, 3, 5, 9], "text": TEXTS}
KINDS: Mapping[str, tuple[Callable[[dict[str, Any]], Any], Callable[[Any], dict[str, Any]]]] = {
    "lists": (dict, lambda batch: {name: [*batch[name]] for name in batch}),
    "arrays": (
        lambda columns: {name: np.array(one, object) for name, one in columns.items()},
        lambda batch: {name: [*batch[name]] for name in batch},
    ),
    "pandas": (pandas.DataFrame, lambda batch: batch.to_dict("list")),
    "arrow": (pyarrow.table, lambda batch: batch.to_pydict()),
    "record batch": (pyarrow.RecordBatch.from_pydict, lambda batch: batch.to_pydict()),
    "rows": (
        lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        lambda batch: {name: [row[name] for row in batch] for name in batch[0]},
    ),
}
"""Each kind of batch: from columns, and back to them."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_each_kind_gets_the_bits_that_the_model_gives_and_keeps_its_rows(kind: str, tmp_path: Path) -> None:
    make, columns_of = KINDS[kind]
    folder = save_tiny(tmp_path / "book", lines=True, mixed=True)
    scores = load(folder).score_lines(TEXTS)
    for scorer in (Scorer(folder), pickle.loads(pickle.dumps(Scorer(folder)))):
        found = scorer(make(COLUMNS))
        assert type(found) is type(make(COLUMNS))
        expected = {name: [getattr(one, name) for one in scores] for name in ("bits", "bits_per_character")}
        assert columns_of(found) == {**COLUMNS, **expected}
        again = scorer(found)  # replaces its columns
        assert columns_of(again) == columns_of(found)
    parts = [columns_of(scorer(make({name: [one[k]] for name, one in COLUMNS.items()})))["bits"][0] for k in range(4)]
    assert parts == pytest.approx(expected["bits"], rel=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "rows"])
def test_a_batch_without_rows_has_the_same_columns(kind: str, tmp_path: Path) -> None:
    make, columns_of = KINDS[kind]
    found = columns_of(Scorer(save_tiny(tmp_path / "book"))(make({"text": []})))
    assert found == {"text": [], "bits": [], "bits_per_character": []}


def test_a_row_gets_the_text_that_the_model_writes_with_its_prompt_and_seed_whatever_its_batch(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "book")
    writer = pickle.loads(pickle.dumps(Generator(folder, temperature=0.7, max_tokens=12, stop="d")))
    rows: list[dict[str, Any]] = [{"prompt": "ab" * (k % 3), "seed": 2**64 - 1 - k} for k in range(9)]
    for found in (writer(rows), [one for row in rows for one in writer([row])], writer(rows[::-1])[::-1]):
        for row, given in zip(found, rows, strict=True):
            sample = load(folder).generate(
                given["prompt"], seed=given["seed"], temperature=0.7, max_tokens=12, stop="d"
            )
            assert (row["text"], row["tokens"], row["finish_reason"]) == (
                sample.text,
                sample.tokens,
                sample.finish_reason,
            )
            assert row["log_probability"] == pytest.approx(sample.log_probability, rel=1e-5)
    alone = Generator(folder, prompt=None, seed="line", max_tokens=5)({"line": [1, 2]})
    assert [*alone["text"]] == [load(folder).generate(seed=seed, max_tokens=5).text for seed in (1, 2)]


def test_a_worker_computes_on_one_thread_and_leaves_the_others_to_the_rest_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []

    class Watching(Scorer):
        def columns(self, batch: Any) -> Mapping[str, Any]:
            seen.append((PRODUCTS.threads, PRODUCTS.is_limited))
            return super().columns(batch)

    monkeypatch.setattr(PRODUCTS, "_get", lambda: 8)
    monkeypatch.setattr(PRODUCTS, "_set", lambda number: None)
    before = PRODUCTS.threads
    Watching(save_tiny(tmp_path / "book"))({"text": ["a"]})
    with PRODUCTS.limited():
        assert PRODUCTS.threads == 8
    assert seen == [(1, True)]
    assert PRODUCTS.threads == before == 8


def test_another_process_loads_the_model_once_and_refuses_another_one(tmp_path: Path) -> None:
    scorer = Scorer(save_tiny(tmp_path / "book"))
    (tmp_path / "scorer").write_bytes(pickle.dumps(scorer))
    code = "import pickle, sys; one = pickle.load(open(sys.argv[1], 'rb')); batch = {'text': ['ab']}\n"
    code += "print(one(batch)['bits'][0], one.loaded is pickle.load(open(sys.argv[1], 'rb')).loaded)"
    command = [sys.executable, "-c", code, str(tmp_path / "scorer")]
    assert finished(command, fresh=True).stdout.split() == [str(scorer({"text": ["ab"]})["bits"][0]).encode(), b"True"]
    save_tiny(tmp_path / "book", hidden_size=7)
    refused = finished(command, fresh=True)
    assert b"is not the model that this job began with" in refused.stderr
    assert Scorer(tmp_path / "book") != scorer  # so that no cache of results takes one for the other


@pytest.mark.parametrize(
    ("made", "kind", "says"),
    [
        (lambda book: Scorer("nowhere"), ModelError, "no such folder"),
        (lambda book: Scorer(cast(Any, load(book))), OptionError, "`model` must be a path"),
        (lambda book: Scorer(book, using="ngram"), OptionError, "no n-gram"),
        (lambda book: Scorer(book)({"line": [1]}), OptionError, "the batch has no column 'text'"),
        (lambda book: Scorer(book)([{"line": 1}]), OptionError, "the batch has no column 'text'"),
        (lambda book: Scorer(book)(["a", "b"]), OptionError, "a batch is a frame, a table, a dictionary"),
        (lambda book: Scorer(book)({"text": ["a", None]}), TextError, "line 2 of 2 must be a string"),
        (lambda book: Generator(book)({"prompt": ["a"], "seed": [-1]}), OptionError, "seed must be from 0"),
        (lambda book: Generator(book, temperature=-1), OptionError, "`temperature` must be 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    made: Callable[[Path], Any], kind: type[AfterwordError], says: str, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        made(save_tiny(tmp_path / "book"))
    assert says in caught.value.message
    assert "\n" not in caught.value.message


def test_the_page_has_a_program_for_each_engine_that_the_benchmark_can_run() -> None:
    code = code_of_page()
    for engine in ENGINES:
        program = compile(code[engine][0], "docs/bulk.md", "exec")
        assert "Scorer" in program.co_names
        assert code[engine][0].count(TWO) == (engine != "Spark")
        assert '"scored' in code[engine][0]
