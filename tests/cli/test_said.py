"""What commands tell people: lines of tables, and notes beside them."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from tests.cli.answers import fine, records
from tests.cli.conftest import Run

SAID = [  # a command, and a line of its answer or a note beside it; numbers that differ between machines are left out
    ("info tiny", "validation bits per character 2.500"),
    ("info tiny", "corpus sources tiny.txt"),
    ("info told", "ngram weight 40% of each prediction"),
    ("info told", "validation bits per character 2.164"),
    ("info told", "validation lstm bits per character 2.885"),
    ("info told", "validation ngram bits per character 2.164"),
    ("info labelled", "labels vowel (1), b d (1)"),
    ("info --system", f"numpy {np.__version__}"),
    ("surprises tiny text", "line column bits text expected"),
    ("surprises tiny text", r"1 3 \d+\.\d{4} é .*"),
    ("surprises tiny text", "note: never learned, so not among the most surprising: ☃ (3:4)"),
    ("surprises tiny text", r"3:2 4\.\d bits d\[c\] expected a 19% .*"),
    ("inspect tiny ab", "text ab"),
    ("inspect tiny ab", "forget l1 .*"),
    ("inspect tiny ab☃b --json", "note: the model never saw '☃' in training"),
    ("inspect tiny text --json", "note: text is read as the text itself: --file reads the file of that name"),
    ("novelty ran text", r"characters in copies of 20\+ .* longest"),
    ("compare tiny mixed --file text", "model bits per character difference margin of error blocks"),
    ("compare tiny mixed --file text", r"mixed \d\.\d{4} -?\d\.\d{4} - 1"),
    (
        "compare tiny mixed --file text",
        "note: a margin of error needs 20 blocks of 500 characters, and this text has 1",
    ),
    (
        "compare tiny lines --file text",
        "note: lines was trained on lines, so reading running text as tiny does costs .*",
    ),
    (
        "compare lines tiny --file text",
        "note: tiny was trained on running text, so reading lines as lines does costs .*",
    ),
    (
        "compare tiny lines --file text --lines",
        "note: tiny was trained on running text, so reading lines by --lines costs it more",
    ),
    (
        "compare joined tiny --file text",
        "note: joined joins wrapped lines, so all models read the text in this way; .*",
    ),
    ("compare tiny joined --file text", "note: tiny keeps all lines, so all models read the text in this way; .*"),
    ("compare tiny lower --file text", "note: lower reads all text in lower case, so it has less to predict"),
]


def said(run: Run, command: str) -> list[str]:
    done = fine(run(*shlex.split(command)))
    return [" ".join(line.split()) for line in (done.stdout + done.stderr).decode().splitlines()]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", dict(SAID))
def test_each_line_is_said(command: str, run: Run) -> None:
    found = said(run, command)
    for line in (line for asked, line in SAID if asked == command):
        assert [one for one in found if one == line or re.fullmatch(line, one)], (line, found)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    "command",
    ["score tiny text", "score tiny text --lines", "score tiny text --lines --top 2", "compare tiny mixed --file text"],
)
def test_a_table_has_the_figures_of_json_below_each_other_and_titles_in_plain_words(command: str, run: Run) -> None:
    head, *rows = fine(run(*command.split())).stdout.decode().splitlines()
    figures = [f"{one['bits_per_character']:.4f}" for one in records(run(*command.split(), "--json"))]
    assert "bits per character" in head
    assert "nats" not in head
    assert not set("_/") & set(head)
    end = head.index("bits per character") + len("bits per character")
    assert [row[:end].split()[-1] for row in rows] == figures
