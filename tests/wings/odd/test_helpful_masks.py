"""If far more lines are listed than was promised, the note names the mask that helps most, and what it would list."""

from __future__ import annotations

import random
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from afterword.wings.odd.helpful_masks import helpful_masks
from tests.cli.answers import fine, records
from tests.cli.conftest import Run

WORKERS = ("worker-a", "worker-b", "worker-c")


def log(draw: random.Random, line: Callable[[str], str], workers: Callable[[], str], count: int) -> str:
    texts = ("request served in {} ms", "cache hit after {} tries", "queue drained, {} left")
    return "".join(f"{line(workers())} {draw.choice(texts).format(draw.randrange(900))}\n" for _ in range(count))


@pytest.mark.parametrize(
    ("line", "mask"),
    [
        ("node={} INFO".format, "(?<=node=)"),
        ("{}: INFO".format, "^"),
        ('{{"pod": "{}", "level": "info"}}'.format, '(?<=pod": ")'),
        ("session for {} opened".format, "(?<=for )"),
    ],
)
def test_the_note_names_a_mask_with_the_figure_that_it_gives(
    line: Callable[[str], str], mask: str, tmp_path: Path, run: Run
) -> None:
    draw = random.Random(0)
    good, new = tmp_path / "good.log", tmp_path / "new.log"
    good.write_text(log(draw, line, lambda: draw.choice(WORKERS), 600))
    new.write_text(
        log(draw, line, lambda: f"worker-{''.join(draw.choices('bcdfghk', k=6))}", 300) + line("root") + "\n"
    )
    told = run("odd", good, new)
    fine(told)
    said = re.search(
        rb"note: (\S+)% of the lines are listed, not 1%: (--mask .*) would list (\S+)%; or add", told.stderr
    )
    assert said, told.stderr
    option = shlex.split(said[2].decode())
    assert option[1].startswith(mask)
    shares = []
    for more in ([], option):
        rows = records(run("odd", good, new, "--json", *more))
        shares.append(len({at["line"] for row in rows if row["odd"] for at in row["lines"]}) / 301)
    assert [f"{share:.1%}" for share in shares] == [f"{float(one):.1f}%" for one in (said[1], said[3])]
    assert shares[0] > 0.5 > 0.02 > shares[1]


def test_no_mask_is_named_if_none_helps_or_if_the_lines_cannot_be_read_again(tmp_path: Path, run: Run) -> None:
    draw = random.Random(0)
    good, new, model = tmp_path / "good.log", tmp_path / "new.log", tmp_path / "model"
    good.write_text(log(draw, "node={} INFO".format, lambda: draw.choice(WORKERS), 600))
    other = [f"{''.join(draw.choices('bcdfghk ', k=30))}\n" for _ in range(100)]
    new.write_text("".join(other))
    plain = b"of the lines are listed, not 1%: mask what changes, add newer good lines, or accept what is harmless"
    assert plain in run("odd", good, new, "--out", model).stderr
    new.write_text(log(draw, "node={} INFO".format, lambda: f"w{''.join(draw.choices('bcdfghk', k=6))}", 100))
    assert b"--mask" in run("odd", good, new).stderr
    assert plain in run("odd", model, new).stderr
    assert plain in run("odd", good, "-", input=new.read_bytes()).stderr


def test_masks_hide_the_words_of_one_place_and_the_commonest_place_is_first() -> None:
    texts = ["from 10.0.0.1 user=ann-x ok", "from 10.0.0.2 user=bob ok", "zeus up"]
    odd = [(texts[0], 19), (texts[0], 20), (texts[1], 19), (texts[2], 0), (texts[0], 27)]
    masks = helpful_masks(odd)
    assert [re.sub(masks[0], "<*>", text) for text in texts] == [
        "from 10.0.0.1 user=<*> ok",
        "from 10.0.0.2 user=<*> ok",
        "zeus up",
    ]
