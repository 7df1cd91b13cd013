"""`afterword plan` as it is typed."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.answers import fine, records
from tests.cli.conftest import Run

TEXT = "".join(f"The {k}th line of this book says {k * k} and no more.\n" for k in range(900))


def test_it_tells_each_number_and_why_and_writes_nothing(text: Path, run: Run) -> None:
    done = fine(run("plan", text, "--minutes", "0.5", "--dropout", "0.25", "--threads", "1"))
    out, err = done.stdout.decode(), done.stderr.decode()
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    for name in ("hidden-size", "learning-rate", "batch-size", "seq-length", "steps", "precision", "threads"):
        assert len(rows[name]) > 3
    assert rows["dropout"] == ["dropout", "0.25", "as", "you", "asked"]
    assert re.search(r"expected: \d\.\d\d–\d\.\d\d bits per character on held-out text", out)
    assert "few to learn from" in err
    said = re.findall(r"([\d.]+) passes over", out + err)  # the passes of the rule for units are others
    assert len(set(said)) == 1  # it is one number wherever it is said
    [found] = records(run("plan", text, "--base", "none", "--steps", "50", "--json"))
    assert (found["plan"]["steps"], found["plan"]["minutes"]) == (50, None)
    assert 0 < found["expected"]["low"] < found["expected"]["bits_per_character"] < found["expected"]["high"] < 8
    assert set(found["reasons"]) <= set(found["plan"]) | {"base"}
    assert found["planning_seconds"] > 0
    assert [*text.parent.iterdir()] == [text]
