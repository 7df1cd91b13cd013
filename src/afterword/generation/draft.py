"""One text being written: its prompt, the settings that steer its sampling, and the way from tokens to text.

prompt ──► Reading (see `healing`) ──► logits ──► Sampler ──► token ──► Draft ──► Piece
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError
from afterword.generation.copying import CopyGuard, Passages
from afterword.generation.ending import Ending, Goal, StopStrings
from afterword.generation.healing import MOST, Prompt, Reading, begun, prompt_ids, read_ids
from afterword.generation.repeats import REMEMBERED, WARM, Repeats
from afterword.generation.rules import APOSTROPHES, Rule, Rules, contained, is_of_word
from afterword.generation.sampling import Likeliest, Logits, Sampler, Sampling
from afterword.generation.words import Words
from afterword.model.folder.defaults import WritingDefaults
from afterword.model.folder.saved import SavedModel
from afterword.model.network.network import Network
from afterword.settings import whole_number
from afterword.text.tokenizer import Decoder, Tokenizer

DRAWN_AT_ONCE = 64  # random numbers of a text


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have been written."""

    text: str
    id: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class Piece:
    """One written token.

    `text` is the text that became certain with this token. It is empty inside a character of several bytes, and while a
    stop string may have begun or the last sentence ended; that text then comes with a later piece. The texts of all
    pieces, joined, are the whole text. `log_probability` is the model's own (nats, over all tokens, before any filter).
    `alternatives` are the likeliest tokens in its place, the likeliest first, as many as requested, with
    log-probabilities of the same kind.
    """

    text: str
    id: int
    log_probability: float
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A text that a model wrote."""

    prompt: str
    text: str
    """Without the prompt; str(sample) is both."""
    tokens: int
    """The number of tokens drawn, including the end token."""
    log_probability: float
    """The model's own, summed over those tokens (nats, before any filter)."""
    finish_reason: str
    """"stop" (end token, stop string, a sentence's end, or nothing more obeys the rules) or "length"."""
    seed: int
    """Writes the same text again, with the same settings."""
    pieces: tuple[Piece, ...] | None = None
    """Its tokens one by one, if their log-probabilities were requested."""

    def __str__(self) -> str:
        return self.prompt + self.text

    def __repr__(self) -> str:
        ended = f"{self.tokens:,} tokens, {self.finish_reason}, seed {self.seed}"
        return f"Sample({reprlib.repr(self.prompt)}, {reprlib.repr(self.text)}, {ended})"


class Terms:
    """Sampling settings, resolved for a model. One object serves any number of drafts.

    `passages` are those of the training text, if copies of it are forbidden. Raises OptionError for settings that do
    not suit the model or one another.
    """

    def __init__(self, model: SavedModel, sampling: Sampling, passages: Passages | None = None) -> None:
        self.model, self.sampling, self.passages = model, sampling, passages
        self.settled = sampling.settled(model.writing)
        tokenizer = model.tokenizer
        self._repeats = lru_cache(4)(partial(_repeats_of, tokenizer, self.settled))  # of the last prompts
        if sampling.min_tokens > self.settled.max_tokens:
            raise OptionError(f"min-tokens must be at most max-tokens, which is {self.settled.max_tokens}")
        self.stops = [tokenizer.normalise(stop) for stop in sampling.stop]
        self.goal: Goal | None = None
        finishes = sampling.finish_sentence
        if finishes is None:  # a given length is exact
            finishes = model.writing.finish_sentence and sampling.max_tokens is None and not sampling.rules
        if sampling.sentences or finishes:
            least, most = sampling.min_tokens, self.settled.max_tokens
            self.goal = Goal(sampling.sentences, least, most, finishes, not tokenizer.lowercase)
        # if all byte tokens share one row, it does not say which byte
        shared = [tokenizer.rows - 1] if tokenizer.rows < tokenizer.size else []
        self.mask = self._mask({*model.unseen, *shared})
        self.words: Words | None = None
        if self.settled.new_word_p:
            if model.ngram is None:
                raise OptionError(
                    "new-word-p needs an n-gram model, which knows the words of the text; this model has none: give 0"
                )
            self.words = Words(model.ngram, tokenizer)
        self.sampler = Sampler(sampling, self.settled, self.mask, tokenizer.rows - len(shared))
        blank = [row for row in range(tokenizer.rows) if tokenizer.spelling(row).isspace()]
        # running text does not begin with these
        self.blank = blank if np.isfinite(np.delete(self.mask, blank)).any() else []
        self.contained = [tokenizer.normalise(text) for text in sampling.contains]
        self.places = bool(self.contained) and not sampling.reject
        self.rules: Rules | None = None
        if sampling.rules:
            lengths = (0, None) if sampling.reject else (sampling.min_tokens, self.settled.max_tokens)
            self.rules = Rules(tokenizer, sampling, *lengths)
            if self.places:  # a script contains all, so that a far smaller automaton is enough
                self.rules = Rules(tokenizer, replace(sampling, contains=()), *lengths)
            # a rule may ask for a token that never occurred alone in training
            end = [] if tokenizer.end is None or tokenizer.end not in model.unseen else [tokenizer.end]
            self.allowed = self._mask({*end, *shared})

    def _mask(self, never: set[int]) -> Logits:
        """Return what to add to the logits [R] so that the rows `never` are not drawn."""
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
        return int(ids[0])

    @property
    def is_over(self) -> bool:
        """Return whether every text ends before its first token."""
        return Draft(self, "", 0).finish_reason is not None

    @cached_property
    def parting(self) -> NDArray[np.bool_]:
        """Return for each row [R] whether its token ends a word before it. All do if every text is one word."""
        tokenizer = self.model.tokenizer
        texts = [tokenizer.spelling(row).decode("utf-8", "replace")[:1] for row in range(tokenizer.rows)]
        parting = np.array([not is_of_word(text) and text not in {*APOSTROPHES, "\ufffd"} for text in texts])
        drawn = np.isfinite(self.mask) & (np.arange(tokenizer.rows) != tokenizer.end)
        return parting if (parting & drawn).any() else np.ones_like(parting)

    @cached_property
    def has_words(self) -> bool:
        """Return whether a text has word boundaries within it."""
        return not self.parting.all()

    def lacks(self, text: str, before: str = "") -> list[str]:
        """Return the required texts that `text`, which follows `before`, does not contain."""
        return [one for one in self.contained if not (contained(one, text, before) if self.has_words else one in text)]

    @property
    def draws(self) -> bool:
        """Return whether a text depends on the random numbers of its seed."""
        return self.settled.temperature > 0 or bool(self.sampling.final_temperature)

    def obeys(self, text: str) -> bool:
        """Return whether `text` obeys the rules."""
        return not self.lacks(text) and (self.rules is None or self.rules.allow(text))

    def repeats(self, prompt: str) -> Repeats | None:
        """Return the repetitions of a text that begins after `prompt`; None if nothing is penalised."""
        temperatures = (self.settled.temperature, self.sampling.final_temperature)
        if self.settled.repetition_penalty == 1 or all(one is None or one >= WARM for one in temperatures):
            return None
        return self._repeats(prompt[-REMEMBERED:]).copy()


class Draft:
    """A text being written: it takes tokens and returns text. A draw for it depends on nothing else.

    It begins with the tokens of `script`. `finish_reason` is "stop" (end token, stop string, or nothing more obeys the
    rules) or "length" once it has ended.
    """

    def __init__(self, terms: Terms, prompt: str, seed: int) -> None:
        """Raises OptionError for an invalid seed."""
        self.script: Sequence[int] = ()
        self.last = prompt[-1:]
        """The last character of the text, or of the prompt before it."""
        self.prompt, self.seed = prompt, checked_seed(seed)
        self.numbers = _numbers(self.seed)
        self.finish_reason: str | None = None if terms.settled.max_tokens else "length"
        self._terms = terms
        self.tokenizer = terms.model.tokenizer
        self._decoder = Decoder(self.tokenizer)
        self._ends: list[StopStrings | Ending] = [StopStrings(terms.stops)] if terms.stops else []
        if terms.goal is not None:
            self._ends.append(Ending(terms.goal, prompt))
        self._tokens = self.characters = 0
        """The number of characters written, including any that a stop string may cut off."""
        self._most = terms.settled.max_tokens
        self._rule: Rule | None = None
        if terms.rules is not None and not terms.sampling.reject:
            self._rule = terms.rules.begin()
            if self._rule.finished:
                self.finish_reason = "stop"
        self._repeats = terms.repeats(prompt)
        self._guard = None if terms.passages is None else CopyGuard(terms.passages, self.tokenizer.normalise(prompt))
        self._word = terms.words.after(prompt) if terms.words else ()
        self.rest = ""
        """The end of the prompt with which the next token begins. It does not belong to this text."""
        self._least = terms.sampling.min_tokens if self.tokenizer.end is not None else 0
        self._opens = not prompt and terms.model.writing.opening == "newline"
        self.steers = bool(self._opens or terms.sampling.contains or self._rule or self._repeats or self._least)
        self.guards = self._guard is not None
        followed = self._repeats is not None or terms.words or self.guards
        self._is_checked = bool(followed or self._rule or self._ends)

    def begin(self, reading: Reading) -> Reading:
        """Take the prompt as it was read. Return the way in which this text continues it, drawn by the probability of
        what can be written there."""
        ways = reading.ways or (reading,)
        chosen = 0
        if len(ways) > 1:
            sampler, left = self._terms.sampler, []
            for way in ways:
                self._enter(way)
                logits = way.logits[0].copy()
                if self.guards and way.rest:  # all of its tokens may be copies
                    longer = self.tokenizer.prefixes.longer(way.rest).tolist()
                    logits[[row for row in longer if self.refuses(row)]] = -math.inf
                left.append(sampler.left(logits, self))
            reached = sampler.shares(left).cumsum()
            chosen = int(reached.searchsorted(next(self.numbers) * reached[-1], "right"))
        self._enter(ways[chosen])
        return ways[chosen]

    def _enter(self, way: Reading) -> None:
        """Continue the prompt in that `way`."""
        back = self.tokenizer.decode(way.tokens) + way.rest
        if back:
            self.rest = way.rest
            before = self.tokenizer.normalise(self.prompt[-REMEMBERED - MOST :])[: -len(back)]
            if self._repeats is not None:
                self._repeats = self._terms.repeats(before)
                assert self._repeats is not None
                self._repeats.push(way.tokens)
            if self._terms.words:
                self._word = self._terms.words.after(before, way.tokens)

    def fork(self, seed: int) -> Draft:
        """Return a draft that continues from here with the random numbers of `seed`. The last character is complete."""
        other = copy(self)
        other.seed, other.numbers, other._decoder = seed, _numbers(seed), Decoder(self.tokenizer)
        if self._rule is not None:
            other._rule = self._rule.fork()
        if self._repeats is not None:
            other._repeats = self._repeats.copy()
        return other

    @property
    def ruled(self) -> Logits:
        """0 for the rows that the rules allow, -inf for the others [R]. A word at the end of the script must end."""
        assert self._rule is not None
        if self.rest:
            mask = np.full_like(self._rule.mask, -math.inf)
            longer = self.tokenizer.prefixes.longer(self.rest).tolist()
            mask[[row for row in longer if self._rule.allows(self._written(self.tokenizer.texts[row]))]] = 0
            return mask
        if self.script and self._tokens == len(self.script) and is_of_word(self.last):
            return np.where(self._terms.parting, self._rule.mask, -math.inf)
        return self._rule.mask

    @property
    def temperature(self) -> float:
        """Return the temperature of the next token."""
        first, last = self._terms.settled.temperature, self._terms.sampling.final_temperature
        if last is None:
            return first
        written = self._tokens if self._rule is None else self.characters
        return first + (last - first) * min(1.0, written / max(1, self._terms.settled.max_tokens - 1))

    def steer(self, own: Logits, left: Logits) -> None:
        """See `sampling.Steered`. Raises ModelError if no token is left."""
        if self._tokens < len(self.script):
            left.fill(-math.inf)
            left[self.script[self._tokens]] = 0.0
            return
        if self._opens and not self._tokens:
            left[self._terms.blank] = -math.inf
        if self._rule is not None:
            ruled = self.ruled
            left += ruled
            if left[left.argmax()] == -math.inf:
                np.add(own, self._terms.allowed, out=left)
                left += ruled
        if self._repeats is not None and self._repeats.repeats:
            colder = max(0.0, 1 - self.temperature / WARM)
            for token, nats in self._repeats.penalties():
                if token < len(left):  # a byte of an unknown character is never drawn
                    left[token] -= nats * colder
        if self._tokens < self._least and self._rule is None:
            left[self.tokenizer.end] = -math.inf
            if left[left.argmax()] == -math.inf:
                raise ModelError("this model saw no token in training but a line's end: min-tokens must be 0")

    @property
    def known(self) -> NDArray[np.bool_] | None:
        """See `sampling.Steered`."""
        return self._terms.words.known(self._word) if self._terms.words else None

    def refuses(self, token: int) -> bool:
        """Return whether `token` would make a copy that is too long."""
        return self._guard is not None and self._guard.copies(self._written(self._decoder.peek(token)))

    def push(self, token: int) -> str:
        """Take `token` and return the text that became certain with it.

        Nothing is certain inside a character, while a stop string may have begun, or while a sentence may have ended.
        """
        text = self._decoder.push(token)
        rest, self.rest = self.rest, ""
        if rest:
            text = text[len(rest) :]
        self.last = text[-1:] or self.last
        self._tokens += 1
        self.characters += len(text)
        if token == self.tokenizer.end:
            self.finish_reason = "stop"
        elif self._tokens == self._most and self._rule is None and not (self._terms.goal and self._terms.goal.finishes):
            self.finish_reason = "length"
        return self._checked(token, text, rest) if self._is_checked else text

    def _checked(self, token: int, text: str, rest: str) -> str:
        """Pass the token to everything that tracks or may end this text. Return the part of `text` that is certain."""
        if self._repeats is not None:
            self._repeats.push([token])
        if self._terms.words:
            self._word = self._terms.words.pushed(self._word, token)
        if self._guard is not None:
            self._guard.push(text)
        if self._rule is not None and token != self.tokenizer.end:
            self._rule.push(*(self.tokenizer.prefixes.rows_of(text) if rest else [token]))
            if self._rule.finished:
                self.finish_reason = "stop" if self.characters < self._most else "length"
        for end in self._ends:
            text, reason = end.push(text, self._tokens)
            if reason:
                self.finish_reason = reason
            elif self.finish_reason:
                text += end.finish()
        return text

    def _written(self, text: str) -> str:
        """Return the part of the next token's `text` that follows the prompt."""
        return text[len(self.rest) :]

    def sample(self, text: str, tokens: int, log_probability: float, pieces: Sequence[Piece]) -> Sample:
        """Return what was written as a sample, with its `pieces` if their log-probabilities were asked for."""
        kept = None if self._terms.sampling.log_probabilities is None else tuple(pieces)
        return Sample(self.prompt, text, tokens, log_probability, self.finish_reason or "length", self.seed, kept)

    def piece(self, token: int, log_probability: float, likeliest: Likeliest) -> Piece:
        """Do what `push` does, and return a piece."""
        decode = self.tokenizer.decode
        alternatives = tuple([Alternative(self._written(decode([id])), id, log) for id, log in likeliest])
        return Piece(self.push(token), token, log_probability, alternatives)


Scripts = Callable[[Sequence[tuple[Reading, int]]], Sequence[Sequence[int]]]
"""Returns the script of the text of each reading and seed."""


class Stream(Iterator[Piece]):
    """The pieces of a text, one per token, as they are written. At their end `finish_reason` is "stop" (end token, stop
    string, or nothing more obeys the rules) or "length"."""

    def __init__(
        self,
        terms: Terms,
        network: Network,
        prompt: Prompt,
        seed: int,
        label: str | None = None,
        scripts: Scripts | None = None,
    ) -> None:
        """Raises OptionError for an invalid seed or label, TextError for a prompt that is not valid text."""
        self._scripts = scripts
        self.seed = checked_seed(seed)
        prompt = begun(terms.model, network, prompt, label)
        self._start = prompt if isinstance(prompt, Reading) else prompt_ids(terms.model, prompt, self.seed)
        self.prompt = prompt.prompt if isinstance(prompt, Reading) else prompt or ""
        self._sampler, self._draft = terms.sampler, Draft(terms, self.prompt, self.seed)
        self._pieces = self._write(network)

    def __repr__(self) -> str:
        return f"Stream(seed {self.seed}, {self.finish_reason or 'not at its end'})"

    def __next__(self) -> Piece:
        return next(self._pieces)

    @property
    def finish_reason(self) -> str | None:
        return self._draft.finish_reason

    def sample(self) -> Sample:
        """Write to the end, and return what was written from here on as a sample."""
        pieces = list(self)
        text = "".join([piece.text for piece in pieces])
        return self._draft.sample(text, len(pieces), sum(piece.log_probability for piece in pieces), pieces)

    def _write(self, network: Network) -> Iterator[Piece]:
        draft, sampler, start = self._draft, self._sampler, self._start
        if draft.finish_reason:
            return
        if not isinstance(start, Reading):
            start = read_ids(draft.tokenizer, network, self.prompt, start)
        start = draft.begin(start)
        if self._scripts is not None:
            draft.script = self._scripts([(start, self.seed)])[0]
        logits, state = start.logits, start.state
        while True:
            piece = draft.piece(*sampler.draw(logits[0], draft, network.normalised))
            yield piece
            if draft.finish_reason:
                return
            logits, state = network.step(np.array([piece.id]), state)


def checked_seed(seed: int) -> int:
    """Return `seed` as an int. Raises OptionError if it is not from 0 to 2^64 - 1."""
    seed = whole_number("seed", seed)
    if not 0 <= seed < 2**64:
        raise OptionError(f"seed must be from 0 to {2**64 - 1}, not {seed}")
    return seed


def _repeats_of(tokenizer: Tokenizer, settled: WritingDefaults, prompt: str) -> Repeats:
    """Return the repetitions of `prompt`."""
    repeats = Repeats(settled.repetition_penalty, tokenizer.lengths)
    repeats.push(tokenizer.encode(prompt).tolist())
    return repeats


def _numbers(seed: int) -> Iterator[float]:
    """Yield the random numbers of a seed, from 0 to 1."""
    random = np.random.Generator(np.random.PCG64(seed))
    while True:
        yield from random.random(DRAWN_AT_ONCE).tolist()
