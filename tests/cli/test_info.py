"""`afterword info` through the real command; of a model it says what tests/cli/test_said.py lists."""

from __future__ import annotations

import numpy as np
import pytest

import afterword
from afterword.language_model import load
from tests.cli.answers import printed, records
from tests.cli.conftest import Run


@pytest.mark.usefixtures("place")
def test_what_is_not_known_is_left_out_and_units_are_those_of_people(run: Run) -> None:
    for name in ("tiny", "told", "labelled"):
        table = printed(run("info", name))
        assert f"{load(name).parameters:,}" in table
        assert "versions" not in table
        assert "nats" not in table
        assert "None" not in table
    assert load("labelled").info()["labels"] == {"vowel": 1, "b d": 1}


def test_of_the_system_a_report_says_the_versions_and_the_machine(run: Run) -> None:
    [facts] = records(run("info", "--system", "--json"))
    named = ["afterword", "python", "numpy", "torch", "onnxruntime", "system", "processor", "threads"]
    assert list(facts) == [*named, "blas"]
    assert (facts["afterword"], facts["numpy"]) == (afterword.__version__, np.__version__)
    assert facts["threads"] >= 1
    missing = [name for name, fact in facts.items() if fact is None]
    assert printed(run("info", "--system")).count("not installed") == len(missing)
