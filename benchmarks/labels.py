"""How well a model of labelled lines tells of which kind a line is, and keeps to a kind when it writes.

    python -m benchmarks.labels      alone on the machine

The lines are names drawn from eight families of malware's domain generators. Every fifth line, and at most 1,000 of a
kind, is held out; on the rest the real command, `afterword train --labels`, trains from scratch for two minutes. Then
it prints, for each kind and for all lines together,

    label          for how many held-out lines the likeliest label is the right one
    n-grams        the same for one n-gram model a kind, learned from the same lines: what can be told without Afterword
    written        what share of 1,000 lines written with `--label` those n-gram models, which never saw the network,
                   take for lines of that kind
"""

from __future__ import annotations

from collections.abc import Sequence

import click
import numpy as np
from numpy.typing import NDArray

from afterword.language_model import load
from afterword.model.ngram.tables import Ngram
from afterword.scoring.costs import batches
from afterword.text.tokenizer import Tokenizer
from benchmarks.commands import DATA, as_written, echo_row, echo_table, lines_of, some, trained_on_lines

HELD_OUT, WRITTEN = 1000, 1000  # lines of each kind, at most
ORDER = 5  # the best of 2 to 8 on held-out lines
Lines = dict[str, list[str]]  # by kind


class Judge:
    """One n-gram model a kind, and how frequent each kind is."""

    def __init__(self, training: Lines, tokenizer: Tokenizer) -> None:
        assert tokenizer.end is not None
        self._tokenizer, self._end = tokenizer, tokenizer.end
        self._ngrams, self._costs = {}, {}
        total = sum(map(len, training.values()))
        for label, lines in training.items():
            ids = np.concatenate([self._ids(line) for line in lines])
            self._ngrams[label] = Ngram.learn(ids, tokenizer.rows, self._end, self._end, ORDER)
            self._costs[label] = -np.log(len(lines) / total)

    def labels(self, lines: Sequence[str]) -> list[str]:
        """The likeliest kind of each line."""
        ids = [self._ids(line) for line in lines]
        nats = np.array([self._nats(self._ngrams[label], ids) + self._costs[label] for label in self._ngrams])
        names = list(self._ngrams)
        return [names[k] for k in nats.argmin(axis=0).tolist()]

    def _ids(self, line: str) -> NDArray[np.int64]:
        rows = np.minimum(self._tokenizer.encode(line), self._tokenizer.rows - 1)
        return np.append(rows, self._end).astype(np.int64)

    def _nats(self, ngram: Ngram, ids: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """What each line costs, [lines]."""
        found = np.zeros(len(ids))
        for batch, padded in batches(ids):
            fed = np.concatenate([np.full((len(batch), 1), self._end), padded[:, :-1]], axis=1)
            probabilities = ngram.probabilities(fed, 0)
            costs = -np.log(np.take_along_axis(probabilities, padded[..., None].astype(np.int64), axis=-1)[..., 0])
            for lane, index in enumerate(batch):
                found[index] = costs[lane, : len(ids[index])].sum()
        return found


@click.command(help=as_written(__doc__))
def main() -> None:
    training, held_out = dict[str, list[str]](), dict[str, list[str]]()
    for file in sorted((DATA / "dga").glob("*.txt")):
        if file.stem != "benign":
            lines = list(dict.fromkeys(lines_of(file)))[: some(10**6)]
            held_out[file.stem] = lines[::5][: some(HELD_OUT)]
            training[file.stem] = sorted(set(lines) - set(held_out[file.stem]))
    texts = [f"{label}\t{line}" for label, lines in training.items() for line in lines]
    model = load(trained_on_lines("labels", texts, 2, "--labels", "--ngram", 0))
    judge, written = Judge(training, model.tokenizer), dict[str, list[str]]()
    for kind in held_out:
        written[kind] = [str(one) for one in model.samples(label=kind, num=some(WRITTEN), seed=0)]
    columns = {
        "label": {kind: [line.label for line in model.classify(lines)] for kind, lines in held_out.items()},
        "n-grams": {kind: judge.labels(lines) for kind, lines in held_out.items()},
        "written": {kind: judge.labels(lines) for kind, lines in written.items()},
    }
    right = {
        name: [(kind, one == kind) for kind, each in found.items() for one in each] for name, found in columns.items()
    }
    echo_table(["kind", *columns])
    for kind in [*held_out, "all"]:
        shares = [np.mean([is_it for name, is_it in found if kind in (name, "all")]) for found in right.values()]
        echo_row([kind, *(f"{share:.1%}" for share in shares)])


if __name__ == "__main__":
    main()
