"""The types of request fields, and the fields that choose a model and how it writes.

Limits in `extra_json_schema` appear in the API document. They are checked elsewhere, with messages of their own.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Annotated, Any, Literal

import msgspec

from afterword.errors import OptionError
from afterword.generation.sampling import FILTERS, Sampling
from afterword.model.ngram.mixture import Using
from afterword.serving.http.failures import ApiError
from afterword.serving.writing.models import Served, Variant
from afterword.settings import Kind, kinds_of

TokenIds = list[int]
Whole = Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 0})]
Name = Annotated[str, msgspec.Meta(max_length=200)]
ModelName = Annotated[Name, msgspec.Meta(description="may be left out if the server has one model")] | None
Holds = Annotated[list[Name], msgspec.Meta(max_length=64)]

OFF = {field.name: off for field, _ in kinds_of(Sampling) if (off := field.metadata["off"]) is not None}
LIMITS = {"minimum": "minimum", "above": "exclusiveMinimum", "maximum": "maximum", "below": "exclusiveMaximum"}


def body_field(field: dataclasses.Field[Any], kind: Kind) -> tuple[str, Any, Any]:
    """Return the name, type and default of a body's field for a setting. A null field counts as missing."""
    about = field.metadata
    limits = {key: about[limit] for limit, key in LIMITS.items() if about[limit] is not None}
    help = re.sub(r" \([^()]*\)$", "", about["help"])  # without a remark in parentheses, which is about the option
    given: Any = Holds if kind.several else next(one for one in (bool, int, float, str) if one in kind.types)
    schema = msgspec.Meta(description=help, extra_json_schema=limits)
    hint: Any = Annotated[Literal[kind.choices] if kind.choices else given, schema]
    return field.name, hint | None, msgspec.field(default=about["off"], name=about["flag"])


def with_settings(base: type[msgspec.Struct], *names: str) -> type[msgspec.Struct]:
    """Return the request `base` with these settings of writing too, by default off or missing."""
    fields = [body_field(field, kind) for field, kind in kinds_of(Sampling) if field.name in names]
    return msgspec.defstruct("Writing", fields, bases=(base,), forbid_unknown_fields=True, kw_only=True)


class SteeredRequest(with_settings(msgspec.Struct, "temperature", *FILTERS)):  # type: ignore[misc]
    """A model, the parts of it that are held, and the filters of its tokens. A null field counts as missing."""

    model: ModelName = None
    using: Using | None = msgspec.field(default=None, name="with")
    hold: Holds | None = None

    def sampling(self, **more: Any) -> Sampling:
        """Return the writing settings; the defaults are off, like OpenAI's, not the model's. Raises OptionError."""
        given = {field.name: getattr(self, field.name, None) for field, _ in kinds_of(Sampling)}
        return Sampling(**OFF | {name: value for name, value in given.items() if value is not None} | more)


def find_variant(served: Served, using: str | None, holds: list[str] | None) -> Variant:
    """Return `served` with parts held. Raises ApiError if it cannot be held or used so."""
    try:
        return served.variant(using or "both", tuple(holds or ()))
    except OptionError as error:
        raise ApiError(400, error.over_http, "hold" if holds else "with") from None
