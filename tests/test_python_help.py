"""Python's help and editors show real types and defaults, and a mistyped keyword is told the one that was meant."""

from __future__ import annotations

import dataclasses
import inspect
import pydoc
import random
import re
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


def test_a_signature_has_types_and_nothing_of_how_they_are_declared() -> None:
    for signature in map(inspect.signature, PUBLIC.values()):
        assert not re.search(r"setting\(|argument\(|Annotated\[|<factory>|<object", str(signature))
        assert all(one.name == "self" or one.annotation != one.empty for one in signature.parameters.values())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_has_the_default_and_the_meaning_of_each_argument(name: str) -> None:
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    shown = pydoc.render_doc(FUNCTIONS[name], renderer=pydoc.plaintext)  # type: ignore[attr-defined]
    request = find_operation(name).request
    meanings = {one: argument.help for one, (argument, _) in arguments_of(request).items()}
    for field, _ in kinds_of(request):
        assert parameters[field.name].default == field.default
        meanings[field.name] = field.metadata["help"]
    assert "setting(" not in shown
    for one, meaning in meanings.items():
        (_, lines) = shown.split(f"\n        {one}: ")
        assert meaning.partition("`")[0] in lines.split("\n")[1]


def mistyped(name: str, known: list[str], draw: random.Random) -> str:
    """Return `name` with two letters swapped, or one left out, that is no other known name."""
    at = draw.randrange(len(name) - 1)
    ways = [name[:at] + name[at + 1] + name[at] + name[at + 2 :], name[:at] + name[at + 1 :], f"{name}s"]
    return next(way for way in draw.sample(ways, 3) if way not in known)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_mistyped_keyword_is_told_the_one_that_was_meant(name: str) -> None:
    draw, function = random.Random(name), PUBLIC[name]
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    known = [one.name for one in inspect.signature(function).parameters.values() if one.kind in kinds]
    for meant in (one for one in known if len(one) > 3 and one != "self"):
        wrong = mistyped(meant, known, draw)
        with pytest.raises(TypeError) as refused:
            function(**{wrong: 1})
        said = f"{name.rpartition('.')[2]}() got an unexpected keyword argument {wrong!r}; did you mean "
        assert str(refused.value).startswith(said)
        guess = str(refused.value).removeprefix(said).removesuffix("?").removesuffix(", which are paths")
        assert guess.rpartition(" ")[2] in known
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
        assert (parameters[field.name].default, parameters[field.name].annotation) == (field.default, field.type)
    assert all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters.values())
