"""Settings: small frozen dataclasses that stand beside what consumes them.

A field made by `setting` carries its help and its limits, so that one declaration makes the Python argument,
the command-line option and the record in the run folder.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Sequence
from typing import Any

from afterword.errors import OptionError


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
) -> Any:
    """A dataclass field with its help and limits.

    `minimum` and `maximum` belong to the range; `above` and `below` do not. A value of None is never checked:
    it means "not given".
    """
    limits = {"minimum": minimum, "maximum": maximum, "above": above, "below": below, "choices": choices}
    return dataclasses.field(default=default, metadata={"help": help, "metavar": metavar, **limits})


def check(settings: Any) -> None:
    """Raise OptionError for the first field of the dataclass `settings` that breaks its declared limits."""
    hints = typing.get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value is None or not field.metadata:
            continue
        name = field.name.replace("_", "-")
        if wrong := _wrong_kind(value, hints[field.name]):
            raise OptionError(f"{name} {wrong}, not {repr(value)[:60]}")
        if wrong := _what_is_wrong(value, field.metadata):
            raise OptionError(f"{name} {wrong}, not {str(value)[:60]}")


def _wrong_kind(value: Any, hint: Any) -> str | None:
    """What to say of a value that is not of its field's type; whole numbers are numbers too."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if bool in kinds:
        return None if isinstance(value, bool) else "must be true or false"
    if int in kinds and (isinstance(value, bool) or not isinstance(value, int)):
        return "must be a whole number"
    if float in kinds and (isinstance(value, bool) or not isinstance(value, int | float)):
        return "must be a number"
    return "must be text" if str in kinds and not isinstance(value, str) else None


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
