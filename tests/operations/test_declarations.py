"""Laws of the declarations of all operations."""

from __future__ import annotations

import pytest

from afterword.operations.every import find_operation, summaries
from afterword.settings import kinds_of


@pytest.mark.parametrize("name", summaries())
def test_an_option_needs_and_excludes_options_of_the_same_operation(name: str) -> None:
    fields = {field.name: field.metadata for field, _ in kinds_of(find_operation(name).request)}
    for about in fields.values():
        needed = about["needs"].split(" or ") if about["needs"] else []
        assert {*needed, *about["excludes"]} <= fields.keys()
