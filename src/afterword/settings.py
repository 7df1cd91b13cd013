"""Settings: small frozen dataclasses next to the code that uses them.

A field made by `setting` carries its help, its limits, and the fields that it needs or excludes. That one declaration
makes the Python argument, the command-line option, the field of an HTTP request and the record in the run folder.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import inspect
import math
import operator
import os
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from afterword.errors import OptionError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Made = TypeVar("Made", bound=DataclassInstance)

P = ParamSpec("P")
Asked = TypeVar("Asked")
Owner = TypeVar("Owner")
Result = TypeVar("Result")
OnProgress = Callable[[float], object]
"""A callback that is called now and then with the fraction of the work that is done."""
LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "must be {} or more"),
    "above": (operator.gt, "must be above {}"),
    "maximum": (operator.le, "must be {} or less"),
    "below": (operator.lt, "must be below {}"),
}


LAST_SEED = 2**64 - 1  # of NumPy's


def ignore_progress(*progress: object) -> None:
    """Do nothing: the default `OnProgress`."""


def setting(
    help: str,
    *,
    default: Any,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[str] | None = None,
    metavar: str | None = None,
    short: str | None = None,
    filter: Callable[..., Any] | None = None,
    off: float | None = None,
    needs: str | None = None,
    excludes: Sequence[str] = (),
    flag: str | None = None,
    served: bool = False,
    ending: Sequence[str] | None = None,
) -> Any:
    """Return a dataclass field with its help and limits. None, if the field's type includes it, means "not given".

    `minimum` and `maximum` are inclusive; `above` and `below` are exclusive. `metavar`, `short` (a letter) and `flag`
    (if it is not the field's name) are for the command line. `off` is the number that changes nothing, and the default
    over HTTP. `filter` is the function of a sampling filter, which is skipped if the value is `off`: see
    `generation.sampling`.

    A field counts as given if its value is not the default. A given field `needs` another one ("a or b": one of the
    two), and `excludes` others. A field that is `served` is also a field of the HTTP request. A field with an `ending`
    names a file to write. Its name must end in one of these; with (), it may end in anything.
    """
    metadata = {name: value for name, value in locals().items() if name != "default"}
    return dataclasses.field(default=default, metadata=metadata)


@typing.dataclass_transform(frozen_default=True, field_specifiers=(setting, dataclasses.field))
def settings_class(*, kw_only: bool = False) -> Callable[[type[Owner]], type[Owner]]:
    """Decorate a class of settings as a frozen dataclass, so that type checkers and editors know each default."""
    return dataclasses.dataclass(frozen=True, kw_only=kw_only)


@settings_class()
class Settings:
    """Base class of settings. Each field made by `setting` has a value of its type, within its limits."""

    @property
    def given_names(self) -> list[str]:
        """The names of the fields whose values are not their defaults."""
        return [field.name for field, _ in kinds_of(type(self)) if getattr(self, field.name) != field.default]

    def __post_init__(self) -> None:
        """Raise OptionError for the first field that breaks its type, its declared limits or its rules.

        Convert numbers of other types, such as NumPy's, to Python's own, so that they can be written as JSON. Convert
        paths to text, and a single value to a tuple where several are allowed.
        """
        own = type(self)
        for field, kind in kinds_of(own):
            object.__setattr__(self, field.name, check_value(field, kind, getattr(self, field.name)))
        given = self.given_names
        for field, _ in kinds_of(own):
            if field.name in given:
                check_rules(field, given, [other.name for other, _ in kinds_of(own)])


class Kind(NamedTuple):
    """The type of a field: one of `types`, or several of them in a tuple."""

    types: tuple[Any, ...]
    several: bool = False
    choices: tuple[str, ...] = ()

    @staticmethod
    def of(hint: Any) -> Kind:
        """Return the kind for a type hint."""
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
        if typing.get_origin(hint) in (types.UnionType, typing.Union):
            found = [Kind.of(one) for one in typing.get_args(hint)]
            choices = tuple(choice for one in found for choice in one.choices)
            return Kind(tuple(kind for one in found for kind in one.types), any(one.several for one in found), choices)
        if typing.get_origin(hint) in (tuple, list, collections.abc.Sequence):
            return Kind.of(typing.get_args(hint)[0])._replace(several=True)
        if typing.get_origin(hint) is typing.Literal:
            return Kind((str,), choices=typing.get_args(hint))
        return Kind((typing.get_origin(hint) or hint,))


def once_per_class(function: Callable[[Any], Result]) -> Callable[[Any], Result]:
    """Cache a function of a class. Mypy takes the class for unhashable, because its instances define a hash."""
    return functools.cache(function)


@once_per_class
def kinds_of(settings: type[Any]) -> list[tuple[dataclasses.Field[Any], Kind]]:
    """Return the fields made by `setting`, with their types: those in the class's `order`, its own, the inherited."""
    hints = typing.get_type_hints(settings)
    own = [name for one in settings.__mro__ for name in inspect.get_annotations(one)]
    order = [*getattr(settings, "order", ()), *own]
    fields = sorted(dataclasses.fields(settings), key=lambda field: order.index(field.name))
    return [(field, Kind.of(hints[field.name])) for field in fields if field.metadata]


def check_value(field: dataclasses.Field[Any], kind: Kind, value: Any) -> Any:
    """Return the value of `field` in the type that the field has. Raises OptionError."""
    if value is None and types.NoneType in kind.types:
        return None
    if kind.several:
        if isinstance(value, str | bytes | os.PathLike) or not isinstance(value, collections.abc.Iterable):
            value = [value]
        return tuple(check_value(field, kind._replace(several=False), one) for one in value)
    name = f"`{field.name}`"
    if os.PathLike in kind.types:
        is_number = float in kind.types and isinstance(value, Real) and not isinstance(value, bool)
        objects = [one for one in kind.types if one not in (str, float, os.PathLike, types.NoneType)]
        if type(value) in objects:  # such as a loaded model
            return value
        return str(value) if is_number else named_path(name, value, *(one.__name__ for one in objects))
    if bool in kind.types and not isinstance(value, bool):
        raise OptionError(f"{name} must be true or false, not {_shown(value)}")
    if str in kind.types and not isinstance(value, str):
        raise OptionError(f"{name} must be text, not {_shown(value)}")
    if int in kind.types:
        value = whole_number(name, value)
    elif float in kind.types:
        value = number(name, value)
    if wrong := _what_is_wrong(value, field.metadata, kind.choices):
        raise OptionError(f"{name} {wrong}, not {str(value)[:60]}")
    return value


def check_rules(field: dataclasses.Field[Any], given: Collection[str], known: Collection[str]) -> None:
    """Raise OptionError if `field`, which is among the `given` ones, lacks one that it needs or has one it excludes.

    A needed field that is not `known` is one of a request that inherits these settings; by themselves, they do without.
    """
    for other in field.metadata["excludes"]:
        if other in given:
            raise OptionError(f"`{field.name}` cannot be used with `{other}`: leave one of them out")
    needed = [one for one in (field.metadata["needs"] or "").split(" or ") if one in known]
    if needed and not any(one in given for one in needed):
        listed = " or ".join(f"`{one}`" for one in needed)
        raise OptionError(f"`{field.name}` needs {listed}: give {listed} too")


def named_path(name: str, value: object, *others: str) -> str:
    """Return the path `value` as text. Raises OptionError for an empty path, as from an unset shell variable: it would
    mean the working folder. Types that would be right too are `others`."""
    if not isinstance(value, str | os.PathLike):
        raise OptionError(f"{name} must be a {' or a '.join(['path', *others])}, not {_shown(value)}")
    if not (path := os.fspath(value)):
        raise OptionError(f"{name}: the path is empty: name a file or a folder")
    with contextlib.suppress(UnicodeEncodeError):
        if b"\0" not in os.fsencode(path):
            return str(path)
    raise OptionError(f"{name} has a character that no path can have: {_shown(path)}")


def settings_from(kind: type[Made], values: Mapping[str, object]) -> Made:
    """Return the settings `kind`, made from those `values` that are its fields. Raises OptionError."""
    return kind(**{field.name: values[field.name] for field in dataclasses.fields(kind) if field.name in values})


def takes(
    settings: Callable[P, Asked],
) -> Callable[[Callable[[Owner, Asked], Result]], Callable[Concatenate[Owner, P], Result]]:
    """Call a method with the arguments of the `settings` that it takes, so that checkers and editors know them.

    Raises a TypeError that names the method for an unknown argument or a missing one.
    """

    def decorate(function: Callable[[Owner, Asked], Result]) -> Callable[Concatenate[Owner, P], Result]:
        made = suggests(settings, function.__name__)

        @functools.wraps(function)
        def called(owner: Owner, /, *arguments: P.args, **options: P.kwargs) -> Result:
            return function(owner, made(*arguments, **options))

        own = inspect.signature(function)
        parameters = [next(iter(own.parameters.values())), *inspect.signature(settings).parameters.values()]
        called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return called

    return decorate


def suggests(function: Callable[P, Result], name: str = "") -> Callable[P, Result]:
    """Return `function`, or a class; a mistyped keyword raises a TypeError that names the one that was meant. `name` is
    what people call."""
    own = getattr(function, "__name__", "")

    @functools.wraps(function, updated=())
    def called(*arguments: P.args, **options: P.kwargs) -> Result:
        try:
            return function(*arguments, **options)
        except TypeError as error:
            known = inspect.signature(function).parameters
            for wrong in [one for one in options if one not in known]:
                from difflib import get_close_matches  # rarely needed

                paths = {"texts": "texts, which are paths"}  # where a text itself may have been meant
                close = [f"; did you mean {paths.get(one, one)}?" for one in get_close_matches(wrong, known, n=1)]
                what = f"{name or own}() got an unexpected keyword argument {wrong!r}"
                raise TypeError(what + "".join(close)) from None
            error.args = (re.sub(rf"\b{own}(\.__init__)?\(\)", f"{name or own}()", str(error)),)
            raise

    return called


def whole_number(name: str, value: object) -> int:
    """Return `value` as an int. Raises an OptionError that names it if it is not a whole number; a bool is not one."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    raise OptionError(f"{name} must be a whole number, not {_shown(value)}")


def number(name: str, value: object) -> float:
    """Return `value` as a float. Raises an OptionError that names it if it is not a number; a bool is not one."""
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise OptionError(f"{name} must be a smaller number") from None
    raise OptionError(f"{name} must be a number, not {_shown(value)}")


def _shown(value: object) -> str:
    return repr(value)[:60]


def _what_is_wrong(value: Any, limits: Any, choices: Sequence[str]) -> str | None:
    if choices := limits["choices"] or choices:
        return None if value in choices else f"must be one of {', '.join(choices)}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return "must be a finite number"
    for name, (fits, words) in LIMITS.items():
        if limits[name] is not None and not fits(value, limits[name]):
            return words.format(limits[name])
    return None
