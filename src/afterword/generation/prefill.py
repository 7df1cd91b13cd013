"""Prefill: prompts as a network reads them, in stretches, together, and healed where they end within a token.

A token of several characters can begin within the prompt and end after it: in most texts, what follows `Brut` belongs
to the token ` Brutus`, and the token ` Brut` hardly ever occurs. So the tokens of the last word, the tail, are taken
back, and every way to spell its characters counts by its probability. In most spellings, the next token contains the
rest of them. This is known as token healing.

    prompt ──► all but its last word ──┬──► ` Brut`   │ the next token is any
                                       ├──► (nothing) │ the next token begins with ` Brut`, as ` Brutus`
                                       └──► ` B`      │ the next token begins with `rut`

Vocabularies of characters and bytes have no such tokens, so that their prompts are read as they are.
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
MOST_TAKEN_BACK = 24  # characters that are taken back, at most
MOST_STEPS, TOGETHER = 96, 16  # of the network, to find the spellings: in all, and side by side
MISSED = 1e-3  # of the probability of all spellings; the search ends when fewer can be missing


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
    spellings: tuple[Reading, ...] = ()
    """All ways to continue, if tokens were taken back; the likeliest is first, and equals this reading.

    The logits of a spelling are log-probabilities, given the characters of the prompt. The last row, which is never
    drawn, has the probability of the other spellings.
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
    """A prompt on its way through a network: `ids` are read, then the spellings of the `tail` are found."""

    labelled = False

    def __init__(
        self, network: Network, tokenizer: Tokenizer, text: str, ids: Annotated[Ids, "_"], tail: Annotated[Ids, "_"]
    ) -> None:
        self.network, self.tokenizer, self.prompt, self.ids, self.tail = network, tokenizer, text, ids, tail
        self.read = 0
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
        heal([self])
        assert self.reading is not None  # every prompt begins with the model's opening
        return self.reading


def prompt_of(
    model: SavedModel,
    network: Network,
    text: str | None,
    *,
    label: str | None = None,
    ids: Annotated[Ids, "T"] | None = None,
    heals: bool = True,
    seed: int = 0,
) -> Prompt:
    """Return the prompt `text` after the model's opening; without a text, the model's default beginning.

    With a `label`, a text of that kind follows; the label is not part of the prompt's `text`. `ids` are the tokens of
    `text`, if they are known; unless it `heals`, they are read as they are. `seed` draws the window in which a classic
    model begins. Raises TextError for a text that is not valid, OptionError for an unknown label.
    """
    tokenizer, whole = model.tokenizer, model.default_prompt if text is None else text
    if label is not None:
        whole = known_label(label, model.about.get("labels") or {}, tokenizer) + TAB + tokenizer.normalise(text or "")
    ids = tokenizer.encode(whole) if ids is None else ids
    kept = len(ids) - (taken_back(tokenizer, ids, text or "") if heals else 0)
    return Prompt(network, tokenizer, text or "", np.concatenate([model.opening(seed), ids[:kept]]), ids[kept:])


def read_prompt(model: SavedModel, network: Network, text: str | None, label: str | None = None) -> Reading:
    """Read the prompt `text`; see `prompt_of`.

    Raises OptionError for a classic model too, since each of its texts begins in a window of its own.
    """
    if model.writing.opening == "window":
        raise OptionError("a classic model begins each text in a window of its own: it cannot keep a prompt")
    return replace(prompt_of(model, network, text, label=label).whole(), labelled=label is not None)


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
            prompt.take(ids[lane], Reading(prompt.prompt, *own, network))
    return length * len(different)


def taken_back(tokenizer: Tokenizer, ids: Annotated[Ids, "T"], text: str) -> int:
    """Return how many of the last `ids` of `text` might be other ones if more text followed."""
    room, count = min(MOST_TAKEN_BACK, tokenizer.unsettled(text)), 0
    while room and count < len(ids):
        length = len(tokenizer.texts[min(int(ids[-1 - count]), tokenizer.rows - 1)])
        if not 0 < length <= room:
            break
        room -= length
        count += 1
    return count


@dataclass(frozen=True)
class _Spelling:
    """A way to spell the end of a prompt, or its beginning, whose last token was not read yet."""

    nats: float  # log-probability
    before: Reading  # the last token
    last: int
    rest: str  # after its last token

    @property
    def tokens(self) -> tuple[int, ...]:
        return (*self.before.tokens, self.last)


def heal(prompts: Sequence[Prompt]) -> None:
    """Find the spellings of the tails of prompts whose `ids` one network has read."""
    healed = [prompt for prompt in prompts if len(prompt.tail)]
    searches = [_Search(prompt) for prompt in healed]
    while steps := [(search, spelling) for search in searches for spelling in search.next_steps()]:
        network, spellings = healed[0].network, [spelling for _, spelling in steps]
        state = network.side_by_side(*[spelling.before.state for spelling in spellings])
        logits, state = network.step(np.array([spelling.last for spelling in spellings]), state)
        for lane, (search, spelling) in enumerate(steps):
            one = network.chosen(state, [lane])
            text = spelling.before.prompt
            search.add(spelling.nats, Reading(text, logits[[lane]], one, network, spelling.tokens, spelling.rest))
    for prompt, search in zip(healed, searches, strict=True):
        prompt.reading, prompt.tail = search.result, prompt.tail[:0]


class _Search:
    """The search for the ways to spell the tail of a prompt."""

    def __init__(self, prompt: Prompt) -> None:
        assert prompt.reading is not None
        self._prefixes, self._usual = prompt.tokenizer.prefixes, tuple(prompt.tail.tolist())
        self._found = list[tuple[float, Reading]]()  # spellings and their log-probabilities; their logits are some too
        self._ahead: list[_Spelling] = []
        self._steps = 0
        self.add(0.0, replace(prompt.reading, rest=prompt.tokenizer.decode(prompt.tail)))

    def add(self, nats: float, reading: Reading) -> None:
        """Take a spelling that was read, and what can follow it."""
        prefixes, rest = self._prefixes, reading.rest
        after = nats + log_probabilities(reading.logits)[0]
        longer = prefixes.longer(rest) if rest else np.arange(len(after))
        if len(longer):
            logits = np.full_like(after, -math.inf)
            logits[longer] = after[longer]
            self._found.append((float(np.logaddexp.reduce(after[longer])), replace(reading, logits=logits[None])))
        for end in range(1, len(rest) + 1):
            if (row := prefixes.row_of(rest[:end])) is not None:
                self._ahead.append(_Spelling(float(after[row]), reading, row, rest[end:]))

    def next_steps(self) -> list[_Spelling]:
        """Return the spellings to read now: the usual one, and those that are likely compared with the ones found."""
        self._ahead.sort(key=lambda spelling: -spelling.nats)
        known = [nats for nats, _ in self._found] + [ahead.nats for ahead in self._ahead if not ahead.rest]
        least = np.logaddexp.reduce(known) + math.log(MISSED) if known else -math.inf
        likely = int(np.count_nonzero(_with_less_likely([spelling.nats for spelling in self._ahead]) > least))
        count = min(likely, TOGETHER, max(0, MOST_STEPS - self._steps))
        steps, left = self._ahead[:count], self._ahead[count:]
        steps += [spelling for spelling in left if spelling.tokens == self._usual[: len(spelling.tokens)]]
        self._ahead = [spelling for spelling in left if spelling.tokens != self._usual[: len(spelling.tokens)]]
        self._steps += len(steps)
        return steps

    @property
    def result(self) -> Reading:
        """The prompt with its likeliest spellings, and the usual one, after which anything can be written."""
        self._found.sort(key=lambda found: -found[0])
        left = _with_less_likely([nats for nats, _ in self._found])
        likely = [
            found
            for found, more in zip(self._found, left.tolist(), strict=True)
            if more > left[0] + math.log(MISSED) or found[1].tokens == self._usual
        ]
        total = np.logaddexp.reduce([nats for nats, _ in likely])
        spellings = []
        for _, reading in likely:
            logits = reading.logits - total
            others = 1 - np.exp(logits[0, :-1]).sum()
            logits[0, -1] = math.log(others) if others > 0 else -math.inf
            spellings.append(replace(reading, logits=logits.astype(np.float32)))
        return replace(spellings[0], spellings=tuple(spellings))


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
    left = [sampler.left(spelling.logits[0]) for spelling in reading.each]
    prefixes = tokenizer.prefixes
    others = [row for row in range(tokenizer.own_rows) if not tokenizer.texts[row]]
    names = [*prefixes.characters, *("" if row == tokenizer.end else tokenizer.names[row] for row in others)]
    ids = [*prefixes.rows_of("".join(prefixes.characters)), *others]

    def by_character(spelling: Reading, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        characters = prefixes.next_characters(probabilities[prefixes.rows], spelling.rest)
        return np.concatenate([characters, probabilities[others]])

    each = reading.each
    own = np.sum([by_character(one, np.exp(log_probabilities(one.logits)[0])) for one in each], axis=0)
    drawn = np.zeros_like(own)
    for spelling, its_left, share in zip(each, left, sampler.shares(left).tolist(), strict=True):
        if share:  # else nothing may be drawn after this spelling
            drawn += share * by_character(spelling, sampler.probabilities(its_left))
    order = np.argsort(-own, kind="stable").tolist()
    return [NextCharacter(names[k], ids[k], float(own[k]), float(drawn[k])) for k in order if own[k] > 0]
