"""How a model writes unless it is told otherwise: saved with it, since only its training knows what becomes it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from afterword.errors import ModelError

OPENINGS = {
    "newline": "the boundary token, and without a prompt a line's end too, after which running text begins",
    "boundary": "the boundary token alone, after which a line begins",
    "window": "a random window of the training text, which a long prompt pushes out",
}


@dataclasses.dataclass(frozen=True)
class WritingDefaults:
    """How much, how boldly and from where. Raises ModelError for an invalid value."""

    max_tokens: int = 500
    temperature: float = 0.8
    opening: str = "newline"
    """What the network reads before a prompt: one of `OPENINGS`."""
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if type(self.max_tokens) is not int or self.max_tokens < 0:
            raise ModelError(f"max_tokens must be a whole number from 0, not {str(self.max_tokens)[:40]}")
        if type(self.temperature) not in (int, float) or not 0 <= self.temperature < math.inf:
            raise ModelError(f"temperature must be a number from 0, not {str(self.temperature)[:40]}")
        if not isinstance(self.opening, str) or self.opening not in OPENINGS:
            raise ModelError(f"opening must be one of {', '.join(OPENINGS)}, not {str(self.opening)[:40]}")
        if type(self.min_p) not in (int, float) or not 0 <= self.min_p < 1:
            raise ModelError(f"min_p must be a number from 0 and below 1, not {str(self.min_p)[:40]}")
        if type(self.repetition_penalty) not in (int, float) or not 1 <= self.repetition_penalty <= 1000:
            raise ModelError(f"repetition_penalty must be from 1 to 1000, not {str(self.repetition_penalty)[:40]}")

    @staticmethod
    def from_dict(values: Any) -> WritingDefaults:
        """What stands in a model's file; a default that came later may be missing. Raises ModelError for all else."""
        usual = {"newline": RUNNING_TEXT, "boundary": LINES, "window": WINDOWS}
        found = dict(values) if isinstance(values, Mapping) else {}
        if not {"max_tokens", "temperature", "opening"} <= set(found):
            raise ModelError("writing must have max_tokens, temperature, opening")
        opening = found["opening"]
        others = dataclasses.asdict(usual[opening]) if isinstance(opening, str) and opening in usual else {}
        names = [field.name for field in dataclasses.fields(WritingDefaults)]
        return WritingDefaults(**{name: value for name, value in (others | found).items() if name in names})


RUNNING_TEXT = WritingDefaults(min_p=0.05, repetition_penalty=4.0)
LINES = WritingDefaults(opening="boundary")
WINDOWS = WritingDefaults(max_tokens=50, temperature=0.0, opening="window")


def usual(*, windows: bool, lines: bool) -> WritingDefaults:
    """Those of a model that reads windows, lines or running text."""
    return WINDOWS if windows else LINES if lines else RUNNING_TEXT
