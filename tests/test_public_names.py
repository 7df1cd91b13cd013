"""The public surface: its names are what the table says, and no name of the house occurs twice."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import afterword
from afterword.commands import commands, find_operation, public_names

SOURCES = sorted(Path(afterword.__file__).parent.rglob("*.py"))


def test_the_public_names_are_those_of_the_table_and_each_is_there() -> None:
    names = sorted(["__version__", *public_names()])
    assert sorted(afterword.__all__) == sorted(dir(afterword)) == names
    assert all(getattr(afterword, name) is not None for name in names)
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = afterword.tarin


def test_no_public_class_and_no_file_has_the_name_of_another() -> None:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES)
    classes = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    requests = {find_operation(name).request.__name__ for name in commands()}  # which have the names of commands
    assert {name for name, count in classes.items() if count > 1 and not name.startswith("_")} <= requests
    operations = Path(afterword.__file__).parent / "operations"  # whose files have the names of commands
    files = Counter(path.name for path in SOURCES if path.name != "__init__.py" and path.parent != operations)
    assert [name for name, count in files.items() if count > 1] == []
