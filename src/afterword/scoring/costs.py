"""The cost of a text: the sum of -log P(token | all tokens before it), and the figures computed from it.

A text is read from a fresh start: the state is empty, and the boundary token is read first, so that the first token of
the text is predicted too and its cost is complete. The state is carried to the end. If a vocabulary has no boundary
token (as in the classic recipe), nothing predicts the first token. It costs log R then, as if all R were equally
likely.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, fields, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.model.arrays import Floats, Ids
from afterword.model.network.network import Network, State, log_probabilities
from afterword.model.ngram.mixture import USES, Mixture, mixed
from afterword.model.threads import MOST_SHARING, share
from afterword.settings import OnProgress, ignore_progress
from afterword.text.tokenizer import Tokenizer, check_text

MOST_LANES, FEWEST_LANES = 256, 32  # the most lines read side by side, and the fewest if threads share them
USED = "used"  # the costs by what the network predicts with, next to those by each part of a mixture
NONE, NO_PARTS = np.empty(0), dict[str, float]()  # of a text whose tokens are not known
ENTROPY = "entropy"  # the expected costs
NUMBERS_AT_ONCE = 2**22  # the most numbers in memory for the pieces that are read at the same time
STEPS_AT_ONCE = 2048  # tokens of the longest piece, so that progress can be reported and a reader can stop in between

Expected = Callable[[], NDArray[np.floating]]
Nats = Mapping[str, Floats]
ReadBatch = Callable[[list[int], Ids, Callable[[int], None]], object]
"""Takes the indexes of lines and their ids [B, T], as `batches` yields them, and a function to call with the number of
tokens just read."""
Item = TypeVar("Item")


class Cost:
    """The figures of a text, computed from the costs of its tokens.

    A subclass is a dataclass whose fields are figures, some of them computed here. So a table of such records, as
    `pandas.DataFrame` and polars make it, has a column per figure. What they are computed from is an `InitVar`. A field
    with `init=False` and no default is not an attribute of its class, so the property of this class computes it.
    """

    if TYPE_CHECKING:  # polars takes columns in the order of annotations
        characters: int
        bytes: int
    token_nats: Annotated[Floats, "N"]
    """-log P of each token."""
    apart: Mapping[str, float]
    """Nats per character of the network (lstm), the n-gram (ngram) and the mixture (both), if there is an n-gram."""
    end: End | None = None
    """The end of a text, after which another part of it can be scored; None if nothing was read."""
    expected_nats: float
    """The sum of the entropies of a line's predictions: its average cost if they were right. NaN if not computed."""

    def __post_init__(self, *sources: Any) -> None:
        """Keep the value of each `InitVar`."""
        vars(self).update(zip(_sources(type(self)), sources, strict=True))  # type: ignore[arg-type]

    @classmethod
    def of(cls, nats: Nats, text: str, end: int = 0, /, **more: Any) -> Self:
        """Return the score of `text` from the `nats` of its tokens, [N] each, as `token_nats` names them.

        Its end counts as `end` characters; `more` are the other fields of a subclass.
        """
        characters = len(text) + end
        apart = {name: float(nats[name].sum()) / max(characters, 1) for name in USES if name in nats}
        size = {"characters": characters, "bytes": len(text.encode()) + end}
        return cls(**{"token_nats": nats[USED], "apart": apart, **size, **more})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._figures()})"

    def _figures(self) -> str:
        return f"{self.bits_per_character:.3f} bits per character, {self.characters:,} characters"

    @property
    def tokens(self) -> int:
        return len(self.token_nats)

    @property
    def nats(self) -> float:
        return float(self.token_nats.sum())

    @property
    def bits(self) -> float:
        return self.nats / math.log(2)

    @property
    def nats_per_character(self) -> float:
        return self.nats / max(self.characters, 1)

    @property
    def bits_per_character(self) -> float:
        return self.bits / max(self.characters, 1)

    @property
    def bits_per_byte(self) -> float:
        return self.bits / max(self.bytes, 1)

    @property
    def perplexity(self) -> float:
        """exp(nats per token)."""
        return float(np.exp(self.nats / max(self.tokens, 1)))

    @property
    def expected_bits(self) -> float:
        return self.expected_nats / math.log(2)


@cache
def _sources(kind: type[Cost]) -> list[str]:
    """Return the names of the `InitVar`s of `kind`, a subclass."""
    figures = {figure.name for figure in fields(kind)}  # type: ignore[arg-type]
    return [name for name in vars(kind)["__dataclass_fields__"] if name not in figures]


class End(NamedTuple):
    """A place in a text to continue from."""

    characters: int
    """The number of characters before it."""
    token: int
    """The last token before it."""
    state: State | None
    """The state before that token is read; None at a fresh start."""


@dataclass(frozen=True, repr=False)
class Score(Cost):
    """The cost of a text. An empty text costs nothing: every figure is 0 then, and the perplexity 1."""

    token_nats: InitVar[Floats] = NONE
    characters: int = 0
    bytes: int = 0
    """The length of the text in UTF-8."""
    tokens: int = field(init=False)
    bits: float = field(init=False)
    bits_per_character: float = field(init=False)
    bits_per_byte: float = field(init=False)
    perplexity: float = field(init=False)
    apart: InitVar[Mapping[str, float]] = NO_PARTS
    end: InitVar[End | None] = None


@dataclass(frozen=True, repr=False)
class LineScore(Cost):
    """The cost of a line and its end, which counts as one character and one byte.

    If the vocabulary has no boundary token, the end of a line costs nothing and does not count.
    """

    token_nats: InitVar[Floats] = NONE
    line: int = 0
    """The number of the line, from 1."""
    text: str = ""
    bits: float = field(init=False)
    bits_per_character: float = field(init=False)
    characters: int = 0
    bytes: int = 0
    tokens: int = field(init=False)
    apart: InitVar[Mapping[str, float]] = NO_PARTS
    expected_nats: InitVar[float] = math.nan

    def __repr__(self) -> str:
        return f"LineScore({self.line}: {reprlib.repr(self.text)}, {self._figures()})"


def score(
    network: Network,
    tokenizer: Tokenizer,
    text: str,
    on_progress: OnProgress = ignore_progress,
    after: Score | None = None,
) -> Score:
    """Return the cost of `text`. If `after` is given, the text continues what it scored: see `tokenizer.parts`.

    Raises TextError for a lone surrogate, or a character that the tokenizer refuses.
    """
    end = after.end if after is not None else None
    at, before, state = end or (0, tokenizer.end, None)
    ids = tokenizer.encode(text, at)
    nats, state = token_nats(network, before, ids[None], lambda read: on_progress(read.stop / len(ids)), state)
    if len(ids):
        end = End(at + len(text), int(ids[-1]), state)
    return Score.of({name: costs[0] for name, costs in nats.items()}, text, end=end)


def check_not_empty(text: str, after: Score | None) -> None:
    """Raise TextError for an empty `text` that continues nothing: a cost of zero would look like a perfect fit."""
    if isinstance(text, str) and not text and after is None:
        raise TextError("the text is empty: there is nothing to score")


def score_lines(
    network: Network,
    tokenizer: Tokenizer,
    lines: Iterable[str],
    on_progress: OnProgress = ignore_progress,
    entropies: bool = False,
) -> list[LineScore]:
    """Return the cost of each of `lines`, read from a fresh start, in their order; with `entropies`, also the expected
    cost. Raises TextError as `score` does.
    """
    texts = list(lines)
    for text in texts:
        check_text(text)
    different = list(dict.fromkeys(texts))  # logs repeat lines
    ids = line_ids(tokenizer, different)
    found: dict[str, LineScore] = {}

    def read(batch: list[int], padded: Ids, done: Callable[[int], None]) -> None:
        lengths = np.array([len(ids[index]) for index in batch])

        def on_read(read: slice) -> None:
            done(int((np.clip(lengths, read.start, read.stop) - read.start).sum()))

        nats, _ = token_nats(network, tokenizer.end, padded, on_read, entropies=entropies, lengths=lengths.tolist())
        for lane, index in enumerate(batch):
            text = different[index]
            # copies, so that the padding is freed
            costs = {name: cost[lane, : len(ids[index])].copy() for name, cost in nats.items()}
            expected = float(costs[ENTROPY].sum()) if entropies else math.nan
            found[text] = LineScore.of(costs, text, int(tokenizer.end is not None), text=text, expected_nats=expected)

    read_lines(network, ids, read, on_progress)
    return [replace(found[text], line=number) for number, text in enumerate(texts, 1)]


def total(scores: Sequence[Cost]) -> Score:
    """Return the score of all `scores` as one text. Each of its tokens has their mean cost, which takes no memory."""
    tokens, characters = sum(one.tokens for one in scores), sum(one.characters for one in scores)
    mean = math.fsum(one.nats for one in scores) / max(tokens, 1)
    names = scores[0].apart if scores else ()
    each = {name: sum(one.apart[name] * one.characters for one in scores) / characters for name in names}
    return Score(np.broadcast_to(np.float64(mean), tokens), characters, sum(one.bytes for one in scores), each)


def line_ids(tokenizer: Tokenizer, lines: Iterable[str]) -> list[Ids]:
    """Return the ids of each of `lines` and its end. Raises TextError as `score` does."""
    end = np.array([] if tokenizer.end is None else [tokenizer.end], np.int32)
    return [np.concatenate([tokenizer.encode(line), end]) for line in lines]


def read_lines(network: Network, ids: Sequence[Ids], read: ReadBatch, on_progress: OnProgress, times: int = 1) -> None:
    """Call `read` for lines in `batches`, on the network's threads. `read` reads each token that many `times`."""
    threads, total = network.threads, max(1, times * sum(map(len, ids)))
    share(lambda one, done: read(*one, done), batches(ids, threads), lambda done: on_progress(done / total), threads)


def batches(ids: Sequence[Annotated[Ids, "n"]], threads: int = 1) -> Iterator[tuple[list[int], Annotated[Ids, "B T"]]]:
    """Yield lines that are read together: their indexes, longest first, and their ids, padded at the end.

    Batches need little padding and a bounded amount of memory. If `threads` share them, each gets about as many. The
    longest come first, so that all threads end at nearly the same time.
    """
    lengths = [len(line) for line in ids]
    each = -(-len(ids) // threads)  # lines per thread
    lanes = max(FEWEST_LANES, -(-each // -(-each // MOST_LANES))) if ids else MOST_LANES
    numbers = NUMBERS_AT_ONCE // min(threads, MOST_SHARING)

    def fits(batch: list[int], index: int) -> bool:
        longest = lengths[batch[0]]
        return len(batch) < lanes and longest <= 2 * lengths[index] + 16 and longest * (len(batch) + 1) <= numbers

    for batch in grouped(sorted(range(len(ids)), key=lengths.__getitem__, reverse=True), fits):
        padded = np.zeros((len(batch), lengths[batch[0]]), np.int32)
        for lane, index in enumerate(batch):
            padded[lane, : lengths[index]] = ids[index]
        yield batch, padded


def grouped(items: Iterable[Item], fits: Callable[[list[Item], Item], bool]) -> Iterator[list[Item]]:
    """Yield `items` in lists, and begin another list with each item that no longer fits into the last one."""
    group: list[Item] = []
    for item in items:
        if group and not fits(group, item):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def token_nats(
    network: Network,
    before: int | None,
    ids: Annotated[Ids, "lanes T"],
    on_read: Callable[[slice], object] = lambda read: None,
    state: State | None = None,
    entropies: bool = False,
    lengths: Sequence[int] | None = None,
) -> tuple[dict[str, Annotated[Floats, "lanes T"]], State | None]:
    """Return -log P of each of `ids`, read from `state` as in `stretches`, by name. Undefined beyond `lengths`.

    Also return the state before the last id is read, as in `Stretch`. `on_read` takes each place that was read.

    `USED` is by what the network predicts with; "lstm", "ngram" and "both" are by each, if an n-gram is looked up. With
    `entropies`, `ENTROPY` is the entropy of each prediction: the average cost of the token if the prediction was right.
    """
    names = [USED, *_parts(network), *([ENTROPY] if entropies else ())]
    nats = {name: np.empty(ids.shape) for name in names}
    for stretch in stretches(network, before, ids, state, lengths=lengths):
        if entropies:
            expected = stretch.expected()
            likely = np.where(np.isfinite(expected), expected, 0)
            stretch.nats[ENTROPY] = -(np.exp(expected) * likely).sum(axis=-1)
        for name in names:
            found = stretch.nats.get(name, stretch.nats[USED])
            nats[name][: len(found), stretch.place] = found
        state = stretch.state
        on_read(stretch.place)
    return nats, state


class Stretch(NamedTuple):
    """Some of the tokens that are read: [B, t] of [B, T]."""

    place: slice
    """Their place among the T tokens."""
    nats: dict[str, Annotated[Floats, "B t"]]
    """Their costs, as in `token_nats`."""
    expected: Expected
    """Computes log P of every row in their places, [B, t, R]; -inf if nothing was predicted."""
    state: State | None = None
    """The state before the last of them is read; None if nothing was read."""


def stretches(
    network: Network,
    before: int | None,
    ids: Annotated[Ids, "B T"],
    state: State | None = None,
    lengths: Sequence[int] | None = None,
) -> Iterator[Stretch]:
    """Read `ids` and yield pieces of at most `STEPS_AT_ONCE` tokens, fewer if they would take too much memory.

    Each lane continues from `state`, or from a fresh start, and first reads the token `before`, usually the boundary.
    If the `lengths` of the lanes are given, the longest first, later pieces leave out the lanes that have ended.
    """
    (lanes, length), rows = ids.shape, network.config.vocabulary_size
    if before is None:  # nothing predicts the first token
        if length:
            nothing = partial(np.full, (lanes, 1, rows), -np.inf, np.float32)
            yield Stretch(slice(0, 1), {USED: np.full((lanes, 1), math.log(rows))}, nothing)
        fed, first_predicted = ids[:, :-1], 1
    else:
        fed, first_predicted = np.concatenate([np.full((lanes, 1), before, ids.dtype), ids[:, :-1]], axis=1), 0
    numbers = NUMBERS_AT_ONCE // (min(network.threads, MOST_SHARING) if lanes > 1 else 1)
    steps = min(STEPS_AT_ONCE, max(1, numbers // (lanes * (network.numbers_per_token + 5 * rows))))
    state = network.start(lanes) if state is None else state
    for first in range(first_predicted, length, steps):
        place = slice(first, min(first + steps, length))
        if lengths is not None and lengths[lanes - 1] <= first:
            lanes = sum(length > first for length in lengths)
            state = network.chosen(state, range(lanes))
        some = fed[:lanes, first - first_predicted : place.stop - first_predicted]
        nats, expected, state = _predicted(network, some, ids[:lanes, place], state)
        yield Stretch(place, nats, expected, state)


def _predicted(network: Network, fed: Ids, ids: Ids, state: State) -> tuple[dict[str, Floats], Expected, State]:
    """Return the nats and the predictions of ids [B, t], one after each of fed [B, t], and the state at the end."""
    parts = _parts(network)
    if not isinstance(network, Mixture) or len(parts) == 1:
        logits, state = network.read(fed, state)
        nats = dict.fromkeys((USED, *parts), -network.token_log_probabilities(logits, ids))
        return nats, partial(log_probabilities, logits), state
    logits, probabilities, state = network.read_apart(fed, state)
    lstm, ngram = (-network.token_log_probabilities(each, ids) for each in (logits, np.log(probabilities)))
    nats = {"lstm": lstm, "ngram": ngram, "both": mixed(lstm, ngram, network.weight)}
    return {USED: nats[network.using], **nats}, partial(network.join, logits, probabilities), state


def _parts(network: Network) -> Sequence[str]:
    """Return the names of the parts whose costs are known apart. The LSTM alone looks nothing up in an n-gram."""
    if not isinstance(network, Mixture):
        return ()
    return ("lstm",) if network.using == "lstm" else USES
