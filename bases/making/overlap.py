"""How much of what models write stands word for word in the books of their base.

    python -m bases.making.overlap BOOKS [--model MODEL ...] [--human TEXT ...]
                                      [--samples 20] [--characters 1000] [--temperature 0.8]

For each word that a model wrote: the longest run of words from it on that stands in BOOKS too, where a word is letters,
digits and apostrophes, in lower case; what stands between words does not matter. Printed for each model, and for as
many pieces of each human text, evenly spread, beside which it is to be seen: the fraction of the words that lie in such
a run of at least 5, 8 and 12 words, and the longest run. 100 MB of books take a minute and 0.6 GB of memory.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from afterword.language_model import load
from benchmarks.commands import as_written, echo_row, echo_table

WORD = re.compile(r"\w+(?:'\w+)*")
SHORTEST = 5  # words of a run that counts
RUNS = (5, 8, 12)
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no bit of a hash is lost


@dataclass(frozen=True)
class Shared:
    """What a text shares with the books."""

    words: list[str]
    lengths: NDArray[np.int64]
    """From each word on, how many words stand in the books in a row; 0 where fewer than `SHORTEST` do. [N]"""

    def within(self, length: int) -> int:
        """How many words lie in a run of at least so many."""
        covered = np.zeros(len(self.words) + 1, np.int64)
        for first in np.flatnonzero(self.lengths >= length):
            covered[first] += 1
            covered[first + self.lengths[first]] -= 1
        return int(np.count_nonzero(np.cumsum(covered)))

    @property
    def longest(self) -> str:
        if not self.words:
            return ""
        first = int(self.lengths.argmax())
        return " ".join(self.words[first : first + self.lengths[first]])


class Books:
    """The words of the books, and where each run of `SHORTEST` words stands."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._numbers: dict[str, int] = {}
        numbers = array("I")
        for line in lines:
            numbers.extend(self._numbers.setdefault(word, len(self._numbers)) for word in words(line))
        self._text = np.frombuffer(numbers, np.uint32)
        hashes = _hashes(self._text)
        self._places = np.argsort(hashes)
        self._hashes = hashes[self._places]

    @property
    def size(self) -> int:
        return len(self._text)

    def shared(self, text: str) -> Shared:
        """What `text` shares with the books."""
        found = list(words(text))
        unknown = len(self._numbers)
        numbers = np.array([self._numbers.get(word, unknown) for word in found], np.uint32)
        lengths = np.zeros(len(found), np.int64)
        hashes = _hashes(numbers)
        firsts, lasts = (np.searchsorted(self._hashes, hashes, side) for side in ("left", "right"))
        for place in np.flatnonzero(firsts < lasts):
            lengths[place] = self._longest(numbers[place:], self._places[firsts[place] : lasts[place]])
        return Shared(found, lengths)

    def _longest(self, numbers: NDArray[np.uint32], places: NDArray[np.int64]) -> int:
        """How many of `numbers` stand in the books from one of `places` on, at most."""
        for length, number in enumerate(numbers):
            places = places[places + length < len(self._text)]
            places = places[self._text[places + length] == number]
            if not len(places):
                return length if length >= SHORTEST else 0
        return len(numbers)


def words(text: str) -> Iterator[str]:
    return (match.group() for match in WORD.finditer(text.replace("’", "'").lower()))


def _hashes(numbers: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """A hash of each run of `SHORTEST` numbers, [N - SHORTEST + 1]."""
    count = max(len(numbers) - SHORTEST + 1, 0)
    hashes = np.zeros(count, np.uint64)
    for k in range(SHORTEST):
        hashes = (hashes + numbers[k : k + count] + np.uint64(1)) * FACTOR
        hashes ^= hashes >> np.uint64(29)
    return hashes


def written(model: Path, samples: int, characters: int, temperature: float) -> list[str]:
    """What a model writes, by the seeds 0, 1, …"""
    loaded = load(model)
    return [loaded.generate(max_tokens=characters, temperature=temperature, seed=seed).text for seed in range(samples)]


def pieces(text: str, samples: int, characters: int) -> list[str]:
    """Pieces of a text, evenly spread, or all of it where it is shorter."""
    characters = min(characters, len(text) // samples)
    return [text[start : start + characters] for start in range(0, len(text) - characters + 1, len(text) // samples)][
        :samples
    ]


def row(name: str, found: Sequence[Shared]) -> list[str]:
    total = sum(len(shared.words) for shared in found)
    longest = max((shared.longest for shared in found), key=lambda run: len(run.split()))
    fractions = (f"{sum(shared.within(length) for shared in found) / max(total, 1):.1%}" for length in RUNS)
    return [name, f"{total:,}", *fractions, f"{len(longest.split())}: {longest}"]


@click.command(help=as_written(__doc__))
@click.argument("books", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--model", "models", type=click.Path(path_type=Path), multiple=True, help="that writes; again and again")
@click.option(
    "--human", type=click.Path(path_type=Path, exists=True, dir_okay=False), multiple=True, help="a text beside it"
)
@click.option("--samples", type=click.IntRange(1), default=20, show_default=True)
@click.option("--characters", type=click.IntRange(1), default=1000, show_default=True, help="of each sample")
@click.option("--temperature", type=float, default=0.8, show_default=True)
def main(
    books: Path, models: Sequence[Path], human: Sequence[Path], samples: int, characters: int, temperature: float
) -> None:
    with open(books, encoding="utf-8") as file:
        found = Books(file)
    click.echo(f"{found.size:,} words in {books.name}; {samples} samples of {characters:,} characters each\n")
    echo_table(["text", "words", *(f"in runs of {n} or more" for n in RUNS), "longest run"])
    for path in human:
        texts = pieces(path.read_text(encoding="utf-8"), samples, characters)
        echo_row(row(path.name, [found.shared(text) for text in texts]))
    for model in models:
        texts = written(model, samples, characters, temperature)
        echo_row(row(model.name, [found.shared(text) for text in texts]))


if __name__ == "__main__":
    main()
