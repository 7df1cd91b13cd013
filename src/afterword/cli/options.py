"""A settings dataclass as command-line options, and the options' values back as the dataclass.

Name, type, default and help come from the field (`afterword.settings.setting`); its limits are checked by the
dataclass when it is made, so that the command line and Python refuse the same values with the same words.
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
from afterword.model.mixture import USES
from afterword.storage import is_whole_file

Function = Callable[..., Any]
OVERWRITE, NAMED = f"{__name__}.overwrite", f"{__name__}.named"  # of a context's meta


def hold_option(function: Function) -> Function:
    """Decorate a command with `--hold`, which may be given several times; see `model.holding` for the notation."""
    decorated: Function = click.option(
        "--hold", multiple=True, metavar="PART=VALUE", help="hold a part: forget=1, l0.output=0, l0.u42=1 (several)"
    )(function)
    return decorated


def settings_options(kind: type[Any], name: str) -> Callable[[Function], Function]:
    """Decorate a command: one option a field of the dataclass `kind`; the command gets one instance of it as `name`."""
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
        f"{flag}/--no-{flag[2:]}" if kind is bool else flag,  # both, since a file may say either
        field.name,
        type=None if kind is bool else str if several else kind,
        is_flag=kind is bool,
        multiple=several,
        default=field.default,
        show_default=kind is not bool and field.default not in (None, ()),
        help=field.metadata["help"],
        metavar=field.metadata["metavar"] or "|".join(choices) or None,
        shell_complete=lambda context, option, begun: [one for one in choices if one.startswith(begun)],
    )


def _plain(hint: Any) -> Any:
    """`int` of `int | None`, and `str` of a Literal."""
    if isinstance(hint, types.UnionType):
        hint = next(kind for kind in typing.get_args(hint) if kind is not types.NoneType)
    return str if typing.get_origin(hint) is typing.Literal else hint


with_option = click.option(
    "--with",
    "using",
    default="both",
    type=click.Choice(USES),
    show_default=True,
    help="predict with the LSTM and its n-gram together, or with one of them alone",
)


class OutputFile(click.Path):
    """A file that a command writes: one that is there already is refused, before any work, unless `--overwrite`.

    A device or a pipe is written to as it is; - is standard output. Belongs together with `overwrite_option`. A name
    that ends otherwise than by one of `endings`, as x.jpg where PNG is written, is refused.
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
            raise OptionError(f"{value}: there is no folder {path.parent}; make it first")
        if self.endings and path.suffix and path.suffix.lower() not in self.endings:
            kind = self.endings[0][1:].upper()
            raise OptionError(f"{value}: this file will be {kind}; let its name end in {' or '.join(self.endings)}")
        if is_whole_file(path):
            if real.exists() and not ctx.meta[OVERWRITE]:
                raise OptionError(f"{value} is there already: name another file, or replace it by --overwrite")
            if not os.access(real.parent, os.W_OK):
                raise OptionError(f"cannot write {value} in the folder {real.parent}: name another file")
            if real in ctx.meta.setdefault(NAMED, set()):
                raise OptionError(f"{value} is named twice: give every output a file of its own")
            ctx.meta[NAMED].add(real)
        return path


OUTPUT = OutputFile()
HTML, PNG, SVG, NPZ = OutputFile(".html", ".htm"), OutputFile(".png"), OutputFile(".svg"), OutputFile(".npz")


class NamedPath(click.Path):
    """A path, completed by shells; whoever uses it says what is wrong with it.

    An empty one, as an unset variable of the shell leaves it, is refused: it would pass for the working folder.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("the path is empty: name a file or a folder", param, ctx)
        return super().convert(value, param, ctx)


PATH = NamedPath(readable=False)


def _remember_overwrite(context: click.Context, option: click.Parameter, value: bool) -> None:
    context.meta[OVERWRITE] = value


overwrite_option = click.option(
    "--overwrite",
    is_flag=True,
    is_eager=True,  # before the files that it is about
    expose_value=False,
    callback=_remember_overwrite,
    help="replace a file that is there already",
)
