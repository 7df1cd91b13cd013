"""The counter of lines of code."""

from pathlib import PurePosixPath

from tests.size import HOUSE, by_room, excess

CODE = b'''"""A docstring
of two lines."""

from os import (
    path,
)


# a comment
class A:
    text = """
    not a docstring
    """  # with a comment

    text: str
    """And one of an attribute."""
'''


def test_code_is_counted_by_room_without_imports_comments_and_docstrings_and_held_to_its_budget() -> None:
    files = {"a.py": CODE, "cli/b.py": b"x = 1\n\ny = 2\n", "cli/c.js": b"/* a\n b */\nf();\n", "cli/d.md": b"text\n"}
    sizes = by_room((HOUSE / PurePosixPath(name), content) for name, content in files.items())
    assert sizes == {"python": {"cli/": 2, "files in no room": 5}, "other": {"cli/": 1}}
    assert [*excess(sizes, {"python": 7, "other": 1})] == []
    assert [*excess(sizes, {"python": 6, "other": 1})] == [
        "error: python has 7 lines, 1 above its budget in pyproject.toml"
    ]
