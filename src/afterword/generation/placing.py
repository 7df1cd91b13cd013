"""Places for the texts that --contains asks for: between word boundaries, where a model is likely to write them.

    script ──► free text ──► a boundary in it ──► branches from there to other boundaries ──► one branch and the word

The network continues the script of a text freely. One boundary in this free text is drawn, each with the same
probability. From there, the network writes branches; the k-th ends at the first boundary after k characters. At the end
of each branch, it reads the missing text, and one branch is drawn by the probability of that text. This is importance
sampling: contexts in which the text is likely prevail. The branch and the text extend the script. This is repeated
until nothing is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.generation.draft import Draft, Terms
from afterword.generation.healing import Reading
from afterword.generation.parallel import ParallelTexts, Text
from afterword.generation.rules import APOSTROPHES, is_of_word
from afterword.generation.sampling import Likeliest
from afterword.model.network.network import Network, log_probabilities

BRANCHES = 32
TRIES = 12  # scripts of a text, until one obeys the other rules
TOGETHER = 64  # texts that are placed together


@dataclass(frozen=True)
class _Place:
    """A place that a text has reached."""

    draft: Draft
    script: tuple[int, ...]
    reading: Reading
    text: str = ""
    """What may follow: the text that is missing, with a space before it if it needs one."""

    def after(self, tokens: Sequence[int], reading: Reading, text: str) -> _Place:
        """Return the place that follows when `tokens` do."""
        draft = self.draft.fork(self.draft.seed)
        for token in tokens:
            draft.push(token)
        return _Place(draft, (*self.script, *tokens), reading, text)


class _Plan:
    """The script of one text, as far as it is known, and what it does not contain yet."""

    def __init__(self, terms: Terms, reading: Reading, seed: int) -> None:
        self.terms, self.seed, self.tries = terms, seed, 0
        self.random = np.random.Generator(np.random.PCG64(seed if terms.draws else 0))
        draft = Draft(terms, reading.prompt, seed)
        self.start = self.at = _Place(draft, (), draft.begin(reading))
        self.missing = self.lacks(())

    def lacks(self, script: Sequence[int]) -> list[str]:
        """Return the texts that `script` does not contain."""
        written = self.terms.model.tokenizer.decode(script)[len(self.start.draft.rest) :]
        return self.terms.lacks(written, self.start.draft.prompt)

    def go_on(self, at: _Place | None) -> None:
        """Continue from `at`; from the beginning if the rules allow no place."""
        if at is None:
            self.tries += 1
            if self.tries == TRIES:
                asked = " and ".join(map(repr, self.terms.contained))
                raise OptionError(
                    f"no place between words was found for {asked} in a text of {self.terms.settled.max_tokens} "
                    "characters with these rules: give a larger max-tokens or fewer rules"
                )
        self.at = at or self.start
        self.missing = self.lacks(self.at.script)


class _Free(Text):
    """A free text that continues `start`, and the places in it where `word` may begin.

    With an `offset`, it ends at the first place after that many characters. Without one, it continues, and keeps one
    random place for each missing text.
    """

    def __init__(self, plan: _Plan, start: _Place, word: str, seed: int, offset: int | None = None) -> None:
        super().__init__(plan.terms, start.draft.fork(seed))
        self.plan, self.start, self.word, self.offset = plan, start, word, offset
        others = sum(len(other) + 1 for other in plan.missing) - len(word) - 1
        self.room = plan.terms.settled.max_tokens - others
        self.tokens: list[int] = []
        self.text, self.is_settled, self.found = word, True, 0  # false inside a character; the number of places
        self.kept: list[_Place | None] = [None] * (len(plan.missing) if offset is None else 1)
        self.chosen = np.zeros(len(self.kept), bool)  # of those, the ones that are replaced by the place just found

    @property
    def is_over(self) -> bool:
        return super().is_over or (self.offset is not None and self.found > 0)

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        last, at, rest = self.draft.last, self.draft.characters, self.draft.rest
        text = self.draft.push(token)
        self.tokens.append(token)
        following = text[:1] or (" " if self.draft.finish_reason else last)
        goes_on = is_of_word(following) or following in APOSTROPHES
        ends = not (is_of_word(last) and goes_on) or not self.terms.has_words
        splits = is_of_word(last) or (following == " " and last.strip() != "")
        self.text = " " * (splits and is_of_word(self.word[0]) and self.terms.has_words) + self.word
        is_place = self.is_settled and not rest and ends and at + len(self.text) <= self.room
        self.is_settled, self.chosen[:] = bool(text), False
        if is_place and at - self.start.draft.characters >= (self.offset or 0):
            self.found += 1
            self.chosen = self.plan.random.random(len(self.kept)) * self.found < 1

    def keep(self, reading: Reading) -> None:
        """Keep the place just found, before the last token; `reading` was made there."""
        place = self.start.after(self.tokens[:-1], reading, self.text)
        self.kept = [place if chosen else kept for chosen, kept in zip(self.chosen, self.kept, strict=True)]


def scripts(terms: Terms, network: Network, texts: Sequence[tuple[Reading, int]]) -> list[Sequence[int]]:
    """Return the tokens that the text of each reading and seed begins with, so that it contains what it must.

    Raises OptionError if no place obeys the other rules.
    """
    plans = [_Plan(terms, reading, seed) for reading, seed in texts]
    for start in range(0, len(plans), TOGETHER):
        while unfinished := [plan for plan in plans[start : start + TOGETHER] if plan.missing]:
            _extend(terms, network, unfinished)
    return [plan.at.script for plan in plans]


def _extend(terms: Terms, network: Network, plans: Sequence[_Plan]) -> None:
    """Add one text to the script of each of `plans`."""
    trunks = []
    for plan in plans:
        word = plan.missing[plan.random.integers(len(plan.missing))]
        seed = plan.seed if plan.at.script == () and not plan.tries else int(plan.random.integers(2**63))
        trunks.append(_Free(plan, plan.at, word, seed))
    _write(network, trunks)
    branches: list[_Free] = []
    for trunk in trunks:
        plan, whole = trunk.plan, (*trunk.start.script, *trunk.tokens)
        places = [place for place in trunk.kept if place is not None]
        if not plan.lacks(whole):
            plan.go_on(replace(plan.at, script=whole))
        elif not places:
            plan.go_on(None)
        else:
            first = min(places, key=lambda place: len(place.script))
            seeds = plan.random.integers(2**63, size=BRANCHES).tolist()
            branches += [_Free(plan, first, trunk.word, seed, offset) for offset, seed in enumerate(seeds)]
    _write(network, branches)
    costs = _costs(terms, network, branches)
    for at in range(0, len(branches), BRANCHES):
        plan, each = branches[at].plan, branches[at : at + BRANCHES]
        warmth = min(1.0, max(terms.settled.temperature, 0.1))
        noise = plan.random.gumbel(size=BRANCHES) if terms.draws else 0.0
        order = np.argsort(costs[at : at + BRANCHES] / warmth - noise, kind="stable").tolist()
        ways = (_with_word(network, each[k]) for k in order if math.isfinite(costs[at + k]))
        plan.go_on(next((way for way in ways if way is not None), None))


def _write(network: Network, texts: Sequence[_Free]) -> None:
    """Write `texts` to their ends."""
    writing: ParallelTexts[_Free] = ParallelTexts(network)
    if entering := [(text, text.start.reading) for text in texts if not text.is_over]:
        writing.enter(entering)
    while writing.texts:
        before = [(batch.texts, batch.after) for batch in writing.batches]
        writing.step()
        for lanes, (logits, state) in before:
            for lane, text in enumerate(lanes):
                if text.chosen.any():
                    prompt, here = text.draft.prompt, network.chosen(state, [lane])
                    text.keep(Reading(prompt, logits[[lane]], here, network))


def _with_word(network: Network, branch: _Free) -> _Place | None:
    """Return the place after the text that the branch is for; None if the rules do not allow it."""
    place = branch.kept[0]
    assert place is not None
    ids = branch.terms.model.tokenizer.encode(place.text)
    draft = place.draft.fork(place.draft.seed)
    for id in ids.tolist():
        if draft.finish_reason or id >= len(draft.ruled) or draft.ruled[id] < 0:
            return None
        draft.push(id)
    draft.script = script = (*place.script, *ids.tolist())
    goes_on = draft.finish_reason or np.isfinite(draft.ruled + branch.terms.allowed).any()
    if not goes_on or branch.word in branch.plan.lacks(script):
        return None
    reading = place.reading
    if branch.plan.lacks(script):
        reading = Reading(draft.prompt, *network.advance(ids[None], reading.state), network)
    return _Place(draft, script, reading)


def _costs(terms: Terms, network: Network, branches: Sequence[_Free]) -> NDArray[np.float64]:
    """Return the cost of each branch's text, in nats, including the end of its last word; inf if it has no place."""
    costs = np.full(len(branches), math.inf)
    by_text: dict[str, list[tuple[int, Reading]]] = {}
    for k, branch in enumerate(branches):
        if (place := branch.kept[0]) is not None:
            by_text.setdefault(place.text, []).append((k, place.reading))
    for text, places in by_text.items():
        lanes, readings = [lane for lane, _ in places], [reading for _, reading in places]
        logits = np.concatenate([reading.logits for reading in readings])
        state = network.side_by_side(*[reading.state for reading in readings])
        costs[lanes] = 0
        for id in network.rows(terms.model.tokenizer.encode(text)).tolist():
            costs[lanes] -= log_probabilities(logits)[:, id]
            logits, state = network.step(np.full(len(lanes), id), state)
        if is_of_word(text[-1]):
            after = np.exp(log_probabilities(logits))[:, terms.parting].sum(axis=1)
            costs[lanes] -= np.log(np.maximum(after, math.exp(-50)))
    return costs
