"""The counter of lines of code."""

from collections import Counter
from pathlib import PurePosixPath

from tests.size import HOUSE, by_room, excess, lines_of_python, table

CODE = '''"""A docstring
of two lines."""

from os import (
    path,
)


# a comment
class A:
    """Another."""

    text = """
    not a docstring
    """  # with a comment

    text: str
    """And one of an attribute."""

    def f(self) -> str: return "one line"
'''


def test_imports_blank_lines_comments_and_docstrings_are_not_counted() -> None:
    assert lines_of_python(CODE) == 6


def test_python_and_the_other_languages_are_counted_by_room_and_held_to_their_budgets() -> None:
    files = {"a.py": b"x = 1\n", "cli/b.py": b"x = 1\ny = 2\n", "cli/c.js": b"f();\n", "cli/d.md": b"text\n"}
    sizes = by_room((HOUSE / PurePosixPath(name), content) for name, content in files.items())
    assert sizes == {"python": {"cli/": 2, "files in no room": 1}, "other": {"cli/": 1}}
    assert list(excess(sizes, {"python": 3, "other": 1})) == []
    (error,) = excess(sizes, {"python": 2, "other": 1})
    assert error == "error: python has 3 lines, 1 above its budget in pyproject.toml"
    rows = [row.split() for row in table(sizes["python"], Counter({"cli/": 5}))]
    assert rows == [["cli/", "2", "-3"], ["files", "in", "no", "room", "1", "+1"], ["total", "3", "-2"]]
