"""The texts that are written for a request, their prompts, and the log-probabilities of their tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from afterword.errors import AfterwordError
from afterword.generation.continuation import Continuation, Policy
from afterword.generation.prefill import Prompt, Reading
from afterword.generation.sampling import Likeliest
from afterword.generation.texts import Text
from afterword.model.arrays import Ids
from afterword.serving.http.failures import ApiError
from afterword.serving.writing.memory import Memory, TokensRead

SECONDS_OF_RULES = 2.0  # that the rules and stop strings of one request may take


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

    def __init__(self, policy: Policy, prompt: str, seed: int, order: Order) -> None:
        super().__init__(Continuation(policy, prompt, seed), policy.sampling.log_probabilities is not None)
        self.seed, self.order = seed, order
        self.done = super().is_over
        self.begun = self.gone = False
        self.failure: ApiError | None = None
        """The reason why it ended early."""
        self.tokens_read: TokensRead | None = None  # of the tokens read and written, if they are remembered
        self._is_timed = policy.rules is not None or bool(policy.stops)

    @property
    def is_over(self) -> bool:
        return self.gone or self.failure is not None or super().is_over

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        """Push a token, and count the time that its rules and stop strings take."""
        began = time.perf_counter()
        try:
            super().push(token, log_probability, likeliest)
        except AfterwordError as error:  # a rule that outgrew its limits must not end other texts
            self.failure = ApiError(400, error.over_http, "pattern")
        if self._is_timed:
            self.order.seconds_of_rules -= time.perf_counter() - began
            if self.order.seconds_of_rules < 0 and self.failure is None:
                message = "pattern and stop take too long: give simpler or fewer ones, or ask for fewer texts"
                self.failure = ApiError(400, message, "pattern" if self.policy.rules else "stop")
        if self.tokens_read is not None:
            self.tokens_read.push(token)


class RequestedPrompt(Prompt):
    """A prompt of a request, and the replies that continue it."""

    def __init__(self, prompt: Prompt, replies: Sequence[Reply], remember: bool = False) -> None:
        super().__init__(prompt.network, prompt.tokenizer, prompt.prompt, prompt.ids, prompt.tail)
        self.replies, self.remember = replies, remember
        self._memory: Memory | None = None
        self.tokens_read: TokensRead | None = None

    @property
    def is_gone(self) -> bool:
        return all(reply.gone for reply in self.replies)

    def look_up(self, memory: Memory) -> None:
        """Skip the longest prefix whose state is known, and store the states on the way."""
        self._memory = memory
        self.tokens_read, self.reading = memory.longest(self.network, self.ids)
        self.read = self.tokens_read.length

    def take(self, ids: Ids, reading: Reading) -> None:
        super().take(ids, reading)
        if self.tokens_read is not None and self._memory is not None:
            self.tokens_read.extend(ids)
            self._memory.keep(self.tokens_read, reading)
