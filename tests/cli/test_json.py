"""What --json prints is what the model says in Python, for every parser: JSON knows no NaN and no Infinity."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.cli.output import strict_json
from afterword.generation.texts import Sample
from afterword.language_model import load
from afterword.scoring.costs import total
from tests.cli.answers import fine, records
from tests.cli.conftest import HARD, Run
from tests.refusals import FILES

TEXT = HARD.decode()
LINES = TEXT.split("\n")[:-1]
FULL = [*filter(None, LINES)]
ENGINE_TOLD = re.compile(rb"engine fast: its graph took \d+\.\d\d s to build\n")
SAID: dict[str, Callable[[], list[Any]]] = {
    "score tiny hard": lambda: [load("tiny").score(TEXT)],
    "score mixed hard": lambda: [load("mixed").score(TEXT)],
    "score mixed hard --with ngram": lambda: [load("mixed", using="ngram").score(TEXT)],
    "score tiny latin --encoding latin-1": lambda: [load("tiny").score(FILES["latin"].decode("latin-1"))],
    "score tiny hard --lines": lambda: load("tiny").score_lines(LINES),
    "score lines hard": lambda: [total(load("lines").score_lines(FULL))],
    "score labelled hard": lambda: [total(load("labelled").score_lines(FULL))],
    "score labelled hard --lines": lambda: load("labelled").classify(LINES),
    "surprises tiny hard": lambda: [*load("tiny").surprises(TEXT)],
    "surprises mixed hard --with ngram": lambda: [*load("mixed", using="ngram").surprises(TEXT)],
    "surprises mixed hard --hold forget=1": lambda: [*load("mixed").hold("forget=1").surprises(TEXT)],
    "generate tiny --seed 4 --sentences 2 --max-tokens 40": lambda: written("tiny", [4], sentences=2, max_tokens=40),
    "generate tiny --seed 1 --hold output=0 --hold l0.u1=1": lambda: [
        load("tiny").hold("output=0", "l0.u1=1").generate(seed=1)
    ],
    f"generate tiny --seed {2**64 - 2} --num 3 --prompt é": lambda: written("tiny", [2**64 - 2, 2**64 - 1, 0], "é"),
    "generate mixed --seed 5 --num 30 --max-tokens 20 --temperature 1.5 --prompt ab": lambda: written(
        "mixed", range(5, 35), "ab", max_tokens=20, temperature=1.5
    ),
    "generate lines --seed 7 --temperature 2 --num 3 --best-of 4": lambda: [
        max(written("lines", range(first, first + 4), temperature=2), key=lambda one: one.log_probability / one.tokens)
        for first in (7, 11, 15)
    ],
    "generate lines --seed 3 --log-probabilities 3": lambda: written("lines", [3], log_probabilities=3),
    "generate tiny --seed 1 --num 3 --pattern (ab|c)+d? --max-tokens 9": lambda: written(
        "tiny", [1, 2, 3], pattern="(ab|c)+d?", max_tokens=9
    ),
    "generate tiny --prompts prompts --num 2 --seed 4 --max-tokens 7": lambda: [
        load("tiny").generate(prompt, seed=4 + k, max_tokens=7)
        for k, prompt in enumerate(["ab", "ab", "cdé", "cdé", "a", "a"])
    ],
    "generate labelled --label vowel --prompt ab --seed 1 --num 3": lambda: written(
        "labelled", [1, 2, 3], "ab", label="vowel"
    ),
}


def written(name: str, seeds: Iterable[int], prompt: str | None = None, **options: Any) -> list[Any]:
    return [load(name).generate(prompt, seed=seed, **options) for seed in seeds]


def plain(one: Any, name: str) -> Any:
    """Return what an answer has under the name of a field, as it is in JSON."""
    if name == "alternatives":
        return [{"text": text, "probability": probability} for text, probability in one.alternatives]
    if name == "log_probability":  # of many texts at once, its last digits differ
        return pytest.approx(one.log_probability, rel=1e-6)
    if name == "label" and isinstance(one, Sample):
        return "vowel"  # as was asked
    if name == "pieces" and one.pieces:
        return json.loads(json.dumps([asdict(piece) for piece in one.pieces]))
    return getattr(one, name) if hasattr(one, name) else one.apart[name]


def refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def printed(run: Run, *words: str) -> list[dict[str, Any]]:
    lines = fine(run(*words, "--json")).stdout.decode().splitlines()
    return [json.loads(line, parse_constant=refused) for line in lines]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("line", SAID)
def test_each_field_is_what_the_model_says(line: str, run: Run) -> None:
    for record, one in zip(printed(run, *shlex.split(line)), SAID[line](), strict=True):
        assert record == {name: plain(one, name) for name in record}


@pytest.mark.usefixtures("place")
def test_a_model_says_of_itself_the_same(run: Run) -> None:
    for name in ("tiny", "mixed", "labelled"):
        assert printed(run, "info", name) == [json.loads(json.dumps(load(name).info()))]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    "line",
    [
        *(f"score mixed hard{more}" for more in ("", " --lines", " --lines --top 1")),
        *(f"generate mixed --seed 4 --max-tokens 9 --num {num}" for num in (2, 20)),
    ],
)
def test_the_engine_is_in_every_record_alone_and_its_time_on_standard_error(line: str, run: Run) -> None:
    words = line.split()
    fast, numpy = run(*words, "--engine", "fast", "--json"), run(*words, "--json")
    assert ENGINE_TOLD.fullmatch(fast.stderr), fast.stderr
    assert numpy.stderr == b""
    for record, expected in zip(records(fast), records(numpy), strict=True):
        assert [*record.items()][-1] == ("engine", "fast")
        assert [*record] == [*expected, "engine"]
    assert b"engine" not in run(*words, "--engine", "fast").stdout


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", ["score tiny text", "inspect tiny ab"])
def test_every_line_is_read_by_a_strict_parser(command: str, run: Run) -> None:
    assert printed(run, *command.split(), "--hold", "cell=1e38")  # where NaN comes from


NOT_FINITE = st.sampled_from([math.nan, math.inf, -math.inf])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | NOT_FINITE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_what_is_no_finite_number_is_null_and_all_else_stays(value: Any) -> None:
    line = strict_json(value)
    assert json.loads(line, parse_constant=refused) == json.loads(json.dumps(value), parse_constant=lambda _: None)
    assert not set(line) & set("\n\r\x1b\x07\x7f\x9b")
