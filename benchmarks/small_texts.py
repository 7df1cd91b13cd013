"""Which look at the held-out text is the best, on ten small texts: python -m benchmarks.small_texts [--seeds 1]

A model is an LSTM and an n-gram. On a small or repetitive text the n-gram alone may predict as well as both together:
the mixture's figure is then the same, or nearly so, at every look, and says nothing of the LSTM. Each text is trained
on by the plan's own numbers, for 16 passes; at each look, what the text that follows it costs is taken too, which no
rule knows of. Printed, in bits per character of that following text, of the mixture and of the LSTM alone, by the look
that each rule keeps:

    mixture    the lowest figure of the mixture, the first of equal ones
    within t   of the looks whose mixture costs no more than t bits above the lowest, the LSTM's own lowest
    lstm       the LSTM's own lowest

Texts that are not in ../shared/data are passed over. A minute or two.
"""

from __future__ import annotations

import dataclasses
import lzma
import math
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import click
import numpy as np

from afterword.learning.learner import Learner
from afterword.learning.validation import HeldOut, Measured
from afterword.model.ngram.mixture import mixed
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.loop import train_run
from afterword.text.corpus import TextSettings
from afterword.text.encoded import EncodedCorpus
from benchmarks.commands import DATA, as_written, echo_row, echo_table

PASSES = 16
WITHIN = (0.001, 0.01)  # bits per character


@dataclass(frozen=True)
class Text:
    """A small text, and what follows it."""

    name: str
    text: str
    following: str
    lines: bool = False


@dataclass(frozen=True)
class Look:
    """Bits per character at one look: of the held-out text, by which a rule chooses, and of what follows."""

    step: int
    mixture: float
    lstm: float
    following: float
    following_lstm: float
    weight: float


def texts() -> Iterator[Text]:
    """The ten."""
    draw = random.Random(0)

    def listed(name: str, items: list[str], many: int = 300) -> Text:
        items = list(dict.fromkeys(items))
        draw.shuffle(items)
        return Text(name, "\n".join(items[:many]) + "\n", "\n".join(items[many : many + 1000]) + "\n", lines=True)

    def cut(name: str, text: str, size: int) -> Text:
        return Text(name, text[:size], text[size : size + 30_000])

    def read(name: str) -> str:
        return (DATA / name).read_text(encoding="utf-8")

    def titles() -> Text:
        return listed(
            "300 titles of books", [row.split("\t")[1] for row in read("books/MANIFEST.tsv").splitlines()[1:]]
        )

    def ballad() -> Text:
        with lzma.open(DATA / "books" / "train.txt.xz", "rt", encoding="utf-8") as file:
            whole = file.read()
        first = whole.index("HE did not wear his scarlet coat")
        return Text("a ballad", whole[first : first + 8_000], whole[first + 8_000 : first + 24_000])

    def prose() -> Text:
        with lzma.open(DATA / "books" / "held-out.txt.xz", "rt", encoding="utf-8") as file:
            return cut("a chapter of a novel", file.read(400_000)[300_000:], 12_000)

    def log() -> Text:
        rows = [row.split(" ", 9)[-1] for row in read("BGL_2k.log").splitlines()]
        return Text("300 lines of a log", "\n".join(rows[:300]), "\n".join(rows[300:1300]), lines=True)

    makers: list[Callable[[], Text]] = [
        lambda: listed("300 names", read("names.txt").splitlines()),
        titles,
        lambda: listed("300 domains", read("dga/benign.txt").splitlines()),
        log,
        ballad,
        lambda: cut("a scene of a play", read("julius_caesar.txt"), 8_000),
        prose,
        lambda: cut("30,000 characters of plays", read("tinyshakespeare.txt"), 30_000),
        lambda: cut("a song that counts", song(), 8_000),
        lambda: listed("sums", [f"{a} and {b} is {a + b}." for a in range(40) for b in range(40)], 500),
    ]
    for make in makers:
        try:
            yield make()
        except FileNotFoundError as error:
            click.echo(f"skipped: there is no {error.filename}")


def song() -> str:
    """Some 13,000 characters, in which little but a number changes."""
    verse = (
        "{0} green bottles hanging on the wall,\nand if one green bottle should accidentally fall,\n"
        "there'd be {1} left.\n\n"
    )
    return "".join(verse.format(k, k - 1) for k in range(130, 0, -1))


def looks(text: Text, seed: int) -> list[Look]:
    """Train on `text` and look, at every evaluation, at what follows it too."""
    found: list[Look] = []
    measure = HeldOut.measure

    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "text.txt")
        source.write_text(text.text, encoding="utf-8")
        training = TrainingSettings(base="none", epochs=PASSES, seed=seed)
        run = begin([source], Path(place, "run"), TextSettings(lines=text.lines), training)
        ngram = run.learn_ngram()
        following = _HeldOut(_encoded(text.following, run.encoded), run.recipe, ngram)

        def look(held_out: HeldOut, learner: Learner) -> Measured | None:
            measured = measure(held_out, learner)
            if measured is not None:
                both, lstm = following.cost(learner, measured.weight)
                here, ours = measured.cost / math.log(2), measured.lstm / math.log(2)
                found.append(Look(learner.step, here, ours, both / math.log(2), lstm / math.log(2), measured.weight))
            return measured

        with mock.patch.object(HeldOut, "measure", look):
            for _ in train_run(run):
                pass
    return found


class _HeldOut(HeldOut):
    """What follows the text: read in the same way."""

    def cost(self, learner: Learner, share: float) -> tuple[float, float]:
        """Nats per character of the mixture with this weight of the n-gram, and of the LSTM alone."""
        network = learner.evaluate(self._batches)
        assert self._ngram is not None
        return self._per_character(mixed(network, self._ngram, share)), self._per_character(network)


def _encoded(text: str, encoded: EncodedCorpus) -> EncodedCorpus:
    """`encoded` with `text` as its validation part."""
    tokenizer = encoded.tokenizer
    ids = tokenizer.encode(text)
    if encoded.lines:
        assert tokenizer.end is not None
        ids[ids == int(tokenizer.encode("\n")[0])] = tokenizer.end
    rows = np.minimum(ids, tokenizer.rows - 1).astype(encoded.training.dtype)
    return dataclasses.replace(encoded, validation=rows, validation_characters=len(text))


def kept(found: list[Look], within: float | None) -> Look:
    """The look that a rule keeps; `within` None is the LSTM's own lowest."""
    lowest = min(look.mixture for look in found)
    near = [look for look in found if within is None or look.mixture <= lowest + within]
    return min(near, key=lambda look: look.lstm)


def first_lowest(found: list[Look]) -> Look:
    return min(found, key=lambda look: look.mixture)


@click.command(help=as_written(__doc__))
@click.option("--seeds", default=1, show_default=True)
def main(seeds: int) -> None:
    rules: dict[str, Callable[[list[Look]], Look]] = {"mixture": first_lowest}
    rules |= {f"within {t:g}": lambda found, t=t: kept(found, t) for t in WITHIN}  # type: ignore[misc]
    rules["lstm"] = lambda found: kept(found, None)
    echo_table(["text", "characters", "looks", "n-gram's weight", *rules])
    sums: dict[str, list[tuple[float, float]]] = {rule: [] for rule in rules}
    for text in texts():
        for seed in range(seeds):
            found = looks(text, seed)
            weight = f"{min(look.weight for look in found):.2f}–{max(look.weight for look in found):.2f}"
            cells = [text.name, f"{len(text.text):,}", f"{len(found)}", weight]
            for rule, choose in rules.items():
                look = choose(found)
                sums[rule].append((look.following, look.following_lstm))
                cells.append(f"{look.following:.3f} {look.following_lstm:.3f} (step {look.step})")
            echo_row(cells)
    means = (np.mean(figures, axis=0) for figures in sums.values())
    echo_row(["mean", "", "", "", *(f"{both:.4f} {lstm:.4f}" for both, lstm in means)])


if __name__ == "__main__":
    main()
