"""Measure how well `voice` recognises an author, as in authorship verification: for docs/figures.md.

    python -m benchmarks.voice     alone on the machine: 30 minutes on two cores

The twelve authors are in ../shared/data/voice. The real command trains a model of each, from the base, in a fixed
number of steps, on 125,000 characters of one book. The passages are from two other books. They begin with a paragraph,
and are evenly spread over each book: twenty by each author, of which ten have 4,000 characters and ten have 1,000. The
passages of 300, 1,000 and 3,000 characters are their beginnings. For each author:

    AUC    the probability that a passage by the author scores higher than one by the eleven others
    of 12  the fraction of passages of 4,000 characters whose highest-scoring author is the true one

`voice` knows the author's text and the base. The peers, in benchmarks/peers/voice_peers.py, have their own environment,
.venv-voice-peers. The regression, Delta and the weights of the 4-grams also know the texts of the eleven others.
To show what it is worth to know the others, `less the mean` compares the author's model with the mean of the models
that did not learn from the passage's writer. Runs and costs are kept in .cache/voice; each figure is a line in
benchmarks/results/voice.jsonl.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from afterword.language_model import load
from afterword.wings.voice.own_voice import Gains, lstm_bits, ngram_bits
from benchmarks.commands import (
    CACHE,
    DATA,
    as_written,
    echo_table,
    measured_here,
    peer_python,
    run_afterword,
    run_peer,
    write_result,
)
from benchmarks.detection import auc

LENGTHS, WHOLE = (3000, 1000, 300), 4000  # characters
PLACES, SHORT = 10, 1000  # passages of each book; every second one is short, in characters
STEPS = 280  # about what a minute gives on two quiet cores
GROUPS = 4  # of authors, of which each is left out in turn

Likeness = NDArray[np.float64]  # [authors, passages]


class Passage(NamedTuple):
    """A passage of an author."""

    author: str
    book: str
    text: str


def text_of(author: str, book: str) -> str:
    return lzma.open(DATA / "voice" / f"{author}.{book}.txt.xz").read().decode()


def authors() -> list[str]:
    return sorted(file.name.partition(".")[0] for file in (DATA / "voice").glob("*.own.txt.xz"))


def passages_of(author: str) -> Iterator[Passage]:
    """Yield the passages of an author, each from the beginning of a paragraph."""
    for book in ("other-1", "other-2"):
        text = text_of(author, book)
        for place in range(PLACES):
            begin = text.index("\n\n", place * (len(text) - WHOLE - 2000) // (PLACES - 1)) + 2
            yield Passage(author, book, text[begin : begin + (SHORT if place % 2 else WHOLE)])


def trained(author: str, place: Path) -> Path:
    """Return the run on an author's text; train it if it is missing."""
    run = place / f"{author}-{STEPS}"
    if not (run / "model").exists():
        (place / f"{author}.own.txt").write_text(text_of(author, "own"), encoding="utf-8")
        run_afterword("train", place / f"{author}.own.txt", "--steps", STEPS, "--out", run)
    return run


def nats_of(author: str | None, place: Path, passages: Sequence[Passage]) -> list[NDArray[np.float64]]:
    """Return the cost of each character of the passages to an author's LSTM, or to the base's; kept in `place`."""
    kept = place / f"nats-{'base' if author is None else f'{author}-{STEPS}'}.npz"
    if not kept.exists():
        model = load("english" if author is None else trained(author, place), "lstm")
        starts = [model.tokenizer.starts(one.text) for one in passages]  # some characters are several tokens
        costs = zip(starts, model.score_lines([one.text for one in passages]), passages, strict=True)
        np.savez(kept, *(np.bincount(at, cost.token_nats[: len(at)], len(one.text)) for at, cost, one in costs))
    with np.load(kept) as found:
        return [found[name] for name in found.files]


def gains_of(author: str, place: Path, passages: Sequence[Passage]) -> list[Gains]:
    nats = (nats_of(one, place, passages) for one in (author, None))
    model, found = load(trained(author, place)), []
    for one, network, base in zip(passages, *nats, strict=True):
        assert model.saved.ngram is not None
        ngram = ngram_bits(one.text, model.saved.ngram, model.tokenizer, base)
        found.append(Gains.of(one.text, lstm_bits(network, base) + ngram))
    return found


def by_voice(gains: Sequence[Sequence[Gains]], length: int) -> Likeness:
    """Return the gain per character of the first `length` characters of each passage that has them, by author."""
    found = [[one for one in each if len(one.text) >= length] for each in gains]
    return np.array([[one.bits[:length].sum() / one.counted[:length].sum() for one in each] for each in found])


def less_strangers(likeness: Likeness, passages: Sequence[Passage]) -> Likeness:
    """Return `likeness`, less the mean of the other models but for that of the passage's writer.

    The models are in four groups, and the group of the writer is left out. The author's own passages get the mean of
    the four, as in the regression of the peers.
    """
    written, number = np.array([one.author for one in passages]), np.arange(len(likeness))
    group = number % GROUPS
    theirs = np.array([authors().index(one) % GROUPS for one in written])
    found = []
    for k, (author, row) in enumerate(zip(authors(), likeness, strict=True)):
        each = np.array([row - likeness[(group != one) & (number != k)].mean(axis=0) for one in range(GROUPS)])
        found.append(np.where(written == author, each.mean(axis=0), np.choose(theirs, each)))
    return np.array(found)


def by_peers(place: Path, passages: Sequence[Passage], length: int) -> dict[str, Likeness]:
    """Return the likeness [authors, passages] that each peer finds; kept in `place`."""
    kept = place / f"peers-{length}.json"
    if not kept.exists():
        own, file = {author: text_of(author, "own") for author in authors()}, place / "texts.json"
        asked = {
            "own": own,
            "passages": [one.text[:length] for one in passages],
            "written": [one.author for one in passages],
        }
        file.write_text(json.dumps(asked), encoding="utf-8")
        python = peer_python("voice-peers", "pyppmd==1.3.1", "scikit-learn==1.9.1")
        kept.write_text(run_peer(python, "voice_peers.py", file), encoding="utf-8")
    return {name: np.array(each) for name, each in json.loads(kept.read_text("utf-8")).items()}


@click.command(help=as_written(__doc__))
def main() -> None:
    place = (CACHE / "voice").absolute()
    place.mkdir(parents=True, exist_ok=True)
    passages = [one for author in authors() for one in passages_of(author)]
    gains = [gains_of(author, place, passages) for author in authors()]
    found: dict[str, list[str]] = {}
    for length in (*LENGTHS, WHOLE):
        some = [one for one in passages if len(one.text) >= length]
        written, voice = np.array([one.author for one in some]), by_voice(gains, length)
        ways = {"voice": voice, "voice, less the mean": less_strangers(voice, some), **by_peers(place, some, length)}
        for name, likeness in ways.items():
            each = [auc(row[written == one], row[written != one]) for one, row in zip(authors(), likeness, strict=True)]
            mean, right = float(np.mean(each)), float((np.array(authors())[likeness.argmax(axis=0)] == written).mean())
            write_result("voice", **measured_here(), way=name, length=length, auc=mean, right=right)
            found.setdefault(name, []).append(f"{right:.0%}" if length == WHOLE else f"{mean:.3f}")
    echo_table(["", *(f"AUC {n:,}" for n in LENGTHS), "right of 12"], [[name, *cells] for name, cells in found.items()])


if __name__ == "__main__":
    main()
