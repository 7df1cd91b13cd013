"""Laws of what lies on disk as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from afterword.records import as_record


@dataclasses.dataclass(frozen=True)
class Part:
    tokens: int
    share: float | None = None


@dataclasses.dataclass(frozen=True)
class Whole:
    format: int
    name: str
    parts: dict[str, Part]
    pairs: list[list[int]]
    anything: Any = None
    ready: bool = False


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
        ({"format": True}, "format is 'True'"),
        ({"format": "1"}, "format is '1'"),
        ({"format": 1.0}, "format is '1.0'"),
        ({"name": None}, "name is 'None'"),
        ({"ready": 1}, "ready is '1'"),
        ({"parts": {"a": {}}}, "parts.a.tokens is missing"),
        ({"parts": {"a": {"tokens": 1, "share": "x"}}}, "parts.a.share is 'x'"),
        ({"parts": []}, "parts is '[]'"),
        ({"parts": {"a": 3}}, "parts.a is '3'"),
        ({"pairs": [[1], [2, None]]}, "pairs[1][1] is 'None'"),
    ],
)
def test_a_field_of_another_type_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        as_record(Whole, dataclasses.asdict(WHOLE) | change)
    assert str(caught.value) == says


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_what_is_not_an_object_is_no_record(value: Any) -> None:
    with pytest.raises(ValueError, match="it is"):
        as_record(Part, value)
