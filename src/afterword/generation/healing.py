"""Prompts as a network reads them: a prompt may end anywhere, also within a token.

A token of several characters can begin within the prompt and end after it: in most texts, what follows `Brut` belongs
to the token ` Brutus`, and the token ` Brut` hardly ever occurs. So the tokens of the last word are taken back, and
every way to spell its characters counts by its probability. In most ways, the next token contains the rest of them.

    prompt ──► all but its last word ──┬──► ` Brut`   │ the next token is any
                                       ├──► (nothing) │ the next token begins with ` Brut`, as ` Brutus`
                                       └──► ` B`      │ the next token begins with `rut`

Vocabularies of characters and bytes have no such tokens, so that their prompts are read as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.generation.sampling import Sampler
from afterword.model.arrays import Array, Ids
from afterword.model.folder.saved import SavedModel
from afterword.model.network.network import Network, State, log_probabilities
from afterword.text.lines import TAB, known_label
from afterword.text.tokenizer import Tokenizer

READ_AT_ONCE = 512  # tokens of a prompt; they take a few megabytes
MOST = 24  # characters that are taken back, at most
STEPS, TOGETHER = 96, 16  # of the network, to find the ways: in all, and side by side
MISSED = 1e-3  # of the probability of all ways; the search ends when fewer can be missing


@dataclass(frozen=True, eq=False)
class Reading:
    """A prompt that has been read: any number of texts can continue it, with the network that read it."""

    prompt: str
    logits: Array
    """The logits of the next token, [1, R]."""
    state: State
    network: Network
    tokens: tuple[int, ...] = ()
    """The tokens that were read in place of those taken back."""
    rest: str = ""
    """The end of the prompt that was not read: the next token begins with it, and is longer."""
    ways: tuple[Reading, ...] = ()
    """All ways to continue, if tokens were taken back; the likeliest is first, and equals this reading.

    The logits of a way are log-probabilities, given the characters of the prompt. The last row, which is never drawn,
    has the probability of the other ways.
    """

    def __repr__(self) -> str:
        return f"Reading({self.prompt!r})"


Prompt = str | Reading | None


def read_prompt(model: SavedModel, network: Network, prompt: str | None, label: str | None = None) -> Reading:
    """Read `prompt`, or the model's default beginning without one; with a `label`, so that a text of that kind follows.

    The label is not part of the result's `prompt`. Raises TextError for a prompt that is not valid text, OptionError
    for an unknown label and for a classic model, since each of its texts begins in a window of its own.
    """
    if model.writing.opening == "window":
        raise OptionError("a classic model begins each text in a window of its own: it cannot keep a prompt")
    whole = prompt
    if label is not None:
        labels = model.about.get("labels") or {}
        whole = known_label(label, labels, model.tokenizer) + TAB + model.tokenizer.normalise(prompt or "")
    return read_ids(model.tokenizer, network, prompt or "", prompt_ids(model, whole, seed=0))


def begun(model: SavedModel, network: Network, prompt: Prompt, label: str | None) -> Prompt:
    """Return the prompt to continue: a reading, if there is a `label`. Raises OptionError for a reading that does not
    suit."""
    if not isinstance(prompt, Reading):
        return prompt if label is None else read_prompt(model, network, prompt, label)
    if label is not None:
        raise OptionError("the prompt was read without a label: give the label to read")
    if prompt.network is not network:
        raise OptionError(f"the prompt {prompt.prompt[:40]!r} was read by another model: read it by this one")
    return prompt


def prompt_ids(model: SavedModel, prompt: str | None, seed: int) -> Ids:
    """Return the tokens [T] that a text of `seed` continues: the model's own opening and the prompt."""
    ids = model.tokenizer.encode(model.default_prompt if prompt is None else prompt)
    return np.concatenate([model.opening(seed), ids])


def read_ids(tokenizer: Tokenizer, network: Network, prompt: str, ids: Ids) -> Reading:
    """Return `prompt` as read from ids [T], T ≥ 1, which end with its tokens."""
    back = taken_back(tokenizer, ids, prompt)
    state = network.start()
    for at in range(0, len(ids) - back, READ_AT_ONCE):
        logits, state = network.advance(ids[None, at : min(at + READ_AT_ONCE, len(ids) - back)], state)
    return healed(tokenizer, [(Reading(prompt, logits, state, network), ids[len(ids) - back :])])[0]


def taken_back(tokenizer: Tokenizer, ids: Ids, text: str) -> int:
    """Return how many of the last ids [T] of `text` might be other ones if more text followed."""
    room, count = min(MOST, tokenizer.unsettled(text)), 0
    while room and count < len(ids):
        length = len(tokenizer.texts[min(int(ids[-1 - count]), tokenizer.rows - 1)])
        if not 0 < length <= room:
            break
        room -= length
        count += 1
    return count


@dataclass(frozen=True)
class _Way:
    """A way to spell the end of a prompt, or its beginning."""

    nats: float  # log-probability
    at: Reading  # before its last token
    last: int
    rest: str  # after its last token

    @property
    def tokens(self) -> tuple[int, ...]:
        return (*self.at.tokens, self.last)


def healed(tokenizer: Tokenizer, prompts: Sequence[tuple[Reading, Ids]]) -> list[Reading]:
    """Return the reading of each prompt, of which all but the last tokens [N] have been read by the same network.

    If there are such tokens, they are taken back, and the ways to read their characters are found.
    """
    searches = [_Search(tokenizer, *prompt) for prompt in prompts]
    while steps := [(search, way) for search in searches for way in search.next_steps()]:
        network, ways = steps[0][1].at.network, [way for _, way in steps]
        state = network.side_by_side(*[way.at.state for way in ways])
        logits, state = network.step(np.array([way.last for way in ways]), state)
        for lane, (search, way) in enumerate(steps):
            one = network.chosen(state, [lane])
            search.add(way.nats, Reading(way.at.prompt, logits[[lane]], one, network, way.tokens, way.rest))
    return [search.reading for search in searches]


class _Search:
    """The search for the ways to spell the end of a prompt."""

    def __init__(self, tokenizer: Tokenizer, before: Reading, last: Ids) -> None:
        self._tokenizer, self._before, self._usual = tokenizer, before, tuple(last.tolist())
        self._found: list[tuple[float, Reading]] = []  # ways and their log-probabilities; their logits are some too
        self._ahead: list[_Way] = []
        self._steps = 0
        if self._usual:
            self.add(0.0, replace(before, rest=tokenizer.decode(last)))

    def add(self, nats: float, at: Reading) -> None:
        """Take a way that was read, and what can follow it."""
        prefixes, after = self._tokenizer.prefixes, nats + log_probabilities(at.logits)[0]
        longer = prefixes.longer(at.rest) if at.rest else np.arange(len(after))
        if len(longer):
            logits = np.full_like(after, -math.inf)
            logits[longer] = after[longer]
            self._found.append((float(np.logaddexp.reduce(after[longer])), replace(at, logits=logits[None])))
        for end in range(1, len(at.rest) + 1):
            if (row := prefixes.row_of(at.rest[:end])) is not None:
                self._ahead.append(_Way(float(after[row]), at, row, at.rest[end:]))

    def next_steps(self) -> list[_Way]:
        """Return the ways to read now: the usual one, and those that are likely compared with the ones found."""
        self._ahead.sort(key=lambda way: -way.nats)
        known = [nats for nats, _ in self._found] + [way.nats for way in self._ahead if not way.rest]
        least = np.logaddexp.reduce(known) + math.log(MISSED) if known else -math.inf
        likely = int(np.count_nonzero(_with_less_likely([way.nats for way in self._ahead]) > least))
        count = min(likely, TOGETHER, max(0, STEPS - self._steps))
        chosen, left = self._ahead[:count], self._ahead[count:]
        chosen += [way for way in left if way.tokens == self._usual[: len(way.tokens)]]
        self._ahead = [way for way in left if way.tokens != self._usual[: len(way.tokens)]]
        self._steps += len(chosen)
        return chosen

    @property
    def reading(self) -> Reading:
        """The prompt with its likeliest ways, and the usual one, after which anything can be written."""
        if not self._usual:
            return self._before
        self._found.sort(key=lambda way: -way[0])
        left = _with_less_likely([nats for nats, _ in self._found])
        kept = [
            way
            for way, more in zip(self._found, left.tolist(), strict=True)
            if more > left[0] + math.log(MISSED) or way[1].tokens == self._usual
        ]
        total = np.logaddexp.reduce([nats for nats, _ in kept])
        ways = []
        for _, way in kept:
            logits = way.logits - total
            others = 1 - np.exp(logits[0, :-1]).sum()
            logits[0, -1] = math.log(others) if others > 0 else -math.inf
            ways.append(replace(way, logits=logits.astype(np.float32)))
        return replace(ways[0], ways=tuple(ways))


def _with_less_likely(nats: Sequence[float]) -> NDArray[np.float64]:
    """Return the log-probability of each of `nats` and all after it, together."""
    together: NDArray[np.float64] = np.logaddexp.accumulate(np.array(nats)[::-1])[::-1]
    return together


@dataclass(frozen=True, slots=True)
class NextCharacter:
    """A character that can follow a prompt, or the end of the text."""

    text: str
    """The character; "" for the end of the text, and the token's name for a part of a character, such as <0xE2>."""
    id: int
    """The token that is this character."""
    probability: float
    """The model's own, summed over all ways to spell the prompt and all tokens that begin with the character."""
    after: float
    """The probability after temperature and filters."""


def next_characters(tokenizer: Tokenizer, sampler: Sampler, reading: Reading) -> list[NextCharacter]:
    """Return the characters that can follow a prompt, the likeliest first.

    Those absent from the vocabulary are missing, so that the probabilities may sum to less than 1.
    """
    ways = reading.ways or (reading,)
    left = [sampler.left(way.logits[0]) for way in ways]
    prefixes = tokenizer.prefixes
    others = [row for row in range(tokenizer.rows)[: sampler.named] if not tokenizer.texts[row]]
    names = [*prefixes.characters, *("" if row == tokenizer.end else tokenizer.names[row] for row in others)]
    ids = [*prefixes.rows_of("".join(prefixes.characters)), *others]

    def by_character(way: Reading, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        characters = prefixes.next_characters(probabilities[prefixes.rows], way.rest)
        return np.concatenate([characters, probabilities[others]])

    own = np.sum([by_character(way, np.exp(log_probabilities(way.logits)[0])) for way in ways], axis=0)
    drawn = np.zeros_like(own)
    for way, its_left, share in zip(ways, left, sampler.shares(left).tolist(), strict=True):
        if share:  # else nothing may be drawn in this way
            drawn += share * by_character(way, sampler.probabilities(its_left))
    order = np.argsort(-own, kind="stable").tolist()
    return [NextCharacter(names[k], ids[k], float(own[k]), float(drawn[k])) for k in order if own[k] > 0]
