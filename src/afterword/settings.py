"""Settings: small frozen dataclasses next to the code that uses them.

A field made by `setting` carries its help and its limits. That one declaration makes the Python argument, the
command-line option, the field of an HTTP request and the record in the run folder.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import operator
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeVar

from afterword.errors import OptionError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Kind = TypeVar("Kind", bound=DataclassInstance)

Function = TypeVar("Function", bound=Callable[..., Any])
OnProgress = Callable[[float], object]
"""A callback that is called now and then with the fraction of the work that is done."""
LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "must be {} or more"),
    "above": (operator.gt, "must be above {}"),
    "maximum": (operator.le, "must be {} or less"),
    "below": (operator.lt, "must be below {}"),
}


def ignore_progress(*progress: object) -> None:
    """Do nothing: the default `OnProgress`."""


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
    accepts: str | None = None,
    filter: Callable[..., Any] | None = None,
    off: float | None = None,
) -> Any:
    """Return a dataclass field with its help and limits. None, if the field's type includes it, means "not given".

    `minimum` and `maximum` are inclusive; `above` and `below` are exclusive. `metavar` and `short`, a letter, are for
    the command line. `accepts` is the type of the keyword argument, if that is wider than the field's. `off` is
    the number that changes nothing, and the default over HTTP. `filter` is the function of a sampling filter, which is
    skipped if the value is `off`: see `generation.sampling`.
    """
    metadata = {name: value for name, value in locals().items() if name != "default"}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Base class of settings. Each field made by `setting` has a value of its type, within its limits."""

    def __post_init__(self) -> None:
        """Raise OptionError for the first field that breaks its type or its declared limits.

        Convert numbers of other types, such as NumPy's, to Python's own, so that they can be written as JSON.
        """
        own: Any = type(self)  # mypy takes the class for unhashable, because its instances define a hash
        for field, kinds in _kinds(own):
            name, value = field.name.replace("_", "-"), getattr(self, field.name)
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
            object.__setattr__(self, field.name, value)
            if wrong := _what_is_wrong(value, field.metadata):
                raise OptionError(f"{name} {wrong}, not {str(value)[:60]}")


@functools.cache
def _kinds(settings: type[Settings]) -> list[tuple[dataclasses.Field[Any], tuple[Any, ...]]]:
    """Return the fields made by `setting`, with their types. Resolving type hints is slow, so this is cached."""
    hints = typing.get_type_hints(settings)
    found = [(field, hints[field.name]) for field in dataclasses.fields(settings) if field.metadata]
    return [(one, typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)) for one, hint in found]


def made(kind: type[Kind], values: Mapping[str, object]) -> Kind:
    """Return the settings `kind`, made from those `values` that are its fields. Raises OptionError."""
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values})


def spelled_out(*kinds: type[Any]) -> Callable[[Function], Function]:
    """Decorate a function with `**options` whose names are the fields of the settings `kinds`.

    Its signature, which `help` and notebooks show, then lists each option with its type and default. Any other keyword
    is a TypeError.
    """
    spelled = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=field.metadata["accepts"] or field.type,
        )
        for kind in kinds
        for field in dataclasses.fields(kind)
    ]

    def decorate(function: Function) -> Function:
        own = inspect.signature(function)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        signature = own.replace(parameters=[*named, *spelled])

        @functools.wraps(function)
        def checked(*arguments: Any, **options: Any) -> Any:
            try:
                signature.bind(*arguments, **options)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(*arguments, **options)

        checked.__signature__ = signature  # type: ignore[attr-defined]
        return typing.cast(Function, checked)

    return decorate


def whole_number(name: str, value: object) -> int:
    """Return `value` as an int. Raises an OptionError that names it if it is not a whole number; a bool is not."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    raise OptionError(f"{name} must be a whole number, not {_shown(value)}")


def number(name: str, value: object) -> float:
    """Return `value` as a float. Raises an OptionError that names it if it is not a number; a bool is not."""
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
    for name, (fits, words) in LIMITS.items():
        if limits[name] is not None and not fits(value, limits[name]):
            return words.format(limits[name])
    return None
