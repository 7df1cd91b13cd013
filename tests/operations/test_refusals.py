"""What is refused is refused in one line before anything is printed or written, and in the same words to everybody."""

from __future__ import annotations

import copy
import io
import math
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.cli.command import OperationCommand
from afterword.commands import find_operation
from afterword.errors import InputError, spelled
from afterword.language_model import load
from afterword.operations.operation import arguments_of
from afterword.serving.http.failures import for_client
from afterword.settings import kinds_of
from tests.cases import cases
from tests.cli.conftest import run_here
from tests.cli.test_main import error_line
from tests.refusals import OF_THE_COMMAND, REFUSED, UNSERVED, make_place
from tests.serving.server import serving
from tests.serving.test_routes import refusal, schema

PATHS = {"generate": "/v1/completions", "inspect": "/v1/gates"}  # of operations that have a route of their own
MODELS = ("tiny", "mixed", "lines", "labelled")  # that are served


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("refused")
    make_place(place)
    return place


@pytest.fixture(autouse=True)
def _nothing_is_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(place)
    before = states(place)
    yield
    assert states(place) == before


def states(place: Path) -> dict[Path, tuple[int, ...]]:
    """Return what changes with any write, of each file and folder."""
    found = {path: path.lstat() for path in place.rglob("*")}
    return {path: (one.st_ino, one.st_mode, one.st_size, one.st_mtime_ns) for path, one in found.items()}


def each(rows: list[tuple[str, str]]) -> pytest.MarkDecorator:
    names = [line[:60].encode("ascii", "backslashreplace").decode() for line, _ in rows]
    return pytest.mark.parametrize(("line", "says"), rows, ids=names)


def command_of(line: str) -> OperationCommand:
    name = line.split()[0]
    return OperationCommand(name, find_operation(name))


class HeardError(Exception):
    """What a command was asked for."""


def asked(line: str) -> dict[str, Any]:
    """Return the arguments and options of a command line, as its operation gets them."""
    name, *words = shlex.split(line)
    operation = copy.copy(find_operation(name))

    def make_request(**options: Any) -> None:
        raise HeardError(options)

    operation.make_request = make_request
    with pytest.raises(HeardError) as heard:
        OperationCommand(name, operation).main(words, standalone_mode=False)
    found: dict[str, Any] = heard.value.args[0]
    return found


@each(OF_THE_COMMAND)
def test_the_command_says_what_is_wrong_with_its_words(line: str, says: str) -> None:
    assert says in error_line(run_here(shlex.split(line)))


@each(REFUSED + UNSERVED)
def test_the_command_refuses_it(line: str, says: str) -> None:
    assert spelled(says, command_of(line).spell) in error_line(run_here(shlex.split(line)))


@each(REFUSED + UNSERVED)
def test_python_refuses_it(line: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(InputError) as refused:
        list(find_operation(line.split()[0])(**asked(line)) or ())
    assert spelled(says) in str(refused.value)
    assert "\n" not in str(refused.value)


def body_of(line: str, properties: Any) -> dict[str, Any] | None:
    """Return the body that asks for the same over HTTP; None if something in it is not served."""
    name, body = line.split()[0], dict[str, Any]()
    request = find_operation(name).request
    texts = {one: about.served for one, (about, _) in arguments_of(request).items()}
    flags = {field.name: field.metadata["flag"] or field.name for field, _ in kinds_of(request)}
    for one, value in asked(line).items():
        field = texts.get(one) or flags.get(one, one)
        if field not in properties:
            return None
        if texts.get(one):
            if len(value) > 1 or not (file := Path(*value)).is_file():
                return None
            try:
                value = file.read_text("utf-8")
            except UnicodeDecodeError:
                return None
            if not value.strip():  # a client has no file to name
                return None
        body[field] = value
    return body


def test_the_server_refuses_what_is_served(place: Path) -> None:
    count = 0
    with serving(*(place / name for name in MODELS)) as server:
        for line, says in REFUSED:
            name = line.split()[0]
            if path := PATHS.get(name) or find_operation(name).path:
                known = schema(server, path)["properties"]
                body = body_of(line, known)
                if body is not None and body["model"] in MODELS:
                    assert for_client(says, known) in refusal(server, path, body), line
                    count += 1
        assert server.is_idle()
    assert count > 20


class Table(list[str]):
    """As much of a DataFrame of pandas as matters here: it yields the names of its columns."""

    columns = property(list)


LABELS = ((5, "label must be text, not 5"), (b"vowel", "label must be text"), ("vowl", "did you mean 'vowel'"))


def ask(_: object, name: str, label: object) -> object:
    more = {"num": 2} if name == "samples" else {}
    return getattr(load("labelled"), name)(label=label, **more)


score: Any = afterword.score  # which type checkers would refuse too
train: Any = afterword.train
WORDS = ["the", "words", "of", "a", "text"] * 90
IN_PYTHON: list[tuple[Callable[[Any], object], str]] = [  # which only Python can ask for
    (lambda model: model.score_lines("abc"), "score_lines takes several lines"),
    (lambda model: model.score_lines(Table(["name of a column"])), "take one column of a table"),
    (lambda model: model.score_lines(["abc", math.nan]), "line 2 of 2 must be a string, not float: leave out missing"),
    (lambda _: load("labelled").classify("abc"), "classify takes several lines"),
    (lambda _: load("tiny", engine="slow"), "engine= must be one of numpy, fast, not slow"),  # type: ignore[arg-type]
    (lambda model: model.hold(5), "hold must be text such as forget=1, not 5"),
    (lambda model: model.generate(seed=1.5), "seed must be a whole number"),
    (lambda model: model.generate(seed=True), "seed must be a whole number, not True"),
    *(
        (partial(ask, name=name, label=label), says)
        for name in ("generate", "stream", "read", "samples")
        for label, says in LABELS
    ),
    (lambda model: model.stream("\ud800"), "lone surrogate"),
    (lambda model: model.stream(seed=2**64), "seed must be from 0 to 18446744073709551615"),
    (lambda model: model.next_words("a", 0), "number= must be 1 or more, not 0"),
    (lambda model: model.samples(num=0), "num= must be from 1 to 2,147,483,648, not 0"),
    (lambda model: model.samples(num=1, best_of=10**20), "best_of= must be from 1 to 2,147,483,648, not 100,000,"),
    (lambda model: model.samples(num=3, seed=-1), "seed must be from 0"),
    (lambda model: model.tokenizer.decode("abc"), "ids must be whole numbers"),
    (lambda model: model.save(5), "a model is named by the path of its folder, not by 5"),
    (lambda model: model.load(None), "a model is named by the path of its folder, not by None"),
    (lambda model: model.load("a\0b"), "the path of a model has a character that no path can have: 'a\\x00b'"),
    (lambda model: model.save("a\ud800"), "the path of a model has a character that no path can have"),
    (lambda model: afterword.info("a\0b"), "model= has a character that no path can have"),
    (lambda model: score(5, "text"), "model= must be a path or a LanguageModel, not 5"),
    (lambda model: afterword.novelty("tiny", model), "file= must be a path, not LanguageModel"),
    (lambda model: afterword.compare(model, model, file="text"), "a model is named twice"),
    (lambda model: train(None), "texts= must be a path, not None"),
    (lambda model: train(["book", 5]), "texts= must be a path, not 5"),
    (lambda model: train("book", validation=True), "validation= must be a path, not True"),
    (lambda model: train("book", validation=1.5), "validation= must be a fraction above 0 and below 1"),
    (lambda model: train(text=WORDS, texts="book"), "text= cannot be used with texts=: leave one of them out"),
    (lambda model: train(text=WORDS, repeat="r", out="o"), "text= cannot be used with repeat="),
    (lambda model: train(text=WORDS, encoding="latin-1"), "text= cannot be used with encoding="),
    (lambda model: train(text=""), "text given in Python has 0 characters; at least 64 are needed"),
    (lambda model: train(text=5), "text=, unless it is one string, takes several lines: put one line into a list"),
    (lambda model: train(text=b"abc" * 99), "text=, unless it is one string, must be a string, not bytes: decode it"),
    (lambda model: train(text=["a", None]), "line 2 of 2 must be a string, not NoneType: leave out missing cells"),
    (lambda model: train(text="a lone \ud800" * 30), "character 7 of the text is a lone surrogate"),
    (lambda model: train(text="a NUL \0" * 30), "text given in Python contains a NUL at byte 6"),
    (lambda model: train(" ".join(WORDS)), f"cannot read {' '.join(WORDS)[:60]}…: there is no such file: give a path"),
    (lambda model: train("My text"), "give a path (in Python, train(text=…) takes the text itself)"),
    (lambda model: train("My\nold text"), "cannot read 'My\\nold text': there is no such file: give a path"),
    (lambda model: train("boook.txt"), "cannot read boook.txt: No such file"),
    (lambda model: train("x" * 5000), f"cannot read {'x' * 60}…: File name too long"),
    *cases("IN_PYTHON"),
]


@pytest.mark.parametrize(("call", "says"), IN_PYTHON, ids=[says for _, says in IN_PYTHON])
def test_what_python_alone_can_ask_for_is_refused_in_one_short_line(call: Callable[[Any], object], says: str) -> None:
    with pytest.raises(InputError) as refused:
        call(load("tiny"))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250
