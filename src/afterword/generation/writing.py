"""Writing: one text as it is generated, or many whole texts, with or without a choice among them."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, groupby, islice, repeat
from operator import itemgetter

from afterword.errors import OptionError, WorkError
from afterword.generation.copying import Passages
from afterword.generation.draft import Sample, Stream, Terms, checked_seed
from afterword.generation.healing import Prompt, Reading, begun, read_prompt
from afterword.generation.parallel import write_samples
from afterword.generation.placing import scripts
from afterword.generation.sampling import Sampling
from afterword.model.folder.saved import SavedModel
from afterword.model.network.network import Network
from afterword.settings import whole_number

LAST, FEWEST = 10_000, 10  # the search ends when fewer than FEWEST of the LAST seeds brought an accepted text
PATIENCE = 120.0  # seconds without a text that obeys the rules before writing freely ends


@dataclass
class Tally:
    """Counts the texts written to be judged, and those of them that obeyed the rules."""

    written: int = 0
    obeying: int = 0
    on_text: Callable[[], None] = lambda: None
    """Called after each of them."""


class Writing:
    """Writes texts with a model, the network that predicts for it, and settings: made once, it writes any number.

    `passages` are those of the training text, if copies of it are forbidden. A prompt is text, a `Reading` by the same
    network, or None, for the model's default beginning. Raises OptionError for settings that do not suit the model.
    """

    def __init__(
        self, model: SavedModel, network: Network, sampling: Sampling, passages: Passages | None = None
    ) -> None:
        self.model, self.network, self.sampling = model, network, sampling
        self.terms = Terms(model, sampling, passages)
        self._scripts = partial(scripts, self.terms, network) if self.terms.places else None

    @property
    def draws(self) -> bool:
        """Return whether a text depends on its seed: at temperature 0, a classic model's window does."""
        return self.terms.draws or self.model.writing.opening == "window"

    def stream(self, prompt: Prompt = None, seed: int | None = None, label: str | None = None) -> Stream:
        """Write after `prompt` with a random seed unless one is given. Raises OptionError, TextError."""
        if self.sampling.reject:
            raise OptionError("reject is not for a stream, which shows a text before it is known to obey the rules")
        return Stream(self.terms, self.network, prompt, random_seed() if seed is None else seed, label, self._scripts)

    def sample(
        self, prompt: Prompt = None, seed: int | None = None, best_of: int = 1, label: str | None = None
    ) -> Sample:
        """Write after `prompt` to the end. `best_of` is as in `samples`."""
        if self.sampling.reject or best_of != 1:
            return next(self.samples([prompt], 1, seed, best_of, label))
        return self.stream(prompt, seed, label).sample()

    def samples(
        self,
        prompts: Sequence[Prompt],
        num: int,
        seed: int | None = None,
        best_of: int = 1,
        label: str | None = None,
        accept: Callable[[Sample], bool] | None = None,
        tally: Tally | None = None,
    ) -> Iterator[Sample]:
        """Write `num` samples after each of `prompts`, with the seeds from `seed` on (mod 2^64), many in parallel.

        Each sample is the likeliest of `best_of` texts. A text that `accept` refuses, or that breaks rules that are not
        enforced, is replaced by one of a further seed. `tally` counts the texts written to be judged. Raises
        OptionError, TextError, and WorkError if too few texts are accepted, or none obeys the rules for too long.
        """
        for name, number in (("num", num), ("best-of", best_of)):
            if whole_number(name, number) < 1:
                raise OptionError(f"{name} must be 1 or more, not {number}")
        first = random_seed() if seed is None else checked_seed(seed)
        starts = [begun(self.model, self.network, prompt, label) for prompt in prompts]
        if accept is None and not self.sampling.reject:
            each = (start for start in starts for _ in range(num * best_of))
            return likeliest(self._write(zip(each, count(first), strict=False)), best_of)
        counts, obeyed = tally or Tally(), time.monotonic()

        def accepts(sample: Sample) -> bool:
            nonlocal obeyed
            obeys = not self.sampling.reject or self.terms.obeys(sample.text)
            counts.written += 1
            counts.obeying += obeys
            counts.on_text()
            if obeys:
                obeyed = time.monotonic()
            elif time.monotonic() - obeyed > PATIENCE:
                raise WorkError(
                    f"no text obeyed the rules for {PATIENCE:.0f} s: leave out --reject, or change the rules"
                )
            return obeys and (accept is None or accept(sample))

        def after(number: int, start: Prompt) -> Iterator[Sample]:
            seeds = count(first + number * num * best_of)
            endless = self._write(zip(repeat(start), seeds, strict=False))
            return likeliest(accepted(endless, num * best_of, accepts, gives_up=accept is not None), best_of)

        return chain.from_iterable(after(number, start) for number, start in enumerate(starts))

    def _write(self, texts: Iterable[tuple[Prompt, int]]) -> Iterator[Sample]:
        """Yield what each seed writes after its prompt, in parallel if possible."""
        if self.model.writing.opening == "window" or self.terms.is_over:  # each has its own window, or no first token
            return (
                Stream(self.terms, self.network, prompt, seed % 2**64, None, self._scripts).sample()
                for prompt, seed in texts
            )
        return write_samples(self.terms, self.network, self._read(texts), self._scripts)

    def _read(self, texts: Iterable[tuple[Prompt, int]]) -> Iterator[tuple[Reading, int]]:
        """Yield each prompt as a reading. A prompt that comes several times in a row is read once."""
        for prompt, group in groupby(texts, key=itemgetter(0)):
            reading = prompt if isinstance(prompt, Reading) else read_prompt(self.model, self.network, prompt)
            for _, seed in group:
                yield reading, seed % 2**64


def likeliest(samples: Iterator[Sample], number: int) -> Iterator[Sample]:
    """Yield, of each `number` consecutive samples, the one whose tokens are the likeliest on average."""
    while group := list(islice(samples, number)):
        yield max(group, key=lambda sample: sample.log_probability / max(1, sample.tokens))


def accepted(
    samples: Iterable[Sample], num: int, accept: Callable[[Sample], bool], gives_up: bool = True
) -> Iterator[Sample]:
    """Yield the first `num` samples that are accepted. If it `gives_up`, raise WorkError once fewer than `FEWEST` of
    the `LAST` ones are."""
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
        if gives_up and number >= LAST and len(recent) < FEWEST:
            raise WorkError(f"fewer than 1 in {LAST // FEWEST:,} of the last {LAST:,} seeds brought a new one")


def random_seed() -> int:
    """Return an unpredictable seed, from 0 to 2^64 - 1."""
    return secrets.randbits(64)
