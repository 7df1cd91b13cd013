"""Places for the texts that --contains asks for: between word boundaries, where a model is likely to write them.

    forced ──► free text ──► a boundary in it ──► branches from there to other boundaries ──► one branch and the word

A text begins with forced tokens, none at first. The network continues them freely. One boundary in this free text is
drawn, each with the same probability. From there, the network writes branches; the k-th ends at the first boundary
after k characters. At the end of each branch, it reads the missing word, and one branch is drawn by the probability of
that word. This is importance sampling: contexts in which the word is likely prevail. The branch and the word are forced
too. This is repeated until nothing is missing.

A "word" here is one of the texts that are asked for, which may be several words or none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.generation.continuation import Continuation, Policy
from afterword.generation.parallel import ParallelTexts
from afterword.generation.prefill import Reading
from afterword.generation.rules import APOSTROPHES, is_of_word
from afterword.generation.sampling import Likeliest
from afterword.generation.texts import Text
from afterword.model.network.network import Network, log_probabilities

BRANCHES = 32
TRIES = 12  # beginnings of a text, until one obeys the other rules
TOGETHER = 64  # texts that are placed together


@dataclass(frozen=True)
class _Place:
    """A place that a text has reached."""

    continuation: Continuation
    forced: tuple[int, ...]
    reading: Reading
    insertion: str = ""
    """What may follow: the missing word, with a space before it if it needs one."""

    def after(self, tokens: Sequence[int], reading: Reading, insertion: str) -> _Place:
        """Return the place that follows when `tokens` do."""
        continuation = self.continuation.fork(self.continuation.seed)
        for token in tokens:
            continuation.append(token)
        return _Place(continuation, (*self.forced, *tokens), reading, insertion)


class _Plan:
    """The forced tokens of one text, as far as they are known, and the words that they do not contain yet."""

    def __init__(self, policy: Policy, reading: Reading, seed: int) -> None:
        self.policy, self.seed, self.tries = policy, seed, 0
        self.random = np.random.Generator(np.random.PCG64(seed if policy.draws else 0))
        continuation = Continuation(policy, reading.prompt, seed, reading.labelled)
        self.start = self.at = _Place(continuation, (), continuation.begin(reading))
        self.missing = self.lacks(())

    def lacks(self, forced: Sequence[int]) -> list[str]:
        """Return the words that the tokens `forced` do not contain."""
        begin = self.start.continuation
        return self.policy.lacks(self.policy.model.tokenizer.decode(forced)[len(begin.rest) :], begin.prompt)

    def proceed(self, at: _Place | None) -> None:
        """Proceed from `at`; from the beginning if the rules allow no place."""
        if at is None:
            self.tries += 1
            if self.tries == TRIES:
                asked = " and ".join(map(repr, self.policy.contained))
                raise OptionError(
                    f"no place between words was found for {asked} in a text of {self.policy.resolved.max_tokens} "
                    "characters with these rules: give a larger max-tokens or fewer rules, or a "
                    "`pattern` such as .*TEXT.*, which needs no word to end"
                )
        self.at = at or self.start
        self.missing = self.lacks(self.at.forced)


class _FreeText(Text):
    """A free text that continues `start`, and the places in it where `word` may begin.

    With an `offset`, it ends at the first place after that many characters. Without one, it continues, and keeps one
    random place for each missing word.
    """

    def __init__(self, plan: _Plan, start: _Place, word: str, seed: int, offset: int | None = None) -> None:
        super().__init__(start.continuation.fork(seed), records=False)
        self.plan, self.start, self.word, self.offset = plan, start, word, offset
        self.earliest = start.continuation.characters + (offset or 0)
        others = sum(len(other) + 1 for other in plan.missing) - len(word) - 1
        self.latest = plan.policy.resolved.max_tokens - others  # the end of the word, in characters
        self.drawn: list[int] = []
        self.certain = 0  # characters that are certain, whatever follows
        self.insertion, self.found = word, 0  # and the number of places
        self.places: list[_Place | None] = [None] * (len(plan.missing) if offset is None else 1)
        self.replaced = np.zeros(len(self.places), bool)  # those that the place just found replaces

    @property
    def is_over(self) -> bool:
        return super().is_over or (self.offset is not None and self.found > 0)

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        """Append a token, and find out whether there is a place before it."""
        state = self.continuation
        last, at, is_within_prompt = state.last, state.characters, bool(state.rest)
        self.certain += len(state.append(token))
        text = state.text
        self.drawn.append(token)
        following = text[:1] or (" " if state.finish_reason else last)
        self.insertion = self._spaced(last, following)
        is_boundary = not is_within_prompt and self._parts(last, following)
        self.replaced[:] = False
        if is_boundary and self.earliest <= at <= self.latest - len(self.insertion):
            self.found += 1
            # each place so far is kept with the same probability
            self.replaced = self.plan.random.random(len(self.places)) * self.found < 1

    def kept(self) -> list[int]:
        """Return the drawn tokens, without those after the end of the text's last sentence."""
        beyond, tokens = self.continuation.characters - self.start.continuation.characters - self.certain, [*self.drawn]
        while beyond > 0:
            beyond -= len(self.continuation.tokenizer.decode([tokens.pop()]))
        return tokens

    def _parts(self, last: str, following: str) -> bool:
        """Return whether there is a word boundary between two characters, or anywhere if the model knows none."""
        continues = is_of_word(following) or following in APOSTROPHES
        return not (is_of_word(last) and continues) or not self.policy.has_words

    def _spaced(self, last: str, following: str) -> str:
        """Return the word as it is written between two characters: after a space, if a word ends there, or if a space
        follows, which then comes before the next word."""
        needs_space = is_of_word(last) or (following == " " and last.strip() != "")
        return " " * (needs_space and is_of_word(self.word[0]) and self.policy.has_words) + self.word

    def keep(self, reading: Reading) -> None:
        """Keep the place just found, before the last token; `reading` was made there."""
        place = self.start.after(self.drawn[:-1], reading, self.insertion)
        self.places = [place if new else old for new, old in zip(self.replaced, self.places, strict=True)]


def forced_tokens(policy: Policy, network: Network, texts: Sequence[tuple[Reading, int]]) -> list[Sequence[int]]:
    """Return the tokens that the text of each reading and seed begins with, so that it contains what it must.

    Raises OptionError if no place obeys the other rules.
    """
    plans = [_Plan(policy, reading, seed) for reading, seed in texts]
    for start in range(0, len(plans), TOGETHER):
        while unfinished := [plan for plan in plans[start : start + TOGETHER] if plan.missing]:
            _extend(policy, network, unfinished)
    return [plan.at.forced for plan in plans]


def _extend(policy: Policy, network: Network, plans: Sequence[_Plan]) -> None:
    """Add one word to the forced tokens of each of `plans`."""
    trunks = []
    for plan in plans:
        word = plan.missing[plan.random.integers(len(plan.missing))]
        seed = plan.seed if plan.at.forced == () and not plan.tries else int(plan.random.integers(2**63))
        trunks.append(_FreeText(plan, plan.at, word, seed))
    _write(network, trunks)
    branches: list[_FreeText] = []
    for trunk in trunks:
        plan, whole = trunk.plan, (*trunk.start.forced, *trunk.kept())
        places = [place for place in trunk.places if place is not None]
        if not plan.lacks(whole):
            plan.proceed(replace(plan.at, forced=whole))
        elif not places:
            plan.proceed(None)
        else:
            first = min(places, key=lambda place: len(place.forced))
            seeds = plan.random.integers(2**63, size=BRANCHES).tolist()
            branches += [_FreeText(plan, first, trunk.word, seed, offset) for offset, seed in enumerate(seeds)]
    _write(network, branches)
    costs = _costs(policy, network, branches)
    for at in range(0, len(branches), BRANCHES):
        plan, each = branches[at].plan, branches[at : at + BRANCHES]
        warmth = min(1.0, max(policy.resolved.temperature, 0.1))
        noise = plan.random.gumbel(size=BRANCHES) if policy.draws else 0.0
        order = np.argsort(costs[at : at + BRANCHES] / warmth - noise, kind="stable").tolist()
        extended = (_with_word(network, each[k]) for k in order if math.isfinite(costs[at + k]))
        plan.proceed(next((place for place in extended if place is not None), None))


def _write(network: Network, texts: Sequence[_FreeText]) -> None:
    """Write `texts` to their ends."""
    batches: ParallelTexts[_FreeText] = ParallelTexts(network)
    if entering := [(text, text.start.reading) for text in texts if not text.is_over]:
        batches.enter(entering)
    while batches.texts:
        before = [(batch.texts, batch.after) for batch in batches.batches]
        batches.step()
        for lanes, (logits, state) in before:
            for lane, text in enumerate(lanes):
                if text.replaced.any():
                    prompt, here = text.continuation.prompt, network.chosen(state, [lane])
                    text.keep(Reading(prompt, logits[[lane]], here, network))


def _with_word(network: Network, branch: _FreeText) -> _Place | None:
    """Return the place after the text that the branch is for; None if the rules do not allow it."""
    place = branch.places[0]
    assert place is not None
    ids = branch.policy.model.tokenizer.encode(place.insertion)
    state = place.continuation.fork(place.continuation.seed)
    for id in ids.tolist():
        if state.finish_reason or id >= len(state.ruled) or state.ruled[id] < 0:
            return None
        state.append(id)
    state.forced = forced = (*place.forced, *ids.tolist())
    continues = state.finish_reason or np.isfinite(state.ruled + branch.policy.allowed).any()
    if not continues or branch.word in branch.plan.lacks(forced):
        return None
    reading = place.reading
    if branch.plan.lacks(forced):
        reading = Reading(state.prompt, *network.advance(ids[None], reading.state), network)
    return _Place(state, forced, reading)


def _costs(policy: Policy, network: Network, branches: Sequence[_FreeText]) -> NDArray[np.float64]:
    """Return the cost of each branch's text, in nats, including the end of its last word; inf if it has no place."""
    costs = np.full(len(branches), math.inf)
    by_text: dict[str, list[tuple[int, Reading]]] = {}
    for k, branch in enumerate(branches):
        if (place := branch.places[0]) is not None:
            by_text.setdefault(place.insertion, []).append((k, place.reading))
    for text, places in by_text.items():
        lanes, readings = [lane for lane, _ in places], [reading for _, reading in places]
        logits = np.concatenate([reading.logits for reading in readings])
        state = network.side_by_side(*[reading.state for reading in readings])
        costs[lanes] = 0
        for id in network.rows(policy.model.tokenizer.encode(text)).tolist():
            costs[lanes] -= log_probabilities(logits)[:, id]
            logits, state = network.step(np.full(len(lanes), id), state)
        if is_of_word(text[-1]):
            after = np.exp(log_probabilities(logits))[:, policy.parting].sum(axis=1)
            costs[lanes] -= np.log(np.maximum(after, math.exp(-50)))
    return costs
