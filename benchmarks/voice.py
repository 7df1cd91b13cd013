"""Measure how well `voice` recognises an author, as in authorship verification: for docs/figures.md.

    python -m benchmarks.voice     alone on the machine: 30 minutes on two cores
    python -m benchmarks.voice --sentences   sentences by others among one's own; the speed for a changed paragraph

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

With --sentences, the passages of 4,000 characters are drafts: after every fourth sentence of 80 to 200 characters comes
one of that length by another of the twelve, from the same kind of book. `OwnVoice` reads each draft from start to end.
The AUC is the probability that a planted sentence has a smaller gain than one of the author's own; the place is that
of `voice`, which says how many of the writer's own passages are less like the writer.
"""

from __future__ import annotations

import json
import lzma
import random
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from afterword.language_model import LanguageModel, load
from afterword.settings import ignore_progress
from afterword.text.sentences import sentence_ends
from afterword.wings.voice.own_voice import Gains, OwnVoice, Span, lstm_bits, ngram_bits, own_voice
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


SENTENCE = range(80, 201)  # characters of a sentence that is planted, or compared with those
EVERY = 4  # own sentences of that length before each that is planted
UNLIKE = 0.1  # place below which a mark of single sentences would stand


def sentences_in(text: str) -> list[str]:
    """Return the sentences of a text, each with the spaces after it."""
    return [text[start:stop] for start, stop in pairwise([0, *sentence_ends(text), len(text)]) if start < stop]


def has_length(sentence: str) -> bool:
    return len(sentence.strip()) in SENTENCE and "\n" not in sentence.strip()


def planted_in(passage: Passage, others: Iterator[str]) -> tuple[str, list[tuple[int, int, bool]]]:
    """Return a draft, and the places of the sentences that count: start, end, and whether it was planted."""
    draft, places = "", list[tuple[int, int, bool]]()

    def add(sentence: str, is_planted: bool) -> None:
        nonlocal draft
        if has_length(sentence):
            start = len(draft) + len(sentence) - len(sentence.lstrip())
            places.append((start, start + len(sentence.strip()), is_planted))
        draft += sentence

    for sentence in sentences_in(passage.text)[:-1]:  # the last is cut off
        add(sentence, False)
        if has_length(sentence) and sum(not planted for *_, planted in places) % EVERY == 0:
            add(f"{next(others).strip()} ", True)
    return draft, places


def own_voice_of(author: str, place: Path) -> tuple[LanguageModel, OwnVoice]:
    model = load(trained(author, place), "lstm")
    return model, own_voice(model, None, None, ignore_progress)


def by_sentence(place: Path, passages: Sequence[Passage]) -> None:
    drawn, rows, found = random.Random(67), list[list[str]](), dict[str, list[float]]()
    for author in authors():
        theirs = [one for other in passages if other.author != author for one in sentences_in(other.text)[1:-1]]
        others = iter(drawn.sample(planted := [one for one in theirs if has_length(one)], len(planted)))
        _, voice = own_voice_of(author, place)
        gains, places, is_planted = list[float](), list[float](), list[bool]()
        for passage in passages:
            if passage.author == author and len(passage.text) == WHOLE:
                draft, spans = planted_in(passage, others)
                bits, counted = voice.hear(draft).sums([Span(start, stop) for start, stop, _ in spans])
                gains += (bits / counted).tolist()
                places += [voice.place(*one) for one in zip(bits.tolist(), counted.tolist(), strict=True)]
                is_planted += [planted for *_, planted in spans]
        planted_here, at = np.array(is_planted), np.array(places)
        each = {
            "AUC by gain": auc(-np.array(gains)[planted_here], -np.array(gains)[~planted_here]),
            "AUC by place": auc(-at[planted_here], -at[~planted_here]),
            "planted marked": float((at[planted_here] < UNLIKE).mean()),
            "own marked": float((at[~planted_here] < UNLIKE).mean()),
        }
        click.echo(f"{author}: {each}", err=True)
        rows.append([author, str(len(planted_here)), *(f"{one:.3f}" for one in each.values())])
        for name, one in each.items():
            found.setdefault(name, []).append(one)
    means = {name: float(np.mean(each)) for name, each in found.items()}
    write_result("voice", **measured_here(), way="planted sentences", **means)
    echo_table(["", "sentences", *found], [*rows, ["mean", "", *(f"{one:.3f}" for one in means.values())]])


def of_a_paragraph(place: Path, passages: Sequence[Passage]) -> None:
    """Measure how long it takes to hear a paragraph of 600 characters again, and a text of 5,000."""
    _, voice = own_voice_of(authors()[0], place)
    for length in (600, 5000):
        text = "".join(one.text for one in passages if one.author == authors()[1])[:length]
        took = []
        for _ in range(5):
            began = time.perf_counter()
            voice.hear(text)
            took.append(time.perf_counter() - began)
        write_result("voice", **measured_here(), way="hear", length=length, seconds=float(np.median(took)))
        click.echo(f"{length:,} characters: {np.median(took):.2f} s")


@click.command(help=as_written(__doc__))
@click.option("--sentences", is_flag=True, help="sentences by others among one's own")
def main(sentences: bool) -> None:
    place = (CACHE / "voice").absolute()
    place.mkdir(parents=True, exist_ok=True)
    passages = [one for author in authors() for one in passages_of(author)]
    if sentences:
        of_a_paragraph(place, passages)
        by_sentence(place, passages)
        return
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
