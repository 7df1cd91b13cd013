"""Each option that is served does over HTTP what it does for the command, or is refused in the caller's words."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from afterword.commands import commands, find_operation
from afterword.errors import AfterwordError, spelled
from afterword.operations.operation import arguments_of
from afterword.serving.http.failures import for_client
from afterword.serving.routes.training_runs import RunRequest
from afterword.serving.runs.trainer import ASKED
from afterword.settings import kinds_of
from tests.cases import cases as cases_of
from tests.cli.conftest import run_here
from tests.serving.server import Serving, serving
from tests.tiny import save_tiny

CASES = 24  # of each operation
VALUES: dict[str, list[Any]] = {
    "using": ["both", "lstm", "ngram"],
    "hold": [["forget=1"], ["l0.u2=-1", "cell=0.5"], ["l9.u0=1"]],
    **cases_of("OPTIONS"),
}
TEXTS = ["abcd\n\ncab\né☃☃\nbb\n", "dddd", "", "\n\n"]


def options(name: str) -> dict[str, str]:
    """Return the name over HTTP of each option that is served."""
    return {
        field.name: field.metadata["flag"] or field.name
        for field, _ in kinds_of(find_operation(name).request)
        if field.metadata["served"]
    }


def takes_text(name: str) -> bool:
    """Return whether the operation reads one text, named so."""
    found = find_operation(name)
    return bool(found.path) and {one.served for one, _ in arguments_of(found.request).values()} >= {"text"}


SERVED = [name for name in commands() if takes_text(name) and options(name)]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("options")
    kinds = {"plain": {}, "mixed": {"mixed": True}, "lines": {"lines": True, "mixed": True}}
    found = {name: save_tiny(place / name, **more) for name, more in kinds.items()}
    for added in cases_of("OF_LINES_MODEL"):
        found |= added(place / "lines", place)
    return found


@pytest.fixture(scope="module")
def server(places: dict[str, Path]) -> Iterator[Serving]:
    with serving(*places.values()) as found:
        yield found


def cases(name: str, models: Iterable[str]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return models, texts and options, drawn by seed; each value of each option is among them."""
    each = [[None, *VALUES.get(one, [True, False])] for one in options(name)]
    every = [dict(zip(options(name), values, strict=True)) for values in itertools.product(*each)]
    found = list(itertools.product(models, TEXTS, every))
    random.Random(name).shuffle(found)
    known, kept = set[str](), list[tuple[str, str, dict[str, Any]]]()
    for model, text, values in found:
        given = {one: value for one, value in values.items() if value is not None}
        new = {f"{model} {one} {value}" for one, value in given.items()} - known
        if new or len(kept) < CASES:
            kept.append((model, text, given))
            known |= new
    return kept


def typed(name: str, given: dict[str, Any]) -> list[str]:
    words = list[str]()
    for one, value in given.items():
        flag = options(name).get(one, one).replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}={each}" for each in (value if isinstance(value, list) else [value])]
    return words


def same(one: Any, other: Any) -> bool:
    """Return whether two answers are equal, but for the last digits of their numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-3, abs_tol=1e-3)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("name", SERVED)
def test_what_is_asked_over_http_and_in_python_is_answered_as_the_command_answers_it(
    name: str, server: Serving, places: dict[str, Path], tmp_path: Path
) -> None:
    operation, file = find_operation(name), tmp_path / "file.txt"
    for model, text, given in cases(name, places):
        file.write_text(text, "utf-8")
        asked = {**given, **operation.request.over_http}
        done = run_here([name, str(places[model]), str(file), *typed(name, asked), "--json"])
        body = {options(name)[one]: value for one, value in given.items()}
        reply = server.post(operation.path or "", {"model": model, "text": text, **body})
        case = model, text, given, done.stderr.decode(), reply.body.decode()
        found, refused = list[dict[str, Any]](), ""
        try:
            answer = operation(places[model], file, **asked)
            found = [json.loads(json.dumps(one.to_dict())) for one in answer]
        except AfterwordError as error:
            refused = str(error)
        if done.returncode:
            assert (done.returncode, reply.status) == (2, 400), case
            said = done.stderr.decode().splitlines()[-1].removeprefix("error: ")
            named = re.sub("--[a-z-]+", lambda option: f"`{option[0][2:].replace('-', '_')}`", said)
            assert refused == spelled(named), case
            if text.strip():  # a client has no file that may be empty
                assert reply.error == spelled(named, str), case
            assert not re.search("--|`|[a-z]=", reply.error), case
            continue
        assert (reply.status, refused) == (200, ""), case
        printed = [json.loads(line) for line in done.stdout.decode().splitlines()]
        rows = [row for row in printed if "perplexity" not in row]
        whole = [row for row in found if "perplexity" in row]
        assert same([row for row in found if "bits" in row], rows), case
        served = [row for one in operation.records if one.served and one.rows for row in reply.json.get(one.rows, [])]
        files = {"file": str(file)} if rows and "file" in rows[0] else {}
        assert same([{**dict.fromkeys(row), **one, **files} for row, one in zip(rows, served, strict=True)], rows), case
        for row in [*whole, *(row for row in printed if "perplexity" in row)]:
            assert same({one: reply.json[one] for one in row}, row), case


def test_what_a_training_may_be_told_is_what_a_request_has() -> None:
    fields = {one.name for one in msgspec.structs.fields(RunRequest)}
    assert set(ASKED) == fields & {field.name for field, _ in kinds_of(find_operation("train").request)}


def test_advice_names_only_what_a_request_has() -> None:
    for message, said in (
        ("a text is wrong: give `lines`; or try `encoding` x", "a text is wrong: give lines"),
        ("a text is wrong: try `encoding` x", "a text is wrong"),
        ("a text is wrong: split it", "a text is wrong: split it"),
        ("`top` must be 1 or more, not 0", "top must be 1 or more, not 0"),
    ):
        assert for_client(message, ["lines", "top"]) == said
