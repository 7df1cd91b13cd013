"""The public surface, pinned: a name is added or removed here on purpose or not at all."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import afterword
from afterword.commands import commands, find_operation, public_names

SOURCES = sorted(Path(afterword.__file__).parent.rglob("*.py"))
NAMES = ["__version__", *public_names()]


def test_the_public_names_are_these() -> None:
    assert sorted(afterword.__all__) == sorted(NAMES)
    assert sorted(dir(afterword)) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(afterword, name) is not None


def test_any_other_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        _ = afterword.tarin


def test_no_public_class_name_occurs_twice() -> None:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES)
    classes = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    requests = {find_operation(name).request.__name__ for name in commands()}  # which have the names of commands
    assert {name for name, count in classes.items() if count > 1 and not name.startswith("_")} <= requests


def test_no_two_files_have_the_same_name() -> None:
    operations = Path(afterword.__file__).parent / "operations"  # whose files have the names of commands
    names = Counter(path.name for path in SOURCES if path.name != "__init__.py" and path.parent != operations)
    assert [name for name, count in names.items() if count > 1] == []
