"""What every settings dataclass refuses, and what it makes of numbers that are not Python's own."""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import afterword
from afterword.commands import public_names
from afterword.errors import OptionError
from afterword.operations.operation import Request
from afterword.planning.training_plan import TrainingSettings
from afterword.settings import LIMITS, Kind, Settings, kinds_of


def every(kind: type[Settings]) -> Iterator[type[Settings]]:
    """Yield all settings that are made by themselves; those of requests are tests/operations/test_declarations.py's."""
    for name in public_names():
        getattr(afterword, name)  # imports what defines them
    for one in kind.__subclasses__():
        if not issubclass(one, Request):
            yield one
            yield from every(one)


WRONG: dict[type, tuple[str, list[object]]] = {
    bool: ("must be true or false", [1, "no"]),
    str: ("must be text", [5, b"x"]),
    int: ("must be a whole number", [True, "5", 5.0, np.float32(8), np.array([8]), np.bool_(True)]),
    float: ("must be a number", [False, "0.8", Decimal("0.8")]),
}


def wrong(field: dataclasses.Field[Any], kind: Kind) -> Iterator[tuple[object, str]]:
    """Yield values that a field may not have, and what is said of each."""
    for own, (says, values) in WRONG.items():
        if own in kind.types and os.PathLike not in kind.types:
            more = [None] if type(None) not in kind.types else []
            yield from ((value, f"{says}, not {repr(value)[:60]}") for value in [*values, *more])
    if float in kind.types and os.PathLike not in kind.types:
        yield from ((value, f"must be a finite number, not {value}") for value in (np.float64("nan"), math.inf))
        yield 10**400, "must be a smaller number"
    if choices := field.metadata["choices"] or kind.choices:
        yield "nosuch", f"must be one of {', '.join(choices)}, not nosuch"
    for limit, (_, words) in LIMITS.items():
        if (bound := field.metadata[limit]) is not None:
            beyond = bound + {"minimum": -1, "maximum": 1}.get(limit, 0)
            beyond = float(beyond) if float in kind.types else beyond
            yield beyond, f"{words.format(bound)}, not {beyond}"


@pytest.mark.parametrize("kind", [*every(Settings)], ids=lambda kind: kind.__name__)
def test_a_value_of_another_type_or_beyond_a_limit_is_refused_by_its_name(kind: type[Any]) -> None:
    parameters = inspect.signature(kind).parameters
    needed = {name: 1 for name, one in parameters.items() if one.default is one.empty}
    for field, own in (each for each in kinds_of(kind) if each[0].name in parameters):
        for value, says in wrong(field, own):
            with pytest.raises(OptionError) as refused:
                kind(**needed | {field.name: value})
            assert str(refused.value) == f"{field.name}= {says}"


def test_a_number_of_another_kind_becomes_pythons_own() -> None:
    numbers: dict[str, Any] = {"minutes": Fraction(1, 2), "hidden_size": np.uint8(8), "learning_rate": np.float32(0.5)}
    given = TrainingSettings(**numbers)
    for number, own in ((given.minutes, 0.5), (given.hidden_size, 8), (given.learning_rate, 0.5)):
        assert (number, type(number)) == (own, type(own))
