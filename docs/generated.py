"""The parts of pages that are written when the documentation is built: commands, routes and files, in Markdown."""

from __future__ import annotations

import ast
import html
import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from afterword import __version__
from afterword.cli.main import SETTINGS, names, program
from afterword.commands import WINGS, find_operation, places, resolve
from afterword.commands import commands as operations
from afterword.language_model import LanguageModel
from afterword.model.folder.saved import FILES, ConfigFile
from afterword.model.network.config import Config
from afterword.serving.app import ROUTES
from afterword.serving.http.failures import JSON
from afterword.serving.http.openapi import FAILURES, api_document
from afterword.text.formats import FORMATS


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
    api = api_document(ROUTES, __version__)
    found = [f"## `{title}`\n\n{body}" for title, body in _operations(api)]
    found.append(f"## Failures\n\n| status | meaning |\n| --- | --- |\n{failures}")
    return "\n\n".join(found).replace("<table>", '<table class="docutils">')  # as the theme shows tables


def _operations(api: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each operation of the document `api`, such as GET /health, and its description in HTML."""
    schemas = api["components"]["schemas"]
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            parts = [f"<p>{_marked(operation['summary'])}</p>"]
            if "requestBody" in operation:
                parts += _table("Request", operation["requestBody"]["content"][JSON]["schema"], schemas)
            answer = operation["responses"][next(iter(operation["responses"]))]["content"].get(JSON)
            if answer is not None:
                parts += _table("Response", answer["schema"], schemas)
            yield f"{method.upper()} {path}", "\n".join(parts)


def _table(title: str, schema: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found = schemas.get(name, schema)
    needed = found.get("required", ())
    rows = []
    for field, one in sorted(found.get("properties", {}).items(), key=lambda one: one[0] not in needed):
        notes = ["required"] * (field in needed) + [kind.get("description", "") for kind in _kinds(one)]
        cells = (f"<code>{html.escape(field)}</code>", html.escape(_in_words(one)), _marked(" ".join(notes)))
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    description = _marked(found.get("description", ""))
    return [f"<h3>{title}</h3><p>{description}</p><table>", *rows, "</table>"] if rows else []


def _marked(text: str) -> str:
    return re.sub("`(.+?)`", r"<code>\1</code>", html.escape(text))


def _kinds(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]


def _in_words(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(map(_in_words, _kinds(schema)))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return ", ".join(json.dumps(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_in_words(schema.get('items', {}))}"
    return str(schema.get("type", "any"))


def formats() -> str:
    """Return a table of the formats of files that are not plain text, and what happens to them."""
    rows = ["| file | ending | needs | |", "| --- | --- | --- | --- |"]
    for one in FORMATS:
        needs = f"`afterword[{one.extra}]`" if one.extra else ""
        does = "read as its text" if one.reader else f"refused: {one.advice}"
        rows.append(f"| {one.name} | {' '.join(f'`{ending}`' for ending in one.endings)} | {needs} | {does} |")
    return "\n".join(rows)


ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "afterword"


def rooms() -> list[list[str]]:
    """Return the rooms of each layer, and the files between them, from the highest to the lowest."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["containers"] == ["afterword"])
    return [layer.split(" | ") for layer in layers]


def house() -> str:
    """Return the rooms from the highest to the lowest, each with what it is; a blank line between two layers."""
    parts = []
    for layer in rooms():
        for name in layer:
            path = SOURCE / name / "__init__.py" if (SOURCE / name).is_dir() else SOURCE / f"{name}.py"
            docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            parts.append(f"{name:<16}{docstring.splitlines()[0]}")
            if name == "wings":
                parts += [f"  {wing:<14}{', '.join(names)}" for wing, names in _wings()]
        parts.append("")
    return "\n".join(parts).rstrip()


def _wings() -> Iterator[tuple[str, list[str]]]:
    """Yield each wing and its commands."""
    for name, wing in WINGS.items():
        yield name, [*wing.commands]


def files() -> str:
    """Return a section per room, from the lowest to the highest, with what each of its files is."""
    each = [name for layer in reversed(rooms()) for name in layer if (SOURCE / name).is_dir()]
    sections = [_room("In no room", sorted(SOURCE.glob("*.py")))]
    sections += [_room(f"`{name}/`", sorted((SOURCE / name).rglob("*.py"))) for name in each]
    return "\n\n".join(sections)


def _room(title: str, paths: list[Path]) -> str:
    rows = [f"| `{path.relative_to(SOURCE)}` | {_about(path)} |" for path in paths if path.stem != "__init__"]
    return "\n".join([f"### {title}\n", "| file | |", "| --- | --- |", *rows])


def _about(path: Path) -> str:
    """Return the first paragraph of a file's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return _plain(docstring.split("\n\n")[0])


def interface() -> dict[str, list[str]]:
    """Return what other programs may use, a line for each name: for each heading, in order of names."""
    found: dict[str, list[str]] = {
        "Commands, and functions of the package": [],
        "Methods of a model": _methods(),
        "Fields of JSON on standard output": [],
        "HTTP": _fields_over_http(),
        "Files of a model, and the fields of its `config.json`": [*FILES],
    }
    options, _, records, _, model = found.values()
    for name in names():
        if name not in operations():
            continue  # completion, which is for shells
        one = find_operation(name)
        for parameter in inspect.signature(one).parameters.values():
            default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
            options.append(f"{name} {parameter.name}: {_type(parameter.annotation)}{default}")
        for record in one.records:
            hints = {field: hint for kind in reversed(record.__mro__) for field, hint in _own_hints(kind).items()}
            records += [f"{name} {field}: {hints[field]}" for field in record.__struct_fields__]
    model += [f"{field}: {hint}" for kind in (Config, ConfigFile) for field, hint in _own_hints(kind).items()]
    return {title: sorted(set(lines)) for title, lines in found.items()}


def _own_hints(kind: type) -> dict[str, str]:
    """Return the annotations of a class's own fields, as they are written."""
    return {name: _type(hint) for name, hint in inspect.get_annotations(kind).items() if "ClassVar" not in str(hint)}


def _type(hint: object) -> str:
    """Return an annotation without what it says for people."""
    return re.sub(r"^Annotated\[|, (?:argument|Meta)\(.*", "", str(hint), flags=re.DOTALL)


def _methods() -> list[str]:
    """Return a line for each method, property and argument, also of the functions of a model that wings bring."""
    public = {name: value for name, value in vars(LanguageModel).items() if not name.startswith("_")}
    public |= {place.partition(":")[2]: resolve(place) for place in places("functions")}
    arguments = [(name, inspect.signature(value).parameters) for name, value in public.items() if callable(value)]
    own = ("self", "model")
    return [*public, *(f"{name} {argument}" for name, these in arguments for argument in these if argument not in own)]


def _fields_over_http() -> list[str]:
    api = api_document(ROUTES, __version__)
    lines = []
    for path, methods in api["paths"].items():
        for method, one in methods.items():
            body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            reply = one["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
            lines.append(f"{method.upper()} {path} {_kind(body)} → {_kind(reply)}".replace("  ", " "))
            lines += [
                f"{method.upper()} {path}?{query['name']}"
                for query in one.get("parameters", [])
                if query["in"] == "query"
            ]
    for name, schema in api["components"]["schemas"].items():
        lines += [f"{name}.{field}: {_kind(of)}" for field, of in schema.get("properties", {}).items()]
    return lines


def _kind(schema: dict[str, Any]) -> str:
    """Return a JSON schema in a few words."""
    if "$ref" in schema:
        return schema["$ref"].split("/")[-1]
    if "anyOf" in schema:
        return " | ".join(sorted(map(_kind, schema["anyOf"]), key="null".__eq__))  # msgspec 0.21 puts null first
    if "enum" in schema:
        return " | ".join(map(repr, schema["enum"]))
    kind = schema.get("type", "")
    return f"{kind}[{_kind(schema['items'])}]" if schema.get("items") else kind


def stability() -> str:
    """Return a section per heading of the interface, with its lines."""
    return "\n\n".join(f"## {title}\n\n```\n" + "\n".join(lines) + "\n```" for title, lines in interface().items())


# the page that each of them ends
GENERATED = {"commands": commands, "http": routes, "decisions": files, "files": stability, "training": formats}

if __name__ == "__main__":  # the interface of a release, to be kept in tests/interface.txt
    print(stability())
