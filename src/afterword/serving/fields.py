"""What the fields of requests may hold, and those that every request has which reads or writes with a model.

Limits in `extra_json_schema` are told by the API's document, and checked elsewhere, with a sentence of their own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from afterword.errors import OptionError
from afterword.generation.sampling import Sampling
from afterword.serving.errors import ApiError
from afterword.serving.models import Served, Variant
from afterword.settings import made

TokenIds = list[int]
Whole = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 0})]
Positive = Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 0})]
Share = Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": 1})]
Name = Annotated[str, msgspec.Meta(max_length=200)]
Using = Literal["both", "lstm", "ngram"]
Holds = Annotated[list[Name], msgspec.Meta(max_length=64)]


class Wanted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which model, which parts of it are held, and what it draws from. A field that is null is as good as left out."""

    model: Name
    using: Using | None = msgspec.field(default=None, name="with")
    hold: Holds | None = None
    temperature: Positive | None = None
    top_k: Whole | None = None
    top_p: Share | None = None
    min_p: Share | None = None

    def variant(self, served: Served) -> Variant:
        """`served` as it is wanted. Raises ApiError where it cannot be held or used so."""
        return variant(served, self.using, self.hold)

    def sampling(self, **more: Any) -> Sampling:
        """How to write: OpenAI's defaults where nothing is said, not the model's own. Raises OptionError."""
        usual = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
        given = {name: getattr(self, name) for name in usual if getattr(self, name) is not None}
        return made(Sampling, {**usual, "repetition_penalty": 1.0, **given, **more})


def variant(served: Served, using: Using | None, holds: list[str] | None) -> Variant:
    """A model with parts held. Raises ApiError where it cannot be held or used so."""
    try:
        return served.variant(using or "both", tuple(holds or ()))
    except OptionError as error:
        raise ApiError(400, str(error), "hold" if holds else "with") from None
