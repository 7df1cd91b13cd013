"""`train --config FILE.toml`: settings from a file, with the precedence command line, file, defaults.

The keys are the names of options, with hyphens or underscores, at the top level: `hidden-size = 256`. They are
checked as the request checks them, so that a file, the command line and Python refuse the same values in the same
words. Paths are relative to the folder in which the command is run, as on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from afterword.errors import AfterwordError, OptionError, spelled
from afterword.operations.operation import Request, arguments_of
from afterword.settings import Settings, check_value, kinds_of, named_path, settings_from
from afterword.storage import read_whole

MOST_BYTES = 1 << 16  # bytes: a dozen lines are usual; a large text, given by mistake, is not parsed
EXAMPLE = "as in: hidden-size = 256"


def config_option(request: type[Request], path: click.ParamType[Any]) -> click.Option:
    """Return the option `--config FILE.toml` of the command for `request`."""
    return click.Option(
        ["--config"],
        type=path,
        metavar="FILE.toml",
        callback=partial(_take, request),
        is_eager=True,  # before the options whose defaults it sets
        expose_value=False,
        help="read settings from lines such as hidden-size = 256 of this file; the command line has precedence",
    )


def _take(request: type[Request], context: click.Context, option: click.Parameter, path: str | None) -> None:
    if path is not None:
        context.default_map = read_config(named_path("--config", path), request)


def given_values(context: click.Context, request: type[Request]) -> dict[str, Any]:
    """Return the values from the command line and the file, without those of the file that exclude, or are excluded
    by, one of the command line."""
    source = {name: context.get_parameter_source(name) for name in context.params}
    overridden = set()
    for field, _ in kinds_of(request):
        for other in field.metadata["excludes"]:
            pair = {source.get(field.name): field.name, source.get(other): other}
            if ParameterSource.COMMANDLINE in pair and ParameterSource.DEFAULT_MAP in pair:
                overridden.add(pair[ParameterSource.DEFAULT_MAP])
    given = (ParameterSource.COMMANDLINE, ParameterSource.DEFAULT_MAP)
    names = [name for name, each in source.items() if each in given and name not in overridden]
    return {name: context.params[name] for name in names}


def read_config(path: str, request: type[Request]) -> dict[str, Any]:
    """Return the settings in the TOML file at `path`, by field name. Raises OptionError, which names the file."""
    keys = {field.name: (field, kind) for field, kind in kinds_of(request)}
    found, values = _parsed(path), dict[str, Any]()
    try:
        for key, value in found.items():
            name = key.replace("-", "_")
            if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
                raise OptionError(f"{key[:60]!r} is a table: write every setting at the top level, {EXAMPLE}")
            if name not in keys:
                close = [f"did you mean {other.replace('_', '-')}?" for other in get_close_matches(name, keys, n=1)]
                advice = close or ["keys have the names of options"]
                if name in arguments_of(request):
                    advice = ["name it on the command line"]
                raise OptionError(f"{key[:60]!r} is not a setting; {advice[0]}")
            if name in values:
                raise OptionError(f"`{name}` occurs twice: leave one out")
            if isinstance(value, int) and value.bit_length() > 64:
                raise OptionError(f"`{name}` is too large: write a smaller number")
            check_value(*keys[name], value)
            values[name] = value
        for kind in request.__mro__:
            if issubclass(kind, Settings) and not issubclass(Request, kind) and not issubclass(kind, Request):
                settings_from(kind, values)
    except AfterwordError as error:
        raise OptionError(f"{path}: {spelled(error.message, lambda name: name.replace('_', '-'))}") from None
    return values


def _parsed(path: str) -> Mapping[str, Any]:
    import tomllib  # few commands need it

    try:
        content = read_whole(Path(path), MOST_BYTES)
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}; give --config a TOML file, {EXAMPLE}") from None
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise OptionError(f"{path} is not UTF-8 (at line {line}): save it as UTF-8") from None
    except RecursionError:
        raise OptionError(f"{path} is nested too deeply: write every setting at the top level, {EXAMPLE}") from None
    except tomllib.TOMLDecodeError as error:
        why = str(error)
        raise OptionError(f"{path} is not TOML: {why[:1].lower()}{why[1:]}; a setting is a line {EXAMPLE}") from None
    except ValueError:  # from Python's limit on digits
        raise OptionError(f"{path} contains a number with thousands of digits: write a smaller one") from None
