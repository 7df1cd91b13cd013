"""`afterword export MODEL`: write a model for other programs."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import click

from afterword.cli.options import PATH, Function, OutputFile, OutputFolder, overwrite_option, settings_options
from afterword.cli.output import note, say
from afterword.errors import OptionError
from afterword.interchange.browser import PageSettings
from afterword.interchange.export_formats import FORMATS
from afterword.language_model import load

OPTIONS = {name: "--" + name.replace("_", "-") for name in FORMATS}


def format_options(function: Function) -> Function:
    """Decorate a command with an option for each format."""
    for name, format in reversed(FORMATS.items()):
        kind, metavar = (OutputFile(*format.endings), "FILE") if format.endings else (OutputFolder(), "DIR")
        function = click.option(OPTIONS[name], name, type=kind, metavar=metavar, help=format.help)(function)
    return function


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@format_options
@settings_options(PageSettings, "settings")
@overwrite_option
def export(model: str, settings: PageSettings, **paths: Path | None) -> None:
    """Write a model for other programs, in one or more formats. MODEL is the folder of a model or run, or a base."""
    given = {name: path for name, path in paths.items() if path is not None}
    if not given:
        formats = ", ".join(OPTIONS.values())
        raise OptionError(f"missing format: give one and a file, such as --onnx book.onnx; the formats are {formats}")
    changed = {
        field.name: value for field in fields(settings) if (value := getattr(settings, field.name)) != field.default
    }
    for option in changed:
        takers = [name for name, format in FORMATS.items() if option in format.options]
        if not given.keys() & takers:
            needed = " or ".join(OPTIONS[name] for name in takers)
            raise OptionError(f"--{option.replace('_', '-')} needs {needed}: give {OPTIONS[takers[0]]} too")
    loaded = load(model)
    for name, path in given.items():
        options = {option: value for option, value in changed.items() if option in FORMATS[name].options}
        notes = loaded.export(name, path, **options)
        say(f"wrote {path}")
        note(*notes)
