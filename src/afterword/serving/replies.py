"""What a request has written: its texts on their way, the prompts that they go on from, and what tokens cost."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from afterword.errors import AfterwordError
from afterword.generation.batch import Text
from afterword.generation.reading import Reading
from afterword.generation.sampling import Likeliest
from afterword.generation.writer import Writing
from afterword.model.arrays import Ids
from afterword.model.network import Network
from afterword.serving.errors import ApiError
from afterword.serving.memory import Trail

SECONDS_OF_RULES = 2.0  # that the rules and stop strings of one request may take of everybody's time


class Drawn(NamedTuple):
    """A token that was drawn for a text."""

    text: str
    """What became certain with it."""
    at: int
    """Where the token's own text begins, in characters of what was written."""
    token: int
    log_probability: float
    likeliest: Likeliest


class LogProbabilities(msgspec.Struct):
    """Parallel lists, an entry a token."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


@dataclass
class Order:
    """What all texts of a request have in common."""

    news: asyncio.Event
    """Set when there is more of any of them."""
    streams: bool
    seconds_of_rules: float = SECONDS_OF_RULES
    """What is left of them."""


class Reply(Text):
    """A text that is written for a request. The scheduler's thread fills it, the event loop's empties it."""

    def __init__(self, writing: Writing, prompt: str, seed: int, order: Order) -> None:
        super().__init__(writing, prompt, seed)
        self.seed, self.order = seed, order
        self.drawn: deque[Drawn] = deque()
        self.done = self.writer.finish_reason is not None
        self.begun = self.gone = False
        self.failure: ApiError | None = None
        """Why it ended early."""
        self.trail: Trail | None = None  # of what it has read and written, where that is to be remembered
        self._is_timed = writing.rules is not None or bool(writing.stops)

    @property
    def is_over(self) -> bool:
        return self.gone or self.failure is not None or self.writer.finish_reason is not None

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        at, began = self.writer.characters, time.perf_counter() if self._is_timed else 0.0
        try:
            text = self.writer.push(token)
        except AfterwordError as error:  # a rule that outgrew its limits: nobody else's text ends for that
            self.failure = ApiError(400, str(error), "pattern")
            return
        self.drawn.append(Drawn(text, at, token, log_probability, likeliest))
        if self.trail is not None:
            self.trail.push(token)
        if self._is_timed:
            self.order.seconds_of_rules -= time.perf_counter() - began
            if self.order.seconds_of_rules < 0:
                told = "pattern and stop take too long to follow: give simpler or fewer ones, or ask for fewer texts"
                self.failure = ApiError(400, told, "pattern" if self.writing.rules else "stop")


class Prompt:
    """A prompt, and the texts that go on from it."""

    def __init__(self, network: Network, ids: Ids, replies: Sequence[Reply], remember: bool = False) -> None:
        self.network, self.ids, self.replies, self.remember = network, ids, replies, remember
        self.read = 0
        self.reading: Reading | None = None
        """After what was `read`."""
        self.trail: Trail | None = None

    @property
    def is_read(self) -> bool:
        return self.read == len(self.ids)

    @property
    def is_gone(self) -> bool:
        return all(reply.gone for reply in self.replies)
