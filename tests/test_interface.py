"""Nothing that other programs use is gone, or has another type or default, since the last release."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_docs import generated

RELEASED = Path(__file__).with_name("interface.txt")


def sections(text: str) -> dict[str, set[str]]:
    """Return the lines below each heading."""
    return {
        head: set(body.strip("`\n").split("\n"))
        for head, _, body in (part.partition("\n") for part in text.split("## ")[1:])
    }


@pytest.mark.parametrize("heading", sections(RELEASED.read_text(encoding="utf-8")))
def test_what_the_last_release_had_is_still_there(heading: str) -> None:
    released = sections(RELEASED.read_text(encoding="utf-8"))[heading]
    assert len(released) > 10
    gone = released - sections(generated().stability())[heading]
    assert gone == set(), "keep these for a release, with a warning: docs/stability.md"
