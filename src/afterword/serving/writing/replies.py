"""The texts that are written for a request, their prompts, and the log-probabilities of their tokens."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np

from afterword.errors import AfterwordError
from afterword.generation.draft import Draft, Terms
from afterword.generation.healing import Reading
from afterword.generation.parallel import Text
from afterword.generation.sampling import Likeliest
from afterword.model.arrays import Ids
from afterword.model.network.network import Network
from afterword.serving.http.failures import ApiError
from afterword.serving.writing.memory import Trail

NO_IDS = np.empty(0, np.int32)
SECONDS_OF_RULES = 2.0  # that the rules and stop strings of one request may take


class DrawnToken(NamedTuple):
    """A token drawn for a text whose request asks for log-probabilities."""

    at: int
    """The start of the token's text, in characters of the text written."""
    rest: str
    """The end of the prompt with which the token begins."""
    token: int
    log_probability: float
    likeliest: Likeliest


class LogProbabilities(msgspec.Struct):
    """Parallel lists with one entry per token."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


@dataclass
class Order:
    """The state that all texts of a request share."""

    news: asyncio.Event
    """Set when any of the texts has grown."""
    streams: bool
    seconds_of_rules: float = SECONDS_OF_RULES
    """The seconds that are left."""


class Reply(Text):
    """A text that is written for a request. The scheduler's thread fills it, and the event loop's thread empties it."""

    def __init__(self, terms: Terms, prompt: str, seed: int, order: Order) -> None:
        super().__init__(terms, Draft(terms, prompt, seed))
        self.seed, self.order = seed, order
        self.parts: deque[str] = deque()
        """The text that became certain with each token."""
        self.drawn: deque[DrawnToken] | None = None if terms.sampling.log_probabilities is None else deque()
        """The tokens of `parts` if the request asks for log-probabilities. Each is added before its part."""
        self.log_probability = 0.0
        """The sum of the log-probabilities of all tokens."""
        self.done = self.draft.finish_reason is not None
        self.begun = self.gone = False
        self.failure: ApiError | None = None
        """The reason why it ended early."""
        self.trail: Trail | None = None  # of the tokens read and written, if they are remembered
        self._is_timed = terms.rules is not None or bool(terms.stops)

    @property
    def is_over(self) -> bool:
        return self.gone or self.failure is not None or self.draft.finish_reason is not None

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        if self.drawn is not None:
            at, rest = self.draft.characters, self.draft.rest
            self.drawn.append(DrawnToken(at, rest, token, log_probability, likeliest))
        self.log_probability += log_probability
        self.parts.append(self._timed(token) if self._is_timed else self.draft.push(token))
        if self.trail is not None:
            self.trail.push(token)

    def _timed(self, token: int) -> str:
        """Push a token to the draft, and count the time that its rules and stop strings take."""
        began = time.perf_counter()
        try:
            return self.draft.push(token)
        except AfterwordError as error:  # a rule that outgrew its limits must not end other texts
            self.failure = ApiError(400, str(error), "pattern")
            return ""
        finally:
            self.order.seconds_of_rules -= time.perf_counter() - began
            if self.order.seconds_of_rules < 0 and self.failure is None:
                message = "pattern and stop take too long: give simpler or fewer ones, or ask for fewer texts"
                self.failure = ApiError(400, message, "pattern" if self.terms.rules else "stop")


class Prompt:
    """A prompt, and the texts that continue it."""

    def __init__(
        self, network: Network, ids: Ids, replies: Sequence[Reply], remember: bool = False, last: Ids = NO_IDS
    ) -> None:
        """Begin with `ids`; the tokens `last` that follow are taken back: see `healing`."""
        self.network, self.ids, self.replies, self.remember, self.last = network, ids, replies, remember, last
        self.digest = blake2b(ids.tobytes(), digest_size=16).digest()
        """A hash of `ids`, by which equal prompts are found."""
        self.read = 0
        self.reading: Reading | None = None
        """The state after the tokens `read`."""
        self.trail: Trail | None = None

    @property
    def is_read(self) -> bool:
        return self.read == len(self.ids) and not len(self.last)

    @property
    def is_gone(self) -> bool:
        return all(reply.gone for reply in self.replies)
