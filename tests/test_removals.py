"""Each call that can remove, replace or empty a file has its reason in tests/removals.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "afterword"
REMOVING = {"unlink", "rmdir", "rmtree", "removedirs", "rename", "renames", "move", "truncate", "ftruncate"}
REMOVING |= {"write_text", "write_bytes", "copyfile", "copy2", "copytree", "TemporaryDirectory", "TemporaryFile"}
REMOVING |= {"NamedTemporaryFile", "mkdtemp", "mkstemp"}
OURS = {"replacing", "replacing_folder", "folder_aside", "recover_folder", "recover_model", "remove_leftovers"}
OURS |= {"output", "write_bytes", "write_json", "write_tensors", "save_model"}


def removals(source: str) -> Iterator[str]:
    """Yield the name of each call that can remove, replace or empty a file."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(ast.Name("open" | "FileIO" as name)):
                modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
                if any(not re.fullmatch(r"'r?b?t?'|'.*x.*'", ast.unparse(mode)) for mode in modes):
                    yield name
            case ast.Call(ast.Attribute(ast.Name("os"), "replace" | "remove" as name)):
                yield f"os.{name}"
            case ast.Call(ast.Attribute(ast.Name("os"), "open")) if "O_RDONLY" not in ast.unparse(node):
                yield "os.open"
            case ast.Call(ast.Attribute(_, name)) if name in REMOVING:
                yield name
            case ast.Call(ast.Name(name)) if name in OURS | REMOVING:
                yield name


def test_each_removal_and_replacement_is_justified() -> None:
    found = {
        (path.relative_to(SOURCE).as_posix(), name)
        for path in SOURCE.rglob("*.py")
        for name in removals(path.read_text(encoding="utf-8"))
    }
    if re.search(r"^\trm ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE):
        found.add(("Makefile", "rm"))
    page = (ROOT / "tests" / "removals.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| (`.*?) \| .*\|$", page, re.MULTILINE)
    assert found == {
        (where, call)
        for row in rows
        for where in row[0].split("`")[1::2]
        for call in row[1].split("`")[1::2]
        if (SOURCE / where).exists() or not where.startswith("wings/")  # a wing may be off
    }
