"""One text in the making: what steers its draws, and tokens to text as they come, cut at stop strings, and ended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from afterword.errors import ModelError, OptionError
from afterword.generation.copying import Guard, Passages
from afterword.generation.pieces import Alternative, Piece
from afterword.generation.repeats import REMEMBERED, WARM, Repeats
from afterword.generation.rules import Rule, Rules
from afterword.generation.sampling import Likeliest, Logits, Sampler, Sampling
from afterword.model.saved import SavedModel

DRAWN_AT_ONCE = 64  # random numbers of a text


class Writing:
    """What all texts have in common that `model` writes by `sampling`: made once, it begins any number of them.

    `passages` are those of what was learned from, where none may be copied. Raises OptionError for settings that do not
    suit the model, or one another.
    """

    def __init__(self, model: SavedModel, sampling: Sampling, passages: Passages | None = None) -> None:
        self.model, self.sampling, self.passages = model, sampling, passages
        self.settled = sampling.settled(model.writing)
        self._after: tuple[str, Repeats] | None = None  # the last prompt, and what it repeats
        tokenizer = model.tokenizer
        if sampling.min_tokens > self.settled.max_tokens:
            raise OptionError(f"min-tokens must be at most max-tokens, which is {self.settled.max_tokens}")
        self.stops = [tokenizer.normalise(stop) for stop in sampling.stop]
        # one row for all byte tokens says nothing of which byte
        shared = [tokenizer.rows - 1] if tokenizer.rows < tokenizer.size else []
        self.masked = self._mask({*model.unseen, *shared})
        self.sampler = Sampler(sampling, self.settled, self.masked, tokenizer.rows - len(shared))
        self.rules: Rules | None = None
        if sampling.rules:
            longest = None if sampling.reject else self.settled.max_tokens
            self.rules = Rules(tokenizer, sampling, 0 if sampling.reject else sampling.min_tokens, longest)
            # a rule may ask for a token that never stood alone in training
            end = [] if tokenizer.end is None or tokenizer.end not in model.unseen else [tokenizer.end]
            self.allowed = self._mask({*end, *shared})

    def _mask(self, never: set[int]) -> Logits:
        """What is added to the logits [R], if the rows `never` must not be drawn."""
        mask = np.zeros(self.model.tokenizer.rows)
        for token, bias in self.sampling.biases.items():
            mask[self._row(token)] = bias
        mask[sorted(never)] = -np.inf
        return mask

    def _row(self, token: str) -> int:
        tokenizer = self.model.tokenizer
        ids = [tokenizer.names.index(token)] if token in tokenizer.names else tokenizer.encode(token).tolist()
        if len(ids) != 1 or ids[0] >= tokenizer.rows:
            raise OptionError(f"logit-bias must name a token of this model, which {token[:40]!r} is not")
        row: int = ids[0]
        return row

    @property
    def is_over(self) -> bool:
        """Whether every text ends before its first token."""
        return self.begin("", 0).finish_reason is not None

    def obeys(self, text: str) -> bool:
        """Whether `text` obeys the rules."""
        return self.rules is None or self.rules.allow(text)

    def begin(self, prompt: str, seed: int) -> Writer:
        """A text of `seed` (0 to 2^64 - 1) after `prompt`."""
        return Writer(self, prompt, seed)

    def repeats(self, prompt: str) -> Repeats | None:
        """The repetitions of a text that begins after `prompt`; None where they are free."""
        temperatures = (self.settled.temperature, self.sampling.final_temperature)
        if self.settled.repetition_penalty == 1 or all(one is None or one >= WARM for one in temperatures):
            return None
        after = self._after  # another thread may change it meanwhile
        if after is None or after[0] != prompt:
            repeats = Repeats(self.settled.repetition_penalty)
            repeats.push(self.model.tokenizer.encode(prompt[-REMEMBERED:]).tolist())
            after = self._after = prompt, repeats
        return after[1].copy()


class Writer:
    """A text on its way: takes its tokens, gives its text. A draw for it depends on this, and on nothing beside it.

    `finish_reason` is "stop" (end token, stop string, or nothing more obeys the rules) or "length" once it has ended.
    """

    def __init__(self, writing: Writing, prompt: str, seed: int) -> None:
        self.numbers = _numbers(seed)
        self.finish_reason: str | None = None if writing.settled.max_tokens else "length"
        self._writing = writing
        self._tokenizer = writing.model.tokenizer
        self._decoder = self._tokenizer.decoder()
        self._stops = StopStrings(writing.stops) if writing.stops else None
        self._tokens = self._characters = 0
        self._rule: Rule | None = None
        if writing.rules is not None and not writing.sampling.reject:
            self._rule = writing.rules.begin()
            if self._rule.finished:
                self.finish_reason = "stop"
        self._repeats = writing.repeats(prompt)
        self._guard = None if writing.passages is None else Guard(writing.passages, self._tokenizer.normalise(prompt))
        self._least = writing.sampling.min_tokens if self._tokenizer.end is not None else 0
        self.steers = bool(self._rule or self._repeats or self._least)
        self.guards = self._guard is not None

    @property
    def characters(self) -> int:
        """How many have been written, those that may be cut off at a stop string too."""
        return self._characters

    @property
    def temperature(self) -> float:
        """That of the next token."""
        first, last = self._writing.settled.temperature, self._writing.sampling.final_temperature
        if last is None:
            return first
        written = self._tokens if self._rule is None else self._characters
        return first + (last - first) * min(1.0, written / max(1, self._writing.settled.max_tokens - 1))

    def steer(self, own: Logits, left: Logits) -> None:
        """See `sampling.Steered`. Raises ModelError where no token is left."""
        if self._rule is not None:
            left += self._rule.mask
            if left[left.argmax()] == -math.inf:
                np.add(own, self._writing.allowed, out=left)
                left += self._rule.mask
        if self._repeats is not None and self._repeats.repeats:
            colder = max(0.0, 1 - self.temperature / WARM)
            for token, nats in self._repeats.penalties():
                left[token] -= nats * colder
        if self._tokens < self._least and self._rule is None:
            left[self._tokenizer.end] = -math.inf
            if left[left.argmax()] == -math.inf:
                raise ModelError("this model saw no token in training but a line's end: min-tokens must be 0")

    def refuses(self, token: int) -> bool:
        """Whether `token` would go on with a copy that is too long."""
        return self._guard is not None and self._guard.copies(self._decoder.peek(token))

    def push(self, token: int) -> str:
        """What became certain with `token`: nothing inside a character, and while a stop string may be under way."""
        text = self._decoder.push(token)
        self._tokens += 1
        self._characters += len(text)
        if self._repeats is not None:
            self._repeats.push([token])
        if self._guard is not None:
            self._guard.push(text)
        if token == self._tokenizer.end:
            self.finish_reason = "stop"
        elif self._rule is not None:
            self._rule.push(token)
            if self._rule.finished:
                self.finish_reason = "stop" if self._characters < self._writing.settled.max_tokens else "length"
        elif self._tokens == self._writing.settled.max_tokens:
            self.finish_reason = "length"
        if self._stops:
            text, found = self._stops.push(text)
            if found:
                self.finish_reason = "stop"
            elif self.finish_reason:
                text += self._stops.finish()
        return text

    def piece(self, token: int, log_probability: float, likeliest: Likeliest) -> Piece:
        """`push`, as a piece."""
        decode = self._tokenizer.decode
        alternatives = tuple([Alternative(decode([id]), id, log) for id, log in likeliest])
        return Piece(self.push(token), token, log_probability, alternatives)


def _numbers(seed: int) -> Iterator[float]:
    """The random numbers of a seed, from 0 to 1."""
    random = np.random.Generator(np.random.PCG64(seed))
    while True:
        yield from random.random(DRAWN_AT_ONCE).tolist()


class StopStrings:
    """Cuts a text that comes in parts before the first stop string that it completes."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""  # could be the start of a stop string

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is certain now, and whether a stop string has ended it."""
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            return self._held[: min(found)], True
        keep = max(_begun(self._held, stop) for stop in self._stops)
        certain = self._held[: len(self._held) - keep]
        self._held = self._held[len(certain) :]
        return certain, False

    def finish(self) -> str:
        """What was held back, once nothing can follow it."""
        return self._held


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
