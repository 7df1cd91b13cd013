"""Settings: small frozen dataclasses that stand beside what consumes them.

A field made by `setting` carries its help and its limits, so that one declaration makes the Python argument,
the command-line option and the record in the run folder.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeVar

from afterword.errors import OptionError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[str] | None = None,
    metavar: str | None = None,
    short: str | None = None,
) -> Any:
    """A dataclass field with its help and limits.

    `minimum` and `maximum` belong to the range; `above` and `below` do not. None, where the field's type has it, means
    "not given". `metavar` and `short`, a letter, belong to the command line.
    """
    limits = {"minimum": minimum, "maximum": maximum, "above": above, "below": below, "choices": choices}
    return dataclasses.field(default=default, metadata={"help": help, "metavar": metavar, "short": short, **limits})


def check(settings: Any) -> None:
    """Raise OptionError for the first field of the dataclass `settings` that breaks its type or its declared limits.

    A number of another kind, such as NumPy's, becomes Python's own, so that it can be written as JSON.
    """
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        if not field.metadata:
            continue
        name, hint, value = field.name.replace("_", "-"), hints[field.name], getattr(settings, field.name)
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if value is None and types.NoneType in kinds:
            continue
        if bool in kinds and not isinstance(value, bool):
            raise OptionError(f"{name} must be true or false, not {_shown(value)}")
        if str in kinds and not isinstance(value, str):
            raise OptionError(f"{name} must be text, not {_shown(value)}")
        if int in kinds:
            value = whole_number(name, value)
        elif float in kinds:
            value = number(name, value)
        object.__setattr__(settings, field.name, value)
        if wrong := _what_is_wrong(value, field.metadata):
            raise OptionError(f"{name} {wrong}, not {str(value)[:60]}")


def made(kind: type[Kind], values: Mapping[str, object]) -> Kind:
    """The settings `kind` with those of `values` that are theirs. Raises OptionError."""
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values})


def whole_number(name: str, value: object) -> int:
    """`value` as an int; OptionError, which names it, where it is none. True and False are none."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    raise OptionError(f"{name} must be a whole number, not {_shown(value)}")


def number(name: str, value: object) -> float:
    """`value` as a float; OptionError, which names it, where it is no number. True and False are none."""
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise OptionError(f"{name} must be a smaller number") from None
    raise OptionError(f"{name} must be a number, not {_shown(value)}")


def _shown(value: object) -> str:
    return repr(value)[:60]


def _what_is_wrong(value: Any, limits: Any) -> str | None:
    choices = limits["choices"]
    if choices is not None:
        return None if value in choices else f"must be one of {', '.join(choices)}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    if limits["minimum"] is not None and value < limits["minimum"]:
        return f"must be {limits['minimum']} or more"
    if limits["above"] is not None and value <= limits["above"]:
        return f"must be above {limits['above']}"
    if limits["maximum"] is not None and value > limits["maximum"]:
        return f"must be {limits['maximum']} or less"
    if limits["below"] is not None and value >= limits["below"]:
        return f"must be below {limits['below']}"
    return None
