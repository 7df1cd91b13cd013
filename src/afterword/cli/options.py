"""Options that several commands share, and the options of a settings dataclass.

An option's name, type, default and help come from the dataclass's field (`afterword.settings.setting`). Its limits are
checked when the dataclass is made, so that the command line and Python refuse the same values with the same message.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from afterword.errors import OptionError
from afterword.storage import is_whole_file

Function = Callable[..., Any]
OVERWRITE, NAMED = f"{__name__}.overwrite", f"{__name__}.named"  # keys of a context's meta


def settings_options(kind: type[Any], name: str) -> Callable[[Function], Function]:
    """Decorate a command with an option per field of the dataclass `kind`; it gets an instance of it as `name`."""
    fields = dataclasses.fields(kind)
    hints = typing.get_type_hints(kind)

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def command(**values: Any) -> Any:
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields})
            return function(**values)

        decorated: Function = command
        for field in reversed(fields):
            decorated = _option(field, hints[field.name])(decorated)
        return decorated

    return decorate


def _option(field: dataclasses.Field[Any], hint: Any) -> Callable[[Function], Function]:
    flag = "--" + field.name.replace("_", "-")
    short, choices = field.metadata["short"], field.metadata["choices"] or ()
    kind = _plain(hint)
    several = typing.get_origin(kind) is tuple
    return click.option(
        *([f"-{short}"] if short else []),
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,  # both, since a file may set either
        field.name,
        type=None if kind is bool else str if several else kind,
        is_flag=kind is bool,
        multiple=several,
        default=field.default,
        show_default=kind is not bool,
        help=field.metadata["help"],
        metavar=field.metadata["metavar"] or "|".join(choices) or None,
        shell_complete=lambda context, option, begun: [one for one in choices if one.startswith(begun)],
    )


def _plain(hint: Any) -> Any:
    """Return `int` for `int | None`, and `str` for a Literal."""
    if isinstance(hint, types.UnionType):
        hint = next(kind for kind in typing.get_args(hint) if kind is not types.NoneType)
    return str if typing.get_origin(hint) is typing.Literal else hint


class OutputFile(click.Path):
    """A file that a command writes. An existing file is refused, before any work, without `--overwrite`.

    Devices and pipes are written to directly; - is standard output. The command also needs `overwrite_option`. A name
    that does not end in one of `endings`, such as x.jpg for a PNG file, is refused.
    """

    def __init__(self, *endings: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.endings = endings

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        assert ctx is not None
        if not value:
            self.fail("the path is empty: name a file", param, ctx)
        path = Path("/dev/stdout" if value == "-" else value)
        real = Path(os.path.realpath(path))
        if real.is_dir():
            raise OptionError(f"{value} is a folder: name a file")
        if not real.parent.is_dir():
            raise OptionError(f"{value}: the folder {path.parent} does not exist; make it first")
        if self.endings and path.suffix and path.suffix.lower() not in self.endings:
            kind = self.endings[0][1:].upper()
            raise OptionError(f"{value}: this file will be {kind}, so its name must end in {' or '.join(self.endings)}")
        if is_whole_file(path):
            if real.exists() and not ctx.meta[OVERWRITE]:
                raise OptionError(f"{value} exists already: name another file, or replace it with --overwrite")
            if not os.access(real.parent, os.W_OK):
                raise OptionError(f"cannot write {value} in the folder {real.parent}: name another file")
            if real in ctx.meta.setdefault(NAMED, set()):
                raise OptionError(f"{value} is named twice: give each output its own file")
            ctx.meta[NAMED].add(real)
        return path


HTML, PNG = OutputFile(".html", ".htm"), OutputFile(".png")


class NamedPath(click.Path):
    """A path, which shells complete. Its user reports what is wrong with it.

    An empty path is refused, since it would mean the working folder: an unset variable of the shell leaves one.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("the path is empty: name a file or a folder", param, ctx)
        return super().convert(value, param, ctx)


PATH = NamedPath(readable=False)


overwrite_option = click.option(
    "--overwrite",
    is_flag=True,
    is_eager=True,  # before the files that it refers to
    expose_value=False,
    callback=lambda context, option, value: context.meta.update({OVERWRITE: value}),
    help="replace an existing file",
)
