"""The parts of pages that are written when the documentation is built: commands, routes and files, in Markdown."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path

import click

from afterword import __version__
from afterword.cli.main import SETTINGS, program
from afterword.cli.main import commands as names
from afterword.serving.app import ROUTES
from afterword.serving.http.openapi import FAILURES, document, operations


def commands() -> str:
    """Return a section per command: its use, its description and its options, as in `--help`."""
    return "\n\n".join(map(_command, names()))


def _command(name: str) -> str:
    parent = click.Context(program, info_name="afterword", **SETTINGS)
    command = program.get_command(parent, name)
    context = click.Context(command, parent=parent, info_name=name, **SETTINGS)
    records = [option.get_help_record(context) for option in command.params]
    rows = [record for record in records if record and record[1]]  # an argument without help is in the use
    table = ["| option | meaning |", "| --- | --- |"]
    table += [f"| `{names.replace('|', chr(92) + '|')}` | {_plain(meaning)} |" for names, meaning in rows]
    use = f"afterword {name} {' '.join(command.collect_usage_pieces(context))}"
    return "\n\n".join([f"## {name}", f"```\n{use}\n```", _description(command), "\n".join(table)])


def _description(command: click.Command) -> str:
    """Return click's help as Markdown: a paragraph after \\b keeps its lines."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(f"```\n{one[2:]}\n```" if one.startswith("\b\n") else _plain(one) for one in paragraphs)


def _plain(text: str) -> str:
    """Return `text` with the characters escaped that mean something in Markdown, except in code."""
    special = r"`[^`]+`|[\\*_<>\[\]|{}$~#]"
    return re.sub(special, lambda found: ("" if found[0][0] == "`" else "\\") + found[0], " ".join(text.split()))


def routes() -> str:
    """Return a section per route of the HTTP API, and the statuses of failures."""
    failures = "\n".join(f"| {status} | {meaning} |" for status, meaning in sorted(FAILURES.items()))
    api = document(ROUTES, __version__)
    found = [f"## `{title}`\n\n{body}" for title, body in operations(api)]
    found.append(f"## Failures\n\n| status | meaning |\n| --- | --- |\n{failures}")
    return "\n\n".join(found).replace("<table>", '<table class="docutils">')  # as the theme shows tables


ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "afterword"


def files() -> str:
    """Return a section per room, from the lowest to the highest, with what each of its files is."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["containers"] == ["afterword"])
    rooms = [name for layer in reversed(layers) for name in layer.split(" | ") if (SOURCE / name).is_dir()]
    sections = [_room("In no room", sorted(SOURCE.glob("*.py")))]
    sections += [_room(f"`{name}/`", sorted((SOURCE / name).rglob("*.py"))) for name in rooms]
    return "\n\n".join(sections)


def _room(title: str, paths: list[Path]) -> str:
    rows = [f"| `{path.relative_to(SOURCE)}` | {_about(path)} |" for path in paths if path.stem != "__init__"]
    return "\n".join([f"### {title}\n", "| file | |", "| --- | --- |", *rows])


def _about(path: Path) -> str:
    """Return the first paragraph of a file's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return _plain(docstring.split("\n\n")[0])


GENERATED = {"commands": commands, "http": routes, "layout": files}  # the page that each of them ends
