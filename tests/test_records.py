"""Laws of what lies on disk as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from afterword.records import as_record, read_json


@dataclasses.dataclass(frozen=True)
class Part:
    tokens: int
    share: float | None = None


@dataclasses.dataclass(frozen=True)
class Whole:
    format: Annotated[int, Meta(ge=1)]
    name: str
    parts: dict[str, Part]
    pairs: list[list[int]]
    anything: Any = None
    ready: bool = False
    kind: Literal["a", "b"] = "a"


WHOLE = Whole(1, "é", {"a": Part(2, 0.5), "b": Part(3)}, [[1, 2], []], {"x": [None]}, ready=True)


def test_a_record_comes_back_from_its_json_with_and_without_what_has_a_default() -> None:
    values = json.loads(json.dumps(dataclasses.asdict(WHOLE)))
    assert as_record(Whole, values) == WHOLE
    assert as_record(Whole, values | {"of a later version": 1}) == WHOLE
    del values["ready"], values["parts"]["b"]["share"]
    assert as_record(Whole, values) == dataclasses.replace(WHOLE, ready=False)
    assert as_record(Part, {"tokens": 1, "share": 1}).share == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": True}, "format must be a whole number, not true or false"),
        ({"format": 1.0}, "format must be a whole number, not a number"),
        ({"format": 0}, "format must be a whole number >= 1"),
        ({"name": None}, "name must be text, not null"),
        ({"parts": {"a": {}}}, "parts[...].tokens is missing"),
        ({"parts": {"a": {"tokens": 1, "share": "x"}}}, "parts[...].share must be a number or null, not text"),
        ({"parts": []}, "parts must be an object, not a list"),
        ({"pairs": [[1], [2, None]]}, "pairs[1][1] must be a whole number, not null"),
        ({"kind": "c\nd" * 50}, "kind: invalid enum value 'c\\nd"),
    ],
)
def test_a_field_of_another_type_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        as_record(Whole, dataclasses.asdict(WHOLE) | change)
    assert str(caught.value).startswith(says)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"\xe9", b"{", b"[" * 100_000, b"[1]"])
def test_what_is_not_json_or_no_object_is_refused_by_one_line(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        read_json(dict[str, Any], content)
    values: list[Any] = [None, [], "x", 3]
    for value in values:
        with pytest.raises(ValueError, match="it must be an object"):
            as_record(Part, value)
