"""The default options of writing. They are saved with a model, because only its training knows what suits it."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from msgspec import Meta

HOTTEST = 100  # temperature: far above it, all tokens that ever occurred are equally likely

Opening = Literal[
    "newline",  # the boundary token, and without a prompt a line's end too, after which running text begins
    "boundary",  # the boundary token alone, after which a line begins
    "window",  # a random window of the training text, which a long prompt pushes out
]


@dataclasses.dataclass(frozen=True)
class WritingDefaults:
    """The options of writing that a model comes with."""

    max_tokens: Annotated[int, Meta(ge=0)]
    temperature: Annotated[float, Meta(ge=0, le=HOTTEST)]
    opening: Opening
    """What the network reads before a prompt."""
    min_p: Annotated[float, Meta(ge=0, lt=1)]
    repetition_penalty: Annotated[float, Meta(ge=1, le=1000)]
    new_word_p: Annotated[float, Meta(ge=0, le=1)] = 0.0

    @property
    def finish_sentence(self) -> bool:
        """Return whether a text without a given length ends with a sentence: running text does."""
        return self.opening == "newline"


RUNNING_TEXT = WritingDefaults(500, 0.8, "newline", min_p=0.05, repetition_penalty=4.0)
RECURRING_WORDS = dataclasses.replace(RUNNING_TEXT, min_p=0.01, new_word_p=0.4)
PROSE = dataclasses.replace(RECURRING_WORDS, temperature=0.6)
REPETITIVE = 1.5  # a text with a lower penalty repeats itself by nature; at 0.6, its model would do little else
LINES = WritingDefaults(500, 0.8, "boundary", min_p=0.0, repetition_penalty=1.0)
WINDOWS = WritingDefaults(50, 0.0, "window", min_p=0.0, repetition_penalty=1.0)
