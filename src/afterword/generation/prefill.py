"""Prefill: prompts as a network reads them, in stretches, together, and healed where they end within a symbol.

Suppose that a prompt ends with ` rea`, the beginning of the symbol ` read`. A model of symbols has hardly ever read
these letters one by one. So there are two ways to continue, and each text takes one of them by its probability:

    prompt ──► all but ` rea` ──┬──► ` rea`   │ the next token is any
                                └──► (nothing) │ the next token begins with ` rea`, as ` read`

A prompt that ends otherwise is read as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Annotated

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
RARE = 1e-3  # a symbol that is less likely to continue what the prompt begins does not count


@dataclass(frozen=True, eq=False)
class Reading:
    """A prompt that has been read: any number of texts can continue it, with the network that read it."""

    prompt: str
    logits: Array
    """The logits of the next token, [1, R]."""
    state: State
    network: Network
    tokens: tuple[int, ...] = ()
    """The tokens of the symbol that the prompt begins, if they were read."""
    rest: str = ""
    """The end of the prompt that was not read: the next token begins with it, and is longer."""
    spellings: tuple[Reading, ...] = ()
    """The ways to continue a prompt that ends within a symbol; the likeliest is first, and equals this reading.

    Their logits are log-probabilities, given the characters of the prompt. The last row, which is never drawn, has the
    probability of the other way.
    """
    labelled: bool = False
    """Whether a label was read before the prompt."""

    def __repr__(self) -> str:
        return f"Reading({self.prompt!r})"

    def whole(self) -> Reading:
        return self

    @property
    def each(self) -> tuple[Reading, ...]:
        """The spellings, or this reading if it has none."""
        return self.spellings or (self,)


PromptLike = str | Reading | None
"""What a text continues: a prompt, one that was read, or None, for the model's default beginning."""


class Prompt:
    """A prompt on its way through a network: `ids` are read, then the `tail`, a symbol that it begins."""

    def __init__(
        self, network: Network, tokenizer: Tokenizer, text: str, ids: Ids, tail: Ids, labelled: bool = False
    ) -> None:
        """`labelled` if a label comes first."""
        self.network, self.tokenizer, self.prompt, self.ids, self.tail = network, tokenizer, text, ids, tail
        self.labelled, self.read = labelled, 0
        """The number of `ids` that were read."""
        self.reading: Reading | None = None
        """The state after these."""

    @cached_property
    def digest(self) -> bytes:
        """A hash of `ids`, by which equal prompts are found."""
        return blake2b(self.ids.tobytes(), digest_size=16).digest()

    @property
    def is_read(self) -> bool:
        return self.read == len(self.ids) and not len(self.tail)

    def take(self, ids: Ids, reading: Reading) -> None:
        """Take the `reading` after the next `ids`."""
        self.reading, self.read = reading, self.read + len(ids)

    def whole(self) -> Reading:
        """Read the prompt to its end."""
        while self.read < len(self.ids):
            read_on([self], READ_AT_ONCE)
        self.heal()
        assert self.reading is not None  # every prompt begins with the model's opening
        return self.reading

    def heal(self) -> int:
        """Find the ways to continue the tail, after `ids` were read. Return the number of tokens read."""
        if not len(self.tail):
            return 0
        assert self.reading is not None
        begun = replace(self.reading, rest=self.tokenizer.decode(self.tail))
        after, longer = log_probabilities(begun.logits)[0], self.tokenizer.prefixes.longer(begun.rest)
        spelled, nats = self.reading, 0.0
        for id in self.tail.tolist():
            nats += float(log_probabilities(spelled.logits)[0, id])
            logits, state = self.network.step(np.array([id]), spelled.state)
            spelled = replace(spelled, logits=logits, state=state)
        spelled = replace(spelled, tokens=tuple(self.tail.tolist()))
        ways = [(nats, spelled, nats + log_probabilities(spelled.logits)[0])]
        if (as_symbol := np.logaddexp.reduce(after[longer])) > np.logaddexp(as_symbol, nats) + math.log(RARE):
            masked = np.full_like(after, -math.inf)
            masked[longer] = after[longer]
            ways.insert(int(as_symbol < nats), (float(as_symbol), begun, masked))
        total = np.logaddexp.reduce([nats for nats, *_ in ways])
        spellings = []
        for _, reading, logits in ways:
            others = 1 - np.exp(logits[:-1] - total).sum()
            logits = np.append(logits[:-1] - total, math.log(others) if others > 0 else -math.inf)
            spellings.append(replace(reading, logits=logits[None].astype(np.float32)))
        self.reading = replace(spellings[0], spellings=tuple(spellings))
        read, self.tail = len(self.tail), self.tail[:0]
        return read


def prompt_of(
    model: SavedModel,
    network: Network,
    text: str | None,
    *,
    label: str | None = None,
    ids: Annotated[Ids, "T"] | None = None,
    seed: int = 0,
) -> Prompt:
    """Return the prompt `text` after the model's opening; without a text, the model's default beginning.

    With a `label`, a text of that kind follows; the label is not part of the prompt's `text`. `ids` are tokens
    whose text is `text`, and are read as they are. `seed` draws the window in which a classic
    model begins. Raises TextError for a text that is not valid, OptionError for an unknown label.
    """
    tokenizer, whole = model.tokenizer, model.default_prompt if text is None else text
    if label is not None:
        whole = known_label(label, model.about.get("labels") or {}, tokenizer) + TAB + tokenizer.normalise(text or "")
    tail = tokenizer.unfinished("" if text is None else text) if ids is None else 0
    ids = tokenizer.encode(whole) if ids is None else ids
    kept = len(ids) - tail
    opened = np.concatenate([model.opening(seed), ids[:kept]])
    return Prompt(network, tokenizer, text or "", opened, ids[kept:], label is not None)


def read_prompt(model: SavedModel, network: Network, text: str | None, label: str | None = None) -> Reading:
    """Read the prompt `text`; see `prompt_of`.

    Raises OptionError for a classic model too, since each of its texts begins in a window of its own.
    """
    if model.writing.opening == "window":
        raise OptionError("a classic model begins each text in a window of its own: it cannot keep a prompt")
    return prompt_of(model, network, text, label=label).whole()


def read_on(prompts: Sequence[Prompt], most: int) -> int:
    """Read a stretch of prompts of one network, all at their start or all past it; equal ones once.

    Return the number of tokens read: `most`, or fewer if a prompt ends.
    """
    network, equal = prompts[0].network, dict[tuple[bytes, int], list[Prompt]]()
    for prompt in prompts:
        equal.setdefault((prompt.digest if len(prompts) > 1 else b"", prompt.read), []).append(prompt)
    different = [some[0] for some in equal.values()]
    length = min(most // len(different), *(len(prompt.ids) - prompt.read for prompt in different))
    states = [network.start() if prompt.reading is None else prompt.reading.state for prompt in different]
    ids = np.stack([prompt.ids[prompt.read : prompt.read + length] for prompt in different])
    logits, state = network.advance(ids, states[0] if len(states) == 1 else network.side_by_side(*states))
    for lane, some in enumerate(equal.values()):
        own = logits[lane : lane + 1], state if len(different) == 1 else network.chosen(state, [lane])
        for prompt in some:
            prompt.take(ids[lane], Reading(prompt.prompt, *own, network, labelled=prompt.labelled))
    return length * len(different)


@dataclass(frozen=True, slots=True)
class NextCharacter:
    """A character that can follow a prompt, or the end of the text."""

    text: str
    """The character; "" for the end of the text."""
    id: int
    """The token that is this character."""
    probability: float
    """The model's own, summed over all ways to spell the prompt and all tokens that begin with the character."""
    after: float
    """The probability after temperature and filters."""


def label_ends(model: SavedModel, reading: Reading) -> list[str] | None:
    """Return the ends of the labels that a prompt begins, each with its tab; None where no label comes next."""
    begun, labels = model.tokenizer.normalise(reading.prompt), model.about.get("labels")
    if not labels or reading.labelled or TAB in begun:
        return None
    return [label[len(begun) :] + TAB for label in labels if label.startswith(begun)]


def continues(text: str, ends: Sequence[str] | None) -> bool:
    """Return whether `text` begins one of the `ends` of labels, or goes beyond it; True without a label to write."""
    return ends is None or any(text and (one.startswith(text) or text.startswith(one)) for one in ends)


def next_characters(model: SavedModel, sampler: Sampler, reading: Reading) -> list[NextCharacter]:
    """Return the characters that can follow a prompt, the likeliest first. A label is followed by its own.

    Those absent from the vocabulary are missing, so that the probabilities may sum to less than 1.
    """
    tokenizer, ends, each = model.tokenizer, label_ends(model, reading), reading.each
    prefixes = tokenizer.prefixes
    end = [] if tokenizer.end is None else [tokenizer.end]
    names = [*prefixes.characters, *("" for _ in end)]
    ids = [*prefixes.rows_of("".join(prefixes.characters)), *end]

    def by_character(spelling: Reading, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        characters = prefixes.next_characters(probabilities[prefixes.rows], spelling.rest)
        return np.concatenate([characters, probabilities[end]])

    own, left = np.zeros(len(names)), []
    for spelling in each:
        strays = [row for row, text in enumerate(tokenizer.texts) if not continues(text[len(spelling.rest) :], ends)]
        probabilities, kept = np.exp(log_probabilities(spelling.logits)[0]), sampler.left(spelling.logits[0])
        probabilities[strays], kept[strays] = 0, -math.inf
        own += by_character(spelling, probabilities)
        left.append(kept)
    drawn = np.zeros_like(own)
    if np.max(left) > -math.inf:
        for spelling, its_left, share in zip(each, left, sampler.shares(left).tolist(), strict=True):
            if share:  # else nothing may be drawn after this spelling
                drawn += share * by_character(spelling, sampler.probabilities(its_left))
    order = np.argsort(-own, kind="stable").tolist()
    return [NextCharacter(names[k], ids[k], float(own[k]), float(drawn[k])) for k in order if own[k] > 0]
