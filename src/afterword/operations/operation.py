"""Operations: the things that a user can do, each declared once.

A file of this folder has three parts: a `Request`, whose fields are the arguments and options with their help, limits
and rules; the `Record`s that answer it; and the function between them. From these come the command, the Python
function, the body of the HTTP request and its reply, and the reference. Nothing here knows about terminals or HTTP:
`Work` supplies what an operation needs from its caller.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import os
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, ParamSpec, TypeVar

import msgspec

from afterword.errors import OptionError, spelled
from afterword.operations.work import Work
from afterword.settings import (
    Kind,
    Settings,
    check_value,
    kinds_of,
    once_per_class,
    setting,
    settings_class,
    suggests,
)
from afterword.storage import STREAMS, is_whole_file
from afterword.text.documents import Source as Source

P = ParamSpec("P")
Asked = TypeVar("Asked", bound="Request")
Answer = TypeVar("Answer")

ModelName = str | os.PathLike[str]
"""A model's folder, the folder of its run, the name of a base, or hf://USER/NAME."""
Sources = Source | Sequence[Source]
Output = str | os.PathLike[str]
"""A file to write; - is standard output."""
FOLDER = ("/",)  # the `ending` of an output that is a new folder


def path_names(sources: Sources) -> tuple[str, ...]:
    """Return one or several paths as text."""
    return tuple(os.fspath(one) for one in ([sources] if isinstance(sources, str | os.PathLike) else sources))


class Argument(NamedTuple):
    """A positional argument."""

    help: str
    metavar: str | None = None
    least: int | None = None
    """The minimum number of values, if it takes several."""
    served: str | None = None
    """The field of a body that has the text, over HTTP, instead of the file's name."""
    most_served: int | None = None
    """The maximum number of characters of such a text."""


argument = Argument


@settings_class()
class Request(Settings):
    """The request for an operation. Its docstring is the help; names in backticks are options.

    Fields annotated with `argument` are given by position; the others are options, made by `setting`.
    """

    example: ClassVar[str]
    """A command that people can copy, which --help shows."""
    first: ClassVar[Sequence[str]] = ()
    """The options that --help shows, of a command that has many; --help-all shows all."""
    order: ClassVar[Sequence[str]] = ()
    """The options that --help-all shows before all others, of a command that extends another."""
    over_http: ClassVar[Mapping[str, Any]] = {}
    """The values over HTTP of options that are not served there, if they differ from the defaults."""
    passed: frozenset[str] = dataclasses.field(default=frozenset(), init=False, repr=False, compare=False)
    """The options that the caller gave, including those set to their defaults."""

    def __post_init__(self) -> None:
        """Raise OptionError for values that break types, limits or rules, and for files that cannot be written."""
        own = type(self)
        for name, (argument, kind) in arguments_of(own).items():
            value = check_value(_argument_field(name), kind, getattr(self, name))
            object.__setattr__(self, name, value)
            if kind.several and len(value) < (argument.least or 0):
                raise OptionError(f"`{name}` is missing: give at least {argument.least}")
        super().__post_init__()
        outputs: list[Path] = []
        for field, _ in kinds_of(own):
            if field.metadata["ending"] is not None and (value := getattr(self, field.name)) is not None:
                ending, replace = field.metadata["ending"], getattr(self, "overwrite", False)
                is_folder = ending == FOLDER
                path = checked_folder(value, outputs) if is_folder else checked_output(value, ending, replace, outputs)
                object.__setattr__(self, field.name, path)


def _argument_field(name: str) -> dataclasses.Field[Any]:
    field: dataclasses.Field[Any] = setting("", default=None)
    field.name = name
    return field


@once_per_class
def arguments_of(request: type[Request]) -> dict[str, tuple[Argument, Kind]]:
    """Return the positional arguments of `request`, in order."""
    found = {}
    for name, hint in typing.get_type_hints(request, include_extras=True).items():
        for about in getattr(hint, "__metadata__", ()):
            if isinstance(about, Argument):
                found[name] = about, Kind.of(hint)
    return {field.name: found[field.name] for field in dataclasses.fields(request) if field.name in found}


def checked_output(name: str, endings: Sequence[str], overwrite: bool, others: list[Path]) -> Path:
    """Return the path of a file to write, checked before any work is done, and add it to `others`. Devices and pipes
    are written to directly.

    Raises OptionError if the file cannot be written, exists and is not to be overwritten, is among `others`, or does
    not end in one of `endings`.
    """
    path = Path("/dev/stdout" if name == "-" else name)
    if path in STREAMS:  # on Windows, these are not paths
        return path
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise OptionError(f"{name} is a folder: name a file")
    if not real.parent.is_dir():
        raise OptionError(f"{name}: the folder {path.parent} does not exist; make it first")
    if endings and path.suffix and path.suffix.lower() not in endings:
        kind = endings[0][1:].upper()
        raise OptionError(f"{name}: this file will be {kind}, so its name must end in {' or '.join(endings)}")
    if is_whole_file(path):
        if real.exists() and not overwrite:
            raise OptionError(f"{name} exists already: name another file, or replace it with `overwrite`")
        if not os.access(real.parent, os.W_OK):
            raise OptionError(f"cannot write {name} in the folder {real.parent}: name another file")
        if real in others:
            raise OptionError(f"{name} is named twice: give each output its own file")
        others.append(real)
    return path


def checked_folder(name: str, others: list[Path]) -> Path:
    """Return the path of a folder to make, checked before any work is done. Raises OptionError if it already has files,
    or as `checked_output` does."""
    real = Path(os.path.realpath(name))
    if name == "-" or (real.exists() and not (real.is_dir() and not any(real.iterdir()))):
        raise OptionError(f"{name} exists already: name a new folder")
    return Path(name) if real.exists() else checked_output(name, (), False, others)


class Record(msgspec.Struct, kw_only=True):
    """A part of an answer: a row of a table, a line of JSON. A field that is UNSET is left out.

    A record whose class defines `__str__` is shown to people that way, instead of as a row.
    """

    in_json: ClassVar[Sequence[str]] = ()
    """The fields that are only in JSON and CSV."""
    widths: ClassVar[Mapping[str, int]] = {}
    """The maximum number of columns, in a table or CSV, of each field that is a list of objects."""
    few: ClassVar[bool] = False
    """True if there are so few that they are printed together at the end, in columns as wide as needed."""
    to_file: ClassVar[bool] = False
    """True if the command can write such records to a file."""
    served: ClassVar[bool] = True
    """True if it can be part of a reply over HTTP."""
    may_fail: ClassVar[str] = ""
    """The condition for another exit status with `--fail`, as its help words it, such as "if a check fails"."""
    rows: ClassVar[str | None] = None
    """The name of the list of such records in the reply over HTTP, if there are several for a request."""

    fails_if: ClassVar[str | None] = None
    """The field that says whether a record is a reason to fail, if `--fail` is given."""

    @property
    def fails(self) -> bool:
        return self.fails_if is not None and bool(getattr(self, self.fails_if))

    @property
    def returned(self) -> Any:
        """The value that a caller in Python gets."""
        return self

    @classmethod
    def has_text(cls) -> bool:
        """Return whether its class has a text for people."""
        return cls.__str__ is not Record.__str__

    @classmethod
    def blank(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of this kind as it is in JSON, with null in each field, and its optional fields in `facts`."""
        fields = msgspec.structs.fields(cls)
        return {one.encode_name: facts.get(one.name) for one in fields if one.required or one.name in facts}

    def fields(self) -> dict[str, Any]:
        """Return the fields that are set, by name."""
        return {name: one for name, one in msgspec.structs.asdict(self).items() if one is not msgspec.UNSET}

    def to_dict(self) -> dict[str, Any]:
        """Return the record as it is in JSON."""
        return typing.cast(dict[str, Any], msgspec.to_builtins(self))

    @classmethod
    def of(cls, found: object, **more: Any) -> typing.Self:
        """Return a record with the values of the fields that `found` has, and `more`."""
        return cls(**{**{name: getattr(found, name) for name in cls.__struct_fields__ if hasattr(found, name)}, **more})


class TextPart(Record):
    """A part of a text or of a report, for people."""

    served: ClassVar = False

    text: str

    def __str__(self) -> str:
        return self.text


Show = Callable[[Iterator[Any], Any, Work], Iterator[Record]]
"""Shows the records that answer a request to people, and yields each one."""


class Operation(Generic[P, Asked, Answer]):
    """A function of a request, called with the request's arguments.

    If the answer comes in parts, the call makes the first at once, so that errors in the request are raised there.
    """

    def __init__(
        self,
        request: Callable[P, Asked],
        function: Callable[[Asked, Work], Answer],
        path: str | None,
        records: Sequence[type[Record]] | None,
        show: Show | None,
    ) -> None:
        self.request, self.run, self.path, self._records = typing.cast(type[Asked], request), function, path, records
        self.show, self._make = show, suggests(request, function.__name__)
        functools.update_wrapper(self, function)
        self.__name__ = function.__name__
        signature = inspect.signature(request)
        parameters = [one.replace(annotation=_type(one.annotation)) for one in signature.parameters.values()]
        returned = function.__annotations__.get("return")
        self.__signature__ = signature.replace(parameters=parameters, return_annotation=returned)
        described = inspect.cleandoc(self.request.__doc__ or "")
        self.summary = described.partition("\n")[0]
        self.__doc__ = "\n".join([described, "", "Arguments:", *map(self._about, parameters)])

    def __call__(self, *arguments: P.args, **options: P.kwargs) -> Answer:
        request = self.make_request(*arguments, **options)
        work = Work()
        answer = begin_answer(self.run(request, work))
        if isinstance(answer, Iterator):
            return typing.cast(Answer, map(work.filled, answer))
        return answer.returned if isinstance(answer, Record) else answer

    def _about(self, parameter: inspect.Parameter) -> str:
        """Return a parameter as `help` has it: its type, its default and, on another line, what it is for."""
        fields = {field.name: field.metadata["help"] for field, _ in kinds_of(self.request)}
        arguments = {name: argument.help for name, (argument, _) in arguments_of(self.request).items()}
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        about = spelled({**fields, **arguments}.get(parameter.name, "only in Python"))
        return f"    {parameter.name}: {parameter.annotation}{default}\n        {about}"

    def make_request(self, *arguments: P.args, **options: P.kwargs) -> Asked:
        """Return the request with these values."""
        request = self._make(*arguments, **options)
        object.__setattr__(request, "passed", frozenset(options))
        return request

    @property
    def records(self) -> Sequence[type[Record]]:
        """The kinds of record that it yields or returns."""
        if self._records is not None:
            return self._records
        hint = typing.get_type_hints(self.run)["return"]
        if typing.get_origin(hint) in (Iterator, typing.get_origin(Iterator[int])):
            hint = typing.get_args(hint)[0]
        each = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        return tuple(one for one in each if isinstance(one, type) and issubclass(one, Record))


def _type(annotation: Any) -> Any:
    """Return an annotation, as it is written, without what it says about an argument."""
    return re.sub(r"^Annotated\[(.*), argument\(.*", r"\1", annotation) if isinstance(annotation, str) else annotation


def begin_answer(answer: Answer) -> Answer:
    """Return `answer`. If it comes in parts, its first part is made now."""
    if not isinstance(answer, Iterator):
        return answer
    return typing.cast(Answer, itertools.chain(list(itertools.islice(answer, 1)), answer))


def operation(
    request: Callable[P, Asked],
    *,
    path: str | None = None,
    records: Sequence[type[Record]] | None = None,
    show: Show | None = None,
) -> Callable[[Callable[[Asked, Work], Answer]], Operation[P, Asked, Answer]]:
    """Make an operation of the decorated function, which takes a `request` and the `Work` that its caller supplies.

    With a `path`, a server offers it to HTTP clients there. The kinds of its `records` are those in its return
    annotation, unless they are given. `show` prints an answer that is more to people than rows of a table.
    """
    return lambda function: Operation(request, function, path, records, show)
