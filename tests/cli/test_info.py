"""`afterword info` through the real command."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

import afterword
from afterword.language_model import load
from tests.cli.answers import records
from tests.cli.conftest import Run


def test_the_table_names_what_is_known_and_leaves_out_what_is_not(model: Path, run: Run) -> None:
    lines = run("info", model).stdout.decode().splitlines()
    rows = [tuple(line.split("  ", 1)) for line in lines]
    table = {name: value.strip() for name, value in rows}
    assert table["parameters"] == f"{load(model).parameters:,}"
    assert table["validation bits per character"] == "2.500"
    assert table["corpus sources"] == "tiny.txt"
    assert "versions" not in table


def test_people_read_bits_and_how_much_the_n_gram_does(mixed_model: Path, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    model = load(mixed_model)
    model.about["validation"] = {"nats_per_character": 1.5, "bits_per_character": 2.164, "lstm": 2.0, "ngram": 1.5}
    model.save(folder)
    table = run("info", folder).stdout.decode()
    assert "nats" not in table
    assert re.search(r"(?m)^ngram weight +40% of each prediction$", table)
    for name, bits in (("validation", "2.164"), ("validation lstm", "2.885"), ("validation ngram", "2.164")):
        assert re.search(rf"(?m)^{name} bits per character +{bits}$", table)


def test_of_the_system_a_report_says_the_versions_and_the_machine(run: Run) -> None:
    facts = records(run("info", "--system", "--json"))[0]
    named = ["afterword", "python", "numpy", "torch", "onnxruntime", "system", "processor", "threads"]
    assert list(facts) == [*named, "blas"]
    assert (facts["afterword"], facts["numpy"]) == (afterword.__version__, np.__version__)
    assert facts["threads"] >= 1
    table = run("info", "--system").stdout.decode()
    assert re.search(rf"(?m)^numpy +{re.escape(np.__version__)}$", table)
    if facts["onnxruntime"] is None:
        assert re.search(r"(?m)^onnxruntime +not installed$", table)
