"""Python's help and editors show real types and defaults, and a mistyped keyword is told the one that was meant."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
import random
from collections.abc import Callable
from typing import Any

import pytest

import afterword
from afterword.commands import commands, find_operation, public_names
from afterword.generation.sampling import Sampling
from afterword.operations.operation import arguments_of
from afterword.settings import kinds_of

FUNCTIONS: dict[str, Any] = {name: find_operation(name) for name in commands()}
METHODS: dict[str, Any] = {
    name: method
    for name, method in inspect.getmembers(afterword.LanguageModel, inspect.isfunction)
    if not name.startswith("_")
}
NAMED = {name: getattr(afterword, name) for name in public_names()}
PUBLIC = {name: one for name, one in NAMED.items() if not isinstance(one, type)}
PUBLIC |= {f"model.{name}": method for name, method in METHODS.items()}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_signature_has_types_and_defaults_and_nothing_of_how_they_are_declared(name: str) -> None:
    shown = str(inspect.signature(PUBLIC[name]))
    assert not [word for word in ("setting(", "argument(", "Annotated[", "<factory>", "<object") if word in shown]
    for parameter in inspect.signature(PUBLIC[name]).parameters.values():
        assert parameter.name == "self" or parameter.annotation != parameter.empty


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_default_in_a_signature_is_the_one_that_the_command_has(name: str) -> None:
    request = find_operation(name).request
    shown = inspect.signature(FUNCTIONS[name]).parameters
    assert {field.name: field.default for field, _ in kinds_of(request)} == {
        field.name: shown[field.name].default for field, _ in kinds_of(request)
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_says_of_each_argument_what_it_is_for(name: str) -> None:
    shown = pydoc.render_doc(FUNCTIONS[name], renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    request = find_operation(name).request
    found = {field.name: field.metadata["help"] for field, _ in kinds_of(request)}
    found |= {one: argument.help for one, (argument, _) in arguments_of(request).items()}
    assert "setting(" not in shown
    for one, help in found.items():
        lines = shown.split(f"\n        {one}: ")
        assert len(lines) == 2, one
        assert help.partition("`")[0] in lines[1].split("\n")[1]


def keywords(function: Callable[..., object]) -> list[str]:
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in inspect.signature(function).parameters.values() if one.kind in kinds]


def mistyped(name: str, known: list[str], draw: random.Random) -> str:
    """Return `name` with two letters swapped, or one left out, that is no other known name."""
    at = draw.randrange(len(name) - 1)
    ways = [name[:at] + name[at + 1] + name[at] + name[at + 2 :], name[:at] + name[at + 1 :], f"{name}s"]
    return next(way for way in draw.sample(ways, 3) if way not in known)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_mistyped_keyword_is_told_the_one_that_was_meant(name: str) -> None:
    draw, function = random.Random(name), PUBLIC[name]
    known = keywords(function)
    for meant in known:
        if len(meant) < 4 or meant == "self":
            continue
        wrong = mistyped(meant, known, draw)
        with pytest.raises(TypeError) as refused:
            function(**{wrong: 1})
        said = str(refused.value)
        assert said.startswith(
            f"{name.rpartition('.')[2]}() got an unexpected keyword argument {wrong!r}; did you mean "
        )
        assert "\n" not in said
        assert said.removesuffix("?").removesuffix(", which are paths").rpartition(" ")[2] in known
    with pytest.raises(TypeError, match=r"got an unexpected keyword argument 'zzzzzz'$"):
        function(zzzzzz=1)


def test_a_type_error_with_right_keywords_stays_what_it_was() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        afterword.load(using="lstm")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^gates\(\) missing 1 required positional argument"):
        METHODS["gates"](None)


@pytest.mark.parametrize("name", ["generate", "stream", "samples"])
def test_the_signature_names_every_option_with_its_type_and_default(name: str) -> None:
    parameters = inspect.signature(getattr(afterword.LanguageModel, name)).parameters
    for field in dataclasses.fields(Sampling):
        found = parameters[field.name]
        assert (found.default, found.annotation) == (field.default, field.type), field.name
    assert all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters.values())
