"""Predict the next event of a session, and separate attacks from normal sessions.

    python -m benchmarks.events

The sessions are ADFA-LD's traces of system calls, one per line. The real command trains two models for 2 minutes each:
one of words (each call is a token) and one of characters (it reads the digits of a call). They are kept in .cache/odd.
A fifth of the normal traces outside the training part calibrates them. Needs the machine to itself; docs/figures.md has
the tables. --trial takes a twentieth of the lines and 0.1 minutes, to see that it runs.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import click
import numpy as np
from numpy.typing import NDArray

from afterword.language_model import load
from afterword.model.network.network import log_probabilities
from afterword.model.ngram.mixture import USES, Mixture
from afterword.text.tokenizer import Tokenizer
from afterword.wings.odd.normal import calibrated, odd_lines
from benchmarks.commands import DATA, as_written, echo_table, machine, ppmd_lines
from benchmarks.detection import Grams, auc
from benchmarks.odd import BITS, FIGURE, HALF, Extent, costs, read, shuffled, trained, words

MINUTES = 2  # for each of the two models
RATES = (0.01, 0.05)
TOP = (1, 5)
Tops = dict[str, NDArray[np.int64]]  # by predictor: how many of all events were its likeliest one, one of its five, …


@click.command(help=as_written(__doc__))
@click.option("--trial", is_flag=True, help="a twentieth of the lines, 0.1 minutes")
def main(trial: bool) -> None:
    extent = Extent(trial)
    train, usual, attacks = (
        shuffled(read(DATA / "adfa-ld" / f"{name}.txt")) for name in ("training", "normal", "attack")
    )
    kept = len(usual) // 5
    calibrate, test = usual[: extent.lines(kept)], usual[kept:][: extent.lines(500)]
    attacks = attacks[: extent.lines(len(attacks))]
    runs = {kind: trained("events", train, extent.minutes(MINUTES), "--vocabulary", kind) for kind in ("words", "char")}
    events = sum(len(words(trace)) for trace in test)
    click.echo(f"{machine()}\n\n{len(test)} normal traces, {events:,} calls:\n")

    model = load(runs["words"])
    network = model.predictor
    assert isinstance(network, Mixture)
    found = predicted(network, model.tokenizer, test)
    found["most frequent follower"] = followers(train, test)
    cost = {f"words, --with {use}": load(runs["words"], use).score_lines(test) for use in USES}
    cost |= {f"characters, --with {use}": load(runs["char"], use).score_lines(test) for use in USES}
    each = {name: sum(line.bits for line in lines) / events for name, lines in cost.items()}
    squeezed = [np.array(ppmd_lines(train, lines)) for lines in (attacks, test)]
    each["PPMd"] = float(squeezed[1].sum()) / events
    echo_table(
        ["predictor", *(f"among the {top} likeliest" if top > 1 else "the likeliest" for top in TOP), "bits per call"],
        [
            [name, *(f"{count:.3f}" for count in (found[name] / events).tolist()), shown(each.get(name))]
            for name in found
        ]
        + [[name, *[""] * len(TOP), f"{value:.3f}"] for name, value in each.items() if name not in found],
    )

    click.echo(f"\n{len(calibrate)} normal traces calibrate; {len(test)} others against {len(attacks)} attacks:\n")
    rows = []
    for kind, run in runs.items():
        for use in USES:
            judge = calibrated(load(run, use), calibrate)
            normal, attacked = odd_lines(judge, test, HALF), odd_lines(judge, attacks, HALF)
            flagged = [
                f"{np.mean([line.p_value <= rate for line in lines]):.3f}"
                for rate in RATES
                for lines in (normal, attacked)
            ]
            figure = auc(*(np.array([line.figure for line in lines]) for lines in (attacked, normal)))
            mean = auc(*(np.array([line.bits_per_character for line in lines]) for lines in (attacked, normal)))
            rows.append([f"{kind}, --with {use}", f"{figure:.3f}", f"{mean:.3f}", *flagged])
    lengths = [np.array([len(line) + 1 for line in lines]) for lines in (attacks, test)]
    mean = auc(*(all_bits / length for all_bits, length in zip(squeezed, lengths, strict=True)))
    rows.append(["PPMd, bits per character", "", f"{mean:.3f}", *[""] * (2 * len(RATES))])
    grams = Grams(map(words, train), 5)
    mean = auc(*(costs(grams, map(words, lines)) for lines in (attacks, test)))
    rows.append(["5-grams of calls, mean cost", "", f"{mean:.3f}", *[""] * (2 * len(RATES))])
    share = [f"{kind} listed at {rate:.0%}" for rate in RATES for kind in ("normal", "attacks")]
    echo_table(["detector", f"AUC, {FIGURE}", f"AUC, {BITS}", *share], rows)


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def predicted(network: Mixture, tokenizer: Tokenizer, lines: Sequence[str]) -> Tops:
    """Return how many events of `lines` are among the likeliest of the LSTM, of the n-gram and of both."""
    found: Tops = {f"words, --with {use}": np.zeros(len(TOP), np.int64) for use in USES}
    for line in lines:
        rows = network.rows(np.array([tokenizer.end, *tokenizer.encode(line)])[None])
        logits, ngram, _ = network.read_apart(rows[:, :-1], network.start())
        lstm = np.exp(log_probabilities(logits[0]))
        mixed = (1 - network.weight) * lstm + network.weight * ngram[0]
        for use, probabilities in (("both", mixed), ("lstm", lstm), ("ngram", ngram[0])):
            chosen = np.take_along_axis(probabilities, rows[0, 1:, None], axis=-1)
            rank = (probabilities > chosen).sum(axis=-1)
            found[f"words, --with {use}"] += [int((rank < top).sum()) for top in TOP]
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
    events = words(line)
    yield from zip(["", *events], events, strict=False)


if __name__ == "__main__":
    main()
