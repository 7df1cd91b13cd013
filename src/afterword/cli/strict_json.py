"""JSON as every command prints it, for any parser: a number that is not finite, for which JSON has no word, is null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from afterword.cli.screen import escaped


def strict_json(value: Any, indent: int | None = None) -> str:
    """`value` as JSON, on one line unless an `indent` is given."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    except ValueError:  # rare, and looking for it beforehand would take longer than writing a large trace
        text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return escaped(text)  # JSON lets some control characters stand, and a terminal would obey them


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
