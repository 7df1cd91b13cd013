"""Laws of all operations: what the command makes of a declaration is the same for each option of each."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afterword.cli.command import OperationCommand
from afterword.commands import commands, find_operation
from afterword.operations.operation import FOLDER, arguments_of, operation
from afterword.operations.work import Work
from afterword.settings import LIMITS, Kind, kinds_of
from tests.cli.conftest import run_here
from tests.cli.test_main import error_line

Option = tuple[dataclasses.Field[Any], Kind]
TEXTS = {
    "encoding": "latin-1",
    "vocabulary": "words",
    "validation": "0.5",
    "logit_bias": "a=1",
    "levels": "80",
    "root_path": "/aw",
}
OWN_RULES = dict.fromkeys(("id_column", "time_column", "value_column"), "horizon")
EACH = pytest.mark.parametrize("name", commands())


def options(name: str) -> dict[str, Option]:
    return {field.name: (field, kind) for field, kind in kinds_of(find_operation(name).request)}


def flag(option: Option) -> str:
    return "--" + (option[0].metadata["flag"] or option[0].name.replace("_", "-"))


def sample(option: Option) -> Any:
    """Return a value that the option may have, and that is not its default."""
    (field, kind), about = option, option[0].metadata
    if bool in kind.types:
        return not field.default
    if choices := about["choices"] or kind.choices:
        other = next(choice for choice in choices if choice != field.default)
        return [other] if kind.several else other
    if int in kind.types or (float in kind.types and field.name not in TEXTS):
        least = about["minimum"] or about["above"] or 0
        few = [number for number in (least + 1, least + 0.005, least) if number != field.default]
        return next(
            one for one in few if all(about[limit] is None or LIMITS[limit][0](one, about[limit]) for limit in LIMITS)
        )
    text = "new" + about["ending"][0] if about["ending"] not in (None, FOLDER) else TEXTS.get(field.name, "x")
    return [text] if kind.several else text


def given(name: str, option: str) -> dict[str, Any]:
    """Return a value for an option, and for each that it needs."""
    known, found = options(name), dict[str, Any]()
    waiting = [option]
    while waiting:
        one = waiting.pop()
        found[one] = sample(known[one])
        needed = (known[one][0].metadata["needs"] or OWN_RULES.get(one, "")).split(" or ")[0]
        waiting += [needed] if needed in known and needed not in found else []
    return found


def typed(name: str, values: dict[str, Any]) -> list[str]:
    """Return the command with its arguments and options."""
    request = find_operation(name).request
    places = [
        "x" for about, kind in arguments_of(request).values() if about.least != 0 and type(None) not in kind.types
    ]
    each = [(flag(options(name)[one]), value) for one, value in values.items()]
    listed = [(option, one) for option, value in each for one in (value if isinstance(value, list) else [value])]
    return [name, *places, *(_spelled(option, value) for option, value in listed)]


def _spelled(option: str, value: object) -> str:
    if isinstance(value, bool):
        return option if value else f"--no-{option.removeprefix('--')}"
    return f"{option}={value}"


def mistakes(name: str) -> Iterator[tuple[list[str], str]]:
    """Yield command lines, each with one mistake, and what is said of it."""
    see = f" (see afterword {name} --help)"
    yield [*typed(name, {}), "--zzzz"], "no such option '--zzzz'" + see
    known = options(name)
    for one, option in known.items():
        kind, about, values = option[1], option[0].metadata, given(name, one)
        assert {*about["excludes"]} <= known.keys()
        if about["needs"]:
            assert {*about["needs"].split(" or ")} <= known.keys()
            needed = [other for other in about["needs"].split(" or ") if other in known]
            listed = " or ".join(flag(known[other]) for other in needed)
            yield typed(name, {one: values[one]}), f"{flag(option)} needs {listed}: give {listed} too"
        for other in about["excludes"]:
            both = values | given(name, other)
            yield typed(name, both), f"{flag(option)} cannot be used with {flag(known[other])}: leave one of them out"
        if bool in kind.types:
            yield typed(name, {one: 1}), f"option '{flag(option)}' does not take a value{see}"
            continue
        yield [*typed(name, {}), flag(option)], f"option '{flag(option)}' requires an argument{see}"
        if os.PathLike in kind.types:
            yield typed(name, values | {one: ""}), f"{flag(option)}: the path is empty: name a file or a folder"
        elif choices := about["choices"] or kind.choices:
            yield (
                typed(name, values | {one: "nosuch"}),
                f"{flag(option)} must be one of {', '.join(choices)}, not nosuch",
            )
        elif int in kind.types or float in kind.types:
            number = "a whole number" if int in kind.types else "a number"
            yield typed(name, values | {one: "hot"}), f"{flag(option)} must be {number}, not 'hot'"
        if float in kind.types and one not in TEXTS:
            yield typed(name, values | {one: "nan"}), f"{flag(option)} must be a finite number, not nan"
        for limit, (_, words) in LIMITS.items():
            if (bound := about[limit]) is not None:
                beyond = bound + {"minimum": -1, "maximum": 1}.get(limit, 0)
                beyond = float(beyond) if float in kind.types else beyond
                yield typed(name, values | {one: beyond}), f"{flag(option)} {words.format(bound)}, not {beyond}"


@EACH
def test_a_mistake_gets_one_line_that_names_the_option(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, says in mistakes(name):
        assert error_line(run_here(words)) == says, words
    assert list(tmp_path.iterdir()) == []


@EACH
def test_a_missing_argument_and_an_empty_path_are_named(name: str) -> None:
    request = find_operation(name).request
    for place, (_, kind) in enumerate(arguments_of(request).values()):
        words = typed(name, {})
        if os.PathLike in kind.types:
            assert "the path is empty: name a file" in error_line(
                run_here([*words[: place + 1], "", *words[place + 2 :]])
            )
        if len(words) > place + 1:
            assert error_line(run_here(words[: place + 1])).startswith("missing argument '")


@EACH
def test_an_option_has_the_same_value_by_hand_and_in_python(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where outputs would be
    found: list[dict[str, Any]] = []

    @operation(find_operation(name).request)
    def ask(request: Any, work: Work) -> None:
        found.append({field: (value, type(value)) for field, value in vars(request).items() if field != "passed"})

    command, known = OperationCommand(name, ask), options(name)
    places = typed(name, {})[1:]
    for one, option in known.items():
        values = given(name, one)
        command.main(typed(name, values)[1:], standalone_mode=False)
        ask(*([places] if known and name in ("train", "serve") else places), **values)
        assert all(each == found[0] for each in found), one
        assert found[0][one][0] != option[0].default
        found.clear()
