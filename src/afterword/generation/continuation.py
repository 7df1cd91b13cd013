"""The state of one text being written: what steers the draw of its next token, and the way from tokens to text.

prompt ──► Reading (see `prefill`) ──► logits ──► Sampler ──► token ──► Continuation ──► text
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.generation.copying import CopyGuard, Passages
from afterword.generation.ending import BEYOND, Ending, Goal, StopStrings
from afterword.generation.prefill import Reading
from afterword.generation.repeats import TOKENS_KEPT, WARM, Repeats
from afterword.generation.rules import APOSTROPHES, Rule, Rules, contained, is_of_word
from afterword.generation.sampling import NO_TOKEN, Logits, Sampler, Sampling
from afterword.generation.words import Words
from afterword.model.folder.defaults import WritingDefaults
from afterword.model.folder.saved import SavedModel
from afterword.settings import whole_number
from afterword.text.lines import TAB, known_label
from afterword.text.symbols import LONGEST_SYMBOL
from afterword.text.tokenizer import Tokenizer

DRAWN_AT_ONCE = 64  # random numbers of a text
MOST_RETURNS = 32  # of a text from a dead end
UNLABELLED = "lines of this model begin with a label: begin the prompt with LABEL and a tab; or give `label`"
Tree = dict[int, "Tree"]


class Policy:
    """Sampling settings, resolved for a model. One object serves any number of texts.

    `passages` are those of the training text, if copies of it are forbidden. Raises OptionError for settings that do
    not suit the model or one another.
    """

    def __init__(self, model: SavedModel, sampling: Sampling, passages: Passages | None = None) -> None:
        self.model, self.sampling, self.passages = model, sampling, passages
        self.resolved = sampling.resolved(model.writing)
        self.draws = self.resolved.temperature > 0
        """Whether a text depends on the random numbers of its seed."""
        tokenizer = model.tokenizer
        self._repeats = lru_cache(4)(partial(_repeats_of, tokenizer, self.resolved))  # of the last prompts
        self.stops = [tokenizer.normalise(stop) for stop in sampling.stop]
        self.goal: Goal | None = None
        finishes = sampling.finish_sentence
        if finishes is None:  # a given length is exact, and a pattern describes the whole text
            finishes = model.writing.finish_sentence and sampling.max_tokens is None and sampling.pattern is None
        if sampling.sentences or finishes:
            self.goal = Goal(sampling.sentences, self.resolved.max_tokens, finishes, not tokenizer.lowercase)
        self.mask = self._mask(model.masked)
        drawn = np.flatnonzero(np.isfinite(self.mask)).tolist()
        self.may_end = tokenizer.end in drawn
        self.following = [tokenizer.texts[row] for row in drawn if row != tokenizer.end]
        self.words: Words | None = None
        if self.resolved.new_word_p:
            if model.ngram is None:
                raise OptionError(
                    "`new_word_p` needs an n-gram model, which knows the words of the text; this model has none: give 0"
                )
            self.words = Words(model.ngram, tokenizer)
        self.sampler = Sampler(sampling, self.resolved, self.mask, tokenizer.own_rows)
        self.blank = model.blank
        self.contained = [tokenizer.normalise(text) for text in sampling.contains]
        self.rules: Rules | None = None
        if sampling.rules:
            # an automaton without a length is far smaller; a text that finishes its sentence needs none
            most = self.resolved.max_tokens + BEYOND * finishes
            self._longest = None if finishes and sampling.pattern is None else most
            self.rules = self._rules()
        # what must follow may be a token that never occurred alone in training, except for the end and a shared row
        self.allowed = self._mask([row for row in model.masked if row == tokenizer.end or row >= tokenizer.own_rows])
        self.labels: Tree = {}
        """The rows with which a label and its tab can begin; for each, those that can follow, and so on."""
        for label in model.about.get("labels") or ():
            rows, node = tokenizer.encode(label + TAB).tolist(), self.labels
            if max(rows) < tokenizer.own_rows:
                for row in rows:
                    node = node.setdefault(row, {})

    def _rules(self, labels: Sequence[str] = ()) -> Rules:
        rules = Rules(self.model.tokenizer, self.sampling, self._longest, labels)
        if self.contained:  # the forced tokens contain all, so that a far smaller automaton is enough
            rules = Rules(self.model.tokenizer, replace(self.sampling, contains=()), self._longest, labels)
        return rules

    @cached_property
    def rules_with_label(self) -> Rules:
        """The rules of a text that begins with its label. Raises OptionError if no text obeys them."""
        return self._rules([*self.model.about["labels"]])

    def _mask(self, never: Sequence[int]) -> Logits:
        """Return what to add to the logits [R] so that the rows `never` are not drawn."""
        mask = np.zeros(self.model.tokenizer.rows)
        for token, bias in self.sampling.biases.items():
            mask[self._row(token)] = bias
        mask[never] = -np.inf
        return mask

    def _row(self, token: str) -> int:
        tokenizer = self.model.tokenizer
        ids = [tokenizer.names.index(token)] if token in tokenizer.names else tokenizer.encode(token).tolist()
        if len(ids) != 1 or ids[0] >= tokenizer.rows:
            raise OptionError(f"logit-bias must name a token of this model, which {token[:40]!r} is not")
        return int(ids[0])

    @cached_property
    def parting(self) -> Annotated[NDArray[np.bool_], "R"]:
        """Return for each row whether its token ends a word before it. All do if every text is one word."""
        tokenizer = self.model.tokenizer
        firsts = [text[:1] for text in tokenizer.texts]
        parting = np.array([not is_of_word(first) and first not in {*APOSTROPHES} for first in firsts])
        drawn = np.isfinite(self.mask) & (np.arange(tokenizer.rows) != tokenizer.end)
        return parting if (parting & drawn).any() else np.ones_like(parting)

    @cached_property
    def has_words(self) -> bool:
        """Return whether a text has word boundaries within it."""
        return not self.parting.all()

    def lacks(self, text: str, before: str = "") -> list[str]:
        """Return the required texts that `text`, which follows `before`, does not contain."""
        return [one for one in self.contained if not (contained(one, text, before) if self.has_words else one in text)]

    def repeats(self, prompt: str) -> Repeats | None:
        """Return the repetitions of a text that begins after `prompt`; None if nothing is penalised."""
        if self.resolved.repetition_penalty == 1 or self.resolved.temperature >= WARM:
            return None
        return self._repeats(prompt[-TOKENS_KEPT:]).copy()


class Continuation:
    """The state of a text being written: it takes tokens and returns text. A draw for it depends on nothing else.

    It begins with the tokens `forced`. `finish_reason` is "stop" (end token, stop string, or nothing more obeys the
    rules), "length", or "rules" (no token may follow) once it has ended.
    """

    def __init__(self, policy: Policy, prompt: str, seed: int, labelled: bool = False) -> None:
        """`labelled` if a label comes before the prompt.

        Raises OptionError for an invalid seed, and for a prompt that needs a label before it, or begins with another.
        """
        self.forced: Sequence[int] = ()
        self.last = prompt[-1:]
        """The last character of the text, or of the prompt before it."""
        self.text = ""
        """The text of the last token."""
        self.prompt, self.seed = prompt, checked_seed(seed)
        self.numbers = _numbers(self.seed)
        self.finish_reason: str | None = None if policy.resolved.max_tokens else "length"
        self.policy = policy
        self.tokenizer = policy.model.tokenizer
        self._ends: list[StopStrings | Ending] = [StopStrings(policy.stops)] if policy.stops else []
        if policy.goal is not None:
            self._ends.append(Ending(policy.goal, prompt))
        self.length = self.characters = 0
        """The numbers of tokens and characters written, including any that a stop string may cut off."""
        self._most = policy.resolved.max_tokens
        self._labelled = labelled
        self._label: Tree = {}  # what can follow of a label, while it is drawn
        if policy.labels and not (labelled or self.finish_reason):
            if not prompt:
                self._label = policy.labels
            elif TAB not in prompt:
                raise OptionError(UNLABELLED)
            else:
                known_label(prompt.partition(TAB)[0], policy.model.about["labels"], self.tokenizer)
        self._rule: Rule | None = None
        if policy.rules is not None:
            self._rule = (policy.rules_with_label if self._label else policy.rules).begin()
            if self._rule.finished:
                self.finish_reason = "stop"
        self._limits_tokens = self._rule is None and not (policy.goal and policy.goal.finishes)
        self._repeats = policy.repeats(prompt)
        self._guard = None if policy.passages is None else CopyGuard(policy.passages, self.tokenizer.normalise(prompt))
        self._word = policy.words.after(prompt) if policy.words else ()
        self.rest = ""
        """The end of the prompt with which the next token begins. It does not belong to this text."""
        self._opens = not prompt and policy.model.writing.opening == "newline"
        steered = (self._opens, policy.sampling.contains, self._rule, self._repeats, policy.words)
        self.steers = any([*steered, self._label])
        self._drawn: list[int] = []  # as far as copies are refused
        self._returns, self._refused = 0, set[tuple[int, int]]()  # places and tokens there that led to a dead end
        self.guards = self._guard is not None
        followed = self._repeats is not None or policy.words or self.guards
        self._is_checked = bool(followed or self._rule or self._ends)

    def begin(self, reading: Reading) -> Reading:
        """Take the prompt as it was read. Return the spelling that this text continues, drawn by the probability of
        what can be written after it."""
        each, chosen = reading.each, 0
        if len(each) > 1:
            sampler, left = self.policy.sampler, []
            for spelling in each:
                self._enter(spelling)
                logits = spelling.logits[0].copy()
                if self.guards and spelling.rest:  # all of its tokens may be copies
                    longer = self.tokenizer.prefixes.longer(spelling.rest).tolist()
                    logits[[row for row in longer if self.refuses(row)]] = -math.inf
                left.append(sampler.left(logits, self))
            reached = sampler.shares(left).cumsum()
            chosen = int(reached.searchsorted(next(self.numbers) * reached[-1], "right"))
        self._enter(each[chosen])
        return each[chosen]

    def _enter(self, spelling: Reading) -> None:
        """Continue the prompt after that `spelling` of its end."""
        back = self.tokenizer.decode(spelling.tokens) + spelling.rest
        if back:
            self.rest = spelling.rest
            before = self.tokenizer.normalise(self.prompt[-TOKENS_KEPT - LONGEST_SYMBOL :])[: -len(back)]
            if self._repeats is not None:
                self._repeats = self.policy.repeats(before)
                assert self._repeats is not None
                self._repeats.push(spelling.tokens)
            if self.policy.words:
                self._word = self.policy.words.after(before, spelling.tokens)

    def fork(self, seed: int) -> Continuation:
        """Return a copy that proceeds with the random numbers of `seed`."""
        other = copy(self)
        other.seed, other.numbers = seed, _numbers(seed)
        if self._rule is not None:
            other._rule = self._rule.fork()
        if self._repeats is not None:
            other._repeats = self._repeats.copy()
        other._ends = [copy(end) for end in self._ends]
        return other

    @property
    def ruled(self) -> Annotated[Logits, "R"]:
        """0 for the rows that the rules allow, -inf for the others. A word at the end of `forced` must end."""
        if self._rule is None:
            mask = np.full(len(self.policy.mask), -math.inf)
            mask[[*self._label]] = 0
            return mask
        if self.rest:
            mask = np.full_like(self._rule.mask, -math.inf)
            longer = self.tokenizer.prefixes.longer(self.rest).tolist()
            mask[[row for row in longer if self._rule.allows(self._written(self.tokenizer.texts[row]))]] = 0
            return mask
        if self.forced and self.length == len(self.forced) and is_of_word(self.last):
            return np.where(self.policy.parting, self._rule.mask, -math.inf)
        return self._rule.mask

    def steer(self, own: Logits, left: Logits) -> None:
        """See `sampling.Steered`."""
        if self.length < len(self.forced):
            left.fill(-math.inf)
            left[self.forced[self.length]] = 0.0
            return
        if self._opens and not self.length:
            left[self.policy.blank] = -math.inf
        if self._rule is not None or self._label:
            ruled = self.ruled
            left += ruled
            if left[left.argmax()] == -math.inf:
                np.add(own, self.policy.allowed, out=left)
                left += ruled
        if self._repeats is not None and self._repeats.repeats:
            colder = max(0.0, 1 - self.policy.resolved.temperature / WARM)
            for token, nats in self._repeats.penalties():
                if token < len(left):  # a byte of an unknown character is never drawn
                    left[token] -= nats * colder
        if self.policy.words:
            self.policy.words.keep_capitals(self._word, left)

    @property
    def known(self) -> NDArray[np.bool_] | None:
        """See `sampling.Steered`."""
        return self.policy.words.known(self._word) if self.policy.words else None

    def refuses(self, token: int) -> bool:
        """Return whether `token` would make a copy that is too long, or whether every token after it would."""
        if self._guard is None or self._label:  # a label is no copy
            return False
        text, copies = self._written(self.tokenizer.texts[token]), self._guard.copies
        if (self.length, token) in self._refused or copies(text):
            return True
        is_last = self.length + 1 == self._most or self.policy.may_end
        return bool(text) and not is_last and all(copies(text + following) for following in self.policy.following)

    def again(self) -> Continuation | None:
        """Return a text that continues in another way before the dead end that this one met: one token before the
        first dead end, two before the second, and so on. After too many, it ends as a stream does. Return None if this
        text met no dead end, or has ended so."""
        if self.finish_reason != "rules" or self._returns == MOST_RETURNS:
            return None
        again = Continuation(self.policy, self.prompt, self.seed, self._labelled)
        again._returns, again.steers = self._returns + 1 if self._drawn else MOST_RETURNS, True
        if again._returns < MOST_RETURNS:
            place = max(0, len(self._drawn) - again._returns)
            again.forced = self._drawn[:place]
            again._refused = {one for one in self._refused if one[0] <= place} | {(place, self._drawn[place])}
        return again

    def append(self, token: int) -> str:
        """Take `token` and return the text that became certain with it. The text ends at NO_TOKEN.

        Nothing is certain while a stop string may have begun, or while a sentence may have ended.
        """
        if token == NO_TOKEN:
            self.finish_reason = "rules"
            return self._certain("")
        text = self._written(self.tokenizer.texts[token])
        rest, self.rest = self.rest, ""
        self.last = text[-1:] or self.last
        self.text = text
        self.length += 1
        self._label = self._label.get(token, {})
        self.characters += len(text)
        if token == self.tokenizer.end:
            self.finish_reason = "stop"
        elif self.length == self._most and self._limits_tokens:
            self.finish_reason = "length"
        return self._checked(token, text, rest) if self._is_checked else text

    def _checked(self, token: int, text: str, rest: str) -> str:
        """Pass the token to everything that tracks or may end this text. Return the part of `text` that is certain."""
        if self._repeats is not None:
            self._repeats.push([token])
        if self.policy.words:
            self._word = self.policy.words.pushed(self._word, token)
        if self._guard is not None:
            self._guard.push(text)
            self._drawn.append(token)
        if self._rule is not None and token != self.tokenizer.end:
            self._rule.push(*(self.tokenizer.prefixes.rows_of(text) if rest else [token]))
            if self._rule.finished:
                self.finish_reason = "stop" if self.characters < self._most else "length"
        return self._certain(text)

    def _certain(self, text: str) -> str:
        """Return the part of `text`, and of what was held back before, that nothing cuts off any more."""
        length, may_end = self.length, None
        if self._rule is not None:
            length, may_end = self.characters, self.length >= len(self.forced) and self._rule.may_end
        for end in self._ends:
            text, reason = end.push(text, length, may_end)
            if reason:
                self.finish_reason = reason
            elif self.finish_reason:
                text += end.finish()
        return text

    def _written(self, text: str) -> str:
        """Return the part of the next token's `text` that follows the prompt."""
        return text[len(self.rest) :]


def checked_seed(seed: int) -> int:
    """Return `seed` as an int. Raises OptionError if it is not from 0 to 2^64 - 1."""
    seed = whole_number("seed", seed)
    if not 0 <= seed < 2**64:
        raise OptionError(f"seed must be from 0 to {2**64 - 1}, not {seed}")
    return seed


def _repeats_of(tokenizer: Tokenizer, resolved: WritingDefaults, prompt: str) -> Repeats:
    """Return the repetitions of `prompt`."""
    repeats = Repeats(resolved.repetition_penalty, tokenizer.lengths)
    repeats.push(tokenizer.encode(prompt).tolist())
    return repeats


def _numbers(seed: int) -> Iterator[float]:
    """Yield the random numbers of a seed, from 0 to 1."""
    random = np.random.Generator(np.random.PCG64(seed))
    while True:
        yield from random.random(DRAWN_AT_ONCE).tolist()
