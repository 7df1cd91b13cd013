"""The counter of lines of code."""

from tests.size import lines_of_python

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


def test_a_line_that_has_more_than_a_comment_is_counted() -> None:
    assert lines_of_python("x = 1  # one\n# two\n") == 1
