"""The writer: one text as it is generated, or many whole texts, with or without a choice among them.

prompt ──► Reading ──► a lane of a batch ──► Text ──► pieces, or a sample
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY
from itertools import chain, count, groupby, islice, repeat
from operator import itemgetter
from typing import TypeVar

from afterword.errors import OptionError, WorkError
from afterword.generation.continuation import Continuation, Policy, checked_seed
from afterword.generation.copying import Passages
from afterword.generation.parallel import LANES_PER_BATCH, ParallelTexts, TextBatch
from afterword.generation.placing import forced_tokens
from afterword.generation.prefill import (
    Prompt,
    PromptLike,
    Reading,
    prompt_of,
    read_prompt,
)
from afterword.generation.sampling import Filters, Sampling
from afterword.generation.texts import Piece, Sample, Text
from afterword.model.arrays import Ids
from afterword.model.folder.saved import SavedModel
from afterword.model.network.network import Network
from afterword.settings import settings_class, whole_number

MOST_TEXTS = 2**31
AHEAD = 64 * LANES_PER_BATCH  # complete texts that may wait in memory for an earlier one
LAST, FEWEST = 10_000, 10  # the search ends when fewer than FEWEST of the LAST seeds brought an accepted text


@settings_class()
class Expecting(Filters):
    """The request for the characters that can follow."""

    prompt: PromptLike = None
    _: KW_ONLY
    label: str | None = None


@settings_class()
class Streaming(Sampling):
    """The request for a text, piece by piece."""

    prompt: PromptLike = None
    _: KW_ONLY
    label: str | None = None
    seed: int | None = None


@settings_class(kw_only=True)
class Generating(Streaming):
    """The request for a whole text."""

    best_of: int = 1


@settings_class(kw_only=True)
class GeneratingMany(Generating):
    """The request for many texts."""

    num: int


class Stream(Iterator[Piece]):
    """The pieces of a text, one per token, as they are written. At their end `finish_reason` is "stop" (end token, stop
    string, or nothing longer obeys the rules), "length", or "rules": every token would have continued a copy."""

    def __init__(self, text: Text, pieces: Iterator[Piece]) -> None:
        self._text, self._pieces, self._written = text, pieces, list[Piece]()
        self.prompt, self.seed = text.continuation.prompt, text.continuation.seed

    def __repr__(self) -> str:
        return f"Stream(seed {self.seed}, {self.finish_reason or 'not at its end'})"

    def __next__(self) -> Piece:
        self._written.append(next(self._pieces))
        return self._written[-1]

    @property
    def finish_reason(self) -> str | None:
        return self._text.continuation.finish_reason

    def sample(self) -> Sample:
        """Write to the end, and return what was written as a sample."""
        return self._text.sample([*self._written, *self])


class Writer:
    """Writes texts with a model, the network that predicts for it, and settings: made once, it writes any number.

    `passages` are those of the training text, if copies of it are forbidden. Raises OptionError for settings that do
    not suit the model.
    """

    def __init__(
        self, model: SavedModel, network: Network, sampling: Sampling, passages: Passages | None = None
    ) -> None:
        self.model, self.network, self.sampling = model, network, sampling
        self.policy = Policy(model, sampling, passages)
        self._opens_windows = model.writing.opening == "window"
        self.draws = self.policy.draws or self._opens_windows
        """Whether a text depends on its seed: at temperature 0, a classic model's window does."""

    def read(self, prompt: PromptLike, label: str | None = None) -> Reading:
        """Return `prompt` if it has been read already, else read it. Raises TextError; OptionError also for a reading
        that does not suit."""
        if not isinstance(prompt, Reading):
            return read_prompt(self.model, self.network, prompt, label)
        if label is not None:
            raise OptionError("the prompt was read without a label: give the label to read")
        if prompt.network is not self.network:
            raise OptionError(f"the prompt {prompt.prompt[:40]!r} was read by another model: read it by this one")
        return prompt

    def stream(self, prompt: PromptLike = None, seed: int | None = None, label: str | None = None) -> Stream:
        """Write after `prompt` with a random seed unless one is given. Raises OptionError, TextError."""
        seed = random_seed() if seed is None else checked_seed(seed)
        start = self._encoded(self._labelled(prompt, label), seed)
        text = Text(Continuation(self.policy, start.prompt, seed, start.labelled), records=True)
        return Stream(text, self._pieces(text, start))

    def _pieces(self, text: Text, start: Prompt | Reading) -> Iterator[Piece]:
        """Yield each token of `text` as it is drawn, before the network reads it."""
        batch: TextBatch[Text] = TextBatch(self.network)
        if not text.is_over:
            batch.enter(self._begun([(text, start.whole())]))
        while batch.texts:
            tokens = batch.draw()
            yield text.piece()
            batch.advance(tokens)

    def sample(
        self, prompt: PromptLike = None, seed: int | None = None, best_of: int = 1, label: str | None = None
    ) -> Sample:
        """Write after `prompt` to the end. `best_of` is as in `samples`."""
        return next(self.samples([prompt], 1, seed, best_of, label))

    def samples(
        self,
        prompts: Sequence[PromptLike],
        num: int,
        seed: int | None = None,
        best_of: int = 1,
        label: str | None = None,
        accept: Callable[[Sample], bool] | None = None,
    ) -> Iterator[Sample]:
        """Write `num` samples after each of `prompts`, with the seeds from `seed` on (mod 2^64), many in parallel.

        Each sample is the likeliest of `best_of` texts. A text that `accept` refuses is replaced by one of a further
        seed. Raises OptionError, TextError, and WorkError if too few texts are accepted.
        """
        for name, number in (("`num`", num), ("`best_of`", best_of)):
            if not 1 <= whole_number(name, number) <= MOST_TEXTS:
                raise OptionError(f"{name} must be from 1 to {MOST_TEXTS:,}, not {number:,}")
        first = random_seed() if seed is None else checked_seed(seed)
        starts = [self._labelled(prompt, label) for prompt in prompts]
        if accept is None:
            each = (start for start in starts for _ in range(num * best_of))
            return best_of_each(self.write(zip(each, _seeds(first), strict=False)), best_of)

        def after(number: int, start: PromptLike) -> Iterator[Sample]:
            endless = self.write(zip(repeat(start), _seeds(first + number * num * best_of), strict=False))
            return best_of_each(accepted(endless, num * best_of, accept), best_of)

        return chain.from_iterable(after(number, start) for number, start in enumerate(starts))

    def write(self, prompts: Iterable[tuple[PromptLike, int]]) -> Iterator[Sample]:
        """Yield what each seed writes after its prompt, many in parallel and in their order. Raises as `samples`."""
        # each text of a classic model is written alone: a batch would round the products of its window differently
        lanes = 1 if self._opens_windows else LANES_PER_BATCH
        waiting: Iterator[tuple[int, tuple[Text, Prompt | Reading]]] = enumerate(self._texts(prompts))
        numbers = dict[Text, tuple[int, Prompt | Reading]]()
        complete: dict[int, Sample] = {}
        begun = yielded = 0
        batches: ParallelTexts[Text] = ParallelTexts(self.network)
        while True:
            entering = list[tuple[Text, Reading]]()
            room = min(lanes - len(batches.texts), yielded + AHEAD - begun)
            for number, (text, prompt) in islice(waiting, max(room, 0)):
                begun += 1
                if text.is_over:  # before its first token
                    complete[number] = text.sample()
                else:
                    numbers[text] = number, prompt
                    entering.append((text, prompt.whole()))
            if entering:
                batches.enter(self._begun(entering))
            if batches.texts:
                for text in batches.step():
                    number, prompt = numbers.pop(text)
                    if again := text.continuation.again():
                        waiting, begun = chain([(number, (Text(again, text.records), prompt))], waiting), begun - 1
                    else:
                        complete[number] = text.sample()
            elif not complete:
                return
            while yielded in complete:
                yield complete.pop(yielded)
                yielded += 1

    def _labelled(self, prompt: PromptLike, label: str | None) -> PromptLike:
        """Return the prompt to continue: a reading, if there is a `label`."""
        return prompt if label is None and not isinstance(prompt, Reading) else self.read(prompt, label)

    def prompt(self, text: str | None, *, ids: Ids | None = None, seed: int = 0) -> Prompt:
        """Return a prompt that is yet to be read; see `prefill.prompt_of`."""
        return prompt_of(self.model, self.network, text, ids=ids, seed=seed)

    def _encoded(self, start: PromptLike, seed: int) -> Prompt | Reading:
        return start if isinstance(start, Reading) else self.prompt(start, seed=seed)

    def _begun(self, texts: Sequence[tuple[Text, Reading]]) -> list[tuple[Text, Reading]]:
        """Begin each text, and return it with the spelling of its prompt that it continues."""
        begun = [(text, text.continuation.begin(reading)) for text, reading in texts]
        if self.policy.contained and begun:
            found = forced_tokens(self.policy, self.network, [(one, text.continuation.seed) for text, one in begun])
            for (text, _), forced in zip(begun, found, strict=True):
                text.continuation.forced = forced
        return begun

    def _texts(self, prompts: Iterable[tuple[PromptLike, int]]) -> Iterator[tuple[Text, Prompt | Reading]]:
        """Yield the text of each prompt and seed, with its prompt. One that comes several times in a row is encoded and
        read once."""
        records = self.sampling.log_probabilities is not None
        for prompt, group in groupby(prompts, key=itemgetter(0)):
            encoded: Prompt | Reading | None = None
            for _, seed in group:
                if encoded is None or self._opens_windows:
                    encoded = self._encoded(prompt, seed)
                yield Text(Continuation(self.policy, encoded.prompt, seed, encoded.labelled), records), encoded


Written = TypeVar("Written", bound=Sample | Text)


def likeliest(texts: Iterable[Written], number: int) -> list[Written]:
    """Return the `number` texts whose tokens are the likeliest on average, the likeliest first."""
    return sorted(texts, key=lambda text: text.log_probability / max(1, text.tokens), reverse=True)[:number]


def best_of_each(samples: Iterator[Sample], number: int) -> Iterator[Sample]:
    """Yield the likeliest of each `number` consecutive samples."""
    while group := list(islice(samples, number)):
        yield from likeliest(group, 1)


def accepted(samples: Iterable[Sample], num: int, accept: Callable[[Sample], bool]) -> Iterator[Sample]:
    """Yield the first `num` samples that are accepted. Raise WorkError once fewer than `FEWEST` of the `LAST` ones
    are."""
    kept, recent = 0, deque[int]()  # the numbers of the samples that were accepted lately
    for number, sample in enumerate(samples, start=1):
        if accept(sample):
            kept += 1
            recent.append(number)
            yield sample
        if kept == num:
            return
        while recent and recent[0] <= number - LAST:
            recent.popleft()
        if number >= LAST and len(recent) < FEWEST:
            raise WorkError(f"fewer than 1 in {LAST // FEWEST:,} of the last {LAST:,} seeds brought a new one")


def _seeds(first: int) -> Iterator[int]:
    return (seed % 2**64 for seed in count(first))


def random_seed() -> int:
    """Return an unpredictable seed, from 0 to 2^64 - 1."""
    return secrets.randbits(64)
