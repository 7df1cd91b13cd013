"""Predict the next event of a session, and separate attacks from normal sessions.

    python -m benchmarks.events

The sessions are ADFA-LD's traces of system calls, one per line. The real command trains two models for 2 minutes each:
one of words (each call is a token) and one of characters (it reads the digits of a call). They are kept in
.cache/lines. A fifth of the normal traces outside the training part calibrates them. Needs the machine to itself;
with TRIAL=1, a twentieth of the lines is read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import click
import numpy as np
from numpy.typing import NDArray

from afterword.language_model import LanguageModel, load
from afterword.wings.odd.normal import calibrated, odd_lines
from benchmarks.commands import (
    DATA,
    as_written,
    echo_row,
    echo_table,
    lines_of,
    machine,
    parts,
    ppmd_lines,
    shuffled,
    some,
    trained_on_lines,
)
from benchmarks.detection import Grams, auc

RATES = (0.01, 0.05)
TOP = (1, 5)


@click.command(help=as_written(__doc__))
def main() -> None:
    train, usual, attacks = (
        shuffled(lines_of(DATA / "adfa-ld" / f"{name}.txt")) for name in ("training", "normal", "attack")
    )
    calibrate, test = parts(usual, len(usual) // 5, 500)
    attacks = attacks[: some(len(attacks))]
    kinds = {"words": "words: LSTM and n-gram", "char": "characters: both"}
    models = {name: load(trained_on_lines("events", train, 2, "--vocabulary", kind)) for kind, name in kinds.items()}
    events = sum(len(trace.split()) for trace in test)
    click.echo(f"{machine()}\n\n{len(test)} normal traces, {events:,} calls:\n")
    tops = {kinds["words"]: predicted(models[kinds["words"]], test), "most frequent follower": followers(train, test)}
    cost = {name: sum(line.bits for line in model.score_lines(test)) for name, model in models.items()}
    cost["PPMd"] = sum(ppmd_lines(train, test))
    echo_table(["predictor", *(f"among the {top} likeliest" for top in TOP)])
    for name, counts in tops.items():
        echo_row([name, *(f"{count:.3f}" for count in (counts / events).tolist())])
    click.echo()
    echo_table(["predictor", "bits per call"], [[name, f"{bits / events:.3f}"] for name, bits in cost.items()])

    click.echo(f"\n{len(calibrate)} normal traces calibrate; {len(test)} others against {len(attacks)} attacks:\n")
    echo_table(
        ["detector", "AUC", *(f"{kind} listed at {rate:.0%}" for kind in ("normal", "attacks") for rate in RATES)]
    )
    for name, model in models.items():
        judge = calibrated(model, calibrate)
        normal, attacked = odd_lines(judge, test, 0.5), odd_lines(judge, attacks, 0.5)
        figure = auc(*(np.array([line.figure for line in lines]) for lines in (attacked, normal)))
        listed = [np.mean([one.p_value <= rate for one in lines]) for lines in (normal, attacked) for rate in RATES]
        echo_row([name, f"{figure:.3f}", *(f"{share:.3f}" for share in listed)])
    grams = Grams((trace.split() for trace in train), 5)
    mean = auc(*(np.array([grams.cost(trace.split()) for trace in lines]) for lines in (attacks, test)))
    echo_row(["5-grams of calls, mean cost", f"{mean:.3f}"])


def predicted(model: LanguageModel, lines: Sequence[str]) -> NDArray[np.int64]:
    """Return how many events of `lines` were the likeliest one of the model, and among its five likeliest."""
    found, network = np.zeros(len(TOP), np.int64), model.predictor
    for line in lines:
        rows = network.rows(np.array([model.tokenizer.end, *model.tokenizer.encode(line)])[None])
        logits, _ = network.read(rows[:, :-1], network.start())
        rank = (logits[0] > np.take_along_axis(logits[0], rows[0, 1:, None], axis=-1)).sum(axis=-1)
        found += [int((rank < top).sum()) for top in TOP]
    return found


def followers(train: Sequence[str], test: Sequence[str]) -> NDArray[np.int64]:
    """Return the same for the events that most often follow the one before, or begin a session."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in train:
        for before, event in pairs(line):
            counts[before][event] += 1
    likeliest = {before: [event for event, _ in after.most_common(max(TOP))] for before, after in counts.items()}
    hits = [[event in likeliest.get(before, [])[:top] for top in TOP] for line in test for before, event in pairs(line)]
    total: NDArray[np.int64] = np.array(hits, np.int64).sum(axis=0)
    return total


def pairs(line: str) -> Iterator[tuple[str, str]]:
    """Yield each event and the one before it."""
    events = line.split()
    yield from zip(["", *events], events, strict=False)


if __name__ == "__main__":
    main()
