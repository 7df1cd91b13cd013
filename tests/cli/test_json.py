"""What --json prints is what the model says in Python, for every parser: JSON knows no NaN and no Infinity."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from afterword.cli.output import strict_json
from afterword.generation.texts import Sample
from afterword.language_model import load
from afterword.model.folder.saved import load_model, save_model
from afterword.scoring.costs import total
from tests.cli.answers import fine
from tests.cli.conftest import Run

TEXT = 'ab é\n\nd,"cb\x1b☃\n'
LINES = TEXT.split("\n")[:-1]
SAID: dict[str, Callable[[], list[Any]]] = {
    "score tiny text": lambda: [load("tiny").score(TEXT)],
    "score mixed text": lambda: [load("mixed").score(TEXT)],
    "score mixed text --with lstm": lambda: [load("mixed", using="lstm").score(TEXT)],
    "score mixed text --with ngram": lambda: [load("mixed", using="ngram").score(TEXT)],
    "score tiny latin --encoding latin-1": lambda: [load("tiny").score("abé\n")],
    "score tiny text --lines": lambda: load("tiny").score_lines(LINES),
    "score lines text": lambda: [total(load("lines").score_lines([*filter(None, LINES)]))],
    "score labelled text": lambda: [total(load("labelled").score_lines([*filter(None, LINES)]))],
    "score labelled text --lines": lambda: load("labelled").classify(LINES),
    "surprises tiny text": lambda: [*load("tiny").surprises(TEXT)],
    "surprises mixed text --with ngram": lambda: [*load("mixed", using="ngram").surprises(TEXT)],
    "surprises mixed text --hold forget=1": lambda: [*load("mixed").hold("forget=1").surprises(TEXT)],
    "surprises lines text": lambda: [*load("lines").surprises(TEXT)],
    "generate tiny --seed 4": lambda: [load("tiny").generate(seed=4)],
    "generate tiny --seed 4 --sentences 2 --max-tokens 40": lambda: [
        load("tiny").generate(seed=4, sentences=2, max_tokens=40)
    ],
    "generate tiny --seed 4 --finish-sentence --max-tokens 30": lambda: [
        load("tiny").generate(seed=4, finish_sentence=True, max_tokens=30)
    ],
    "generate tiny --seed 1 --hold output=0 --hold l0.u1=1": lambda: [
        load("tiny").hold("output=0", "l0.u1=1").generate(seed=1)
    ],
    f"generate tiny --seed {2**64 - 2} --num 3 --prompt é": lambda: [
        load("tiny").generate("é", seed=seed) for seed in (2**64 - 2, 2**64 - 1, 0)
    ],
    "generate mixed --seed 5 --num 30 --max-tokens 20 --temperature 1.5 --prompt ab": lambda: [
        load("mixed").generate("ab", seed=5 + k, max_tokens=20, temperature=1.5) for k in range(30)
    ],
    "generate lines --seed 7 --temperature 2 --num 3 --best-of 4": lambda: [
        max(each, key=lambda one: one.log_probability / one.tokens)
        for first in (7, 11, 15)
        for each in [[load("lines").generate(seed=first + k, temperature=2) for k in range(4)]]
    ],
    "generate lines --seed 3 --log-probabilities 3": lambda: [load("lines").generate(seed=3, log_probabilities=3)],
    "generate tiny --seed 1 --num 3 --pattern (ab|c)+d? --max-tokens 9": lambda: [
        load("tiny").generate(seed=seed, pattern="(ab|c)+d?", max_tokens=9) for seed in (1, 2, 3)
    ],
    "generate tiny --prompts prompts --num 2 --seed 4 --max-tokens 7": lambda: [
        load("tiny").generate(prompt, seed=4 + k, max_tokens=7)
        for k, prompt in enumerate(["ab", "ab", "cdé", "cdé", "a", "a"])
    ],
    "generate labelled --label d --prompt ab --seed 1 --num 3": lambda: [
        load("labelled").generate("ab", label="d", seed=seed) for seed in (1, 2, 3)
    ],
}


def plain(one: Any, name: str) -> Any:
    """Return what an answer has under the name of a field, as it is in JSON."""
    if name == "alternatives":
        return [{"text": text, "probability": probability} for text, probability in one.alternatives]
    if name == "log_probability":  # of many texts at once, its last digits differ
        return pytest.approx(one.log_probability, rel=1e-6)
    if name == "label" and isinstance(one, Sample):
        return "d"  # as was asked
    if name == "pieces" and one.pieces:
        return json.loads(json.dumps([asdict(piece) for piece in one.pieces]))
    return getattr(one, name) if hasattr(one, name) else one.apart[name]


def refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def printed(run: Run, *words: str) -> list[dict[str, Any]]:
    lines = fine(run(*words, "--json")).stdout.decode().splitlines()
    return [json.loads(line, parse_constant=refused) for line in lines]


@pytest.fixture
def place(model: Path, mixed_model: Path, lines_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, folder in (("tiny", model), ("mixed", mixed_model), ("lines", lines_model)):
        (tmp_path / name).symlink_to(folder)
    (tmp_path / "text").write_text(TEXT, "utf-8")
    (tmp_path / "latin").write_text("abé\n", "latin-1")
    (tmp_path / "prompts").write_text("ab\n\ncdé\na\n", "utf-8")
    labelled = load_model(lines_model)
    labelled.about["labels"] = {"abc": 1, "d": 1}
    save_model(tmp_path / "labelled", labelled, "# Tiny\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("line", SAID)
def test_each_field_is_what_the_model_says(line: str, run: Run) -> None:
    found, said = printed(run, *shlex.split(line)), SAID[line]()
    assert len(found) == len(said)
    for record, one in zip(found, said, strict=True):
        assert record == {name: plain(one, name) for name in record}


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", ["tiny", "mixed", "labelled"])
def test_a_model_says_of_itself_the_same(name: str, run: Run) -> None:
    assert printed(run, "info", name) == [json.loads(json.dumps(load(name).info()))]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", ["score tiny text", "inspect tiny ab"])
def test_every_line_is_read_by_a_strict_parser(command: str, run: Run) -> None:
    assert printed(run, *command.split(), "--hold", "cell=1e38")  # where NaN comes from


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1.5, math.nan, (math.inf, -math.inf)], "é": "NaN"}, {"a": [1.5, None, [None, None]], "é": "NaN"}),
        ([{"deep": {"deeper": math.nan}}], [{"deep": {"deeper": None}}]),
        (math.nan, None),
        ({"a": [0.1, True, None, 3]}, {"a": [0.1, True, None, 3]}),
    ],
)
def test_what_is_no_finite_number_is_null_and_all_else_stays(value: Any, written: Any) -> None:
    assert json.loads(strict_json(value), parse_constant=refused) == written
