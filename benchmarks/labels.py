"""How well a model of labelled lines tells of which kind a line is, and keeps to a kind when it writes.

    python -m benchmarks.labels [FOLDER] [--minutes 2] [--ngram N]      alone on the machine

FOLDER holds text files, a kind of line each, in which benign.txt is passed over; by default names drawn from eight
families of malware's domain generators. Every fifth line, and at most 1,000 of a kind, is held out; on the rest the
real command, `afterword train --labels`, trains from scratch. Then it prints, for each kind and for all lines together,

    label          for how many held-out lines the likeliest label is the right one
    n-grams        the same for one n-gram model a kind, learned from the same lines: what can be told without Afterword
    written        what share of 1,000 lines written with `--label` those n-gram models, which never saw the network,
                   take for lines of that kind

With `--ngram 8`, what a mixture with an n-gram, which does not see the label, makes of both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from afterword.language_model import load
from afterword.model.ngram.tables import Ngram
from afterword.scoring.costs import batches
from afterword.text.tokenizer import Tokenizer
from benchmarks.commands import DATA, as_written, echo_table, run_afterword

LEFT_OUT = "benign"
EVERY, MOST = 5, 1000  # held out
WRITTEN = 1000
ORDER = 5  # the best of 2 to 8 on held-out lines
Lines = dict[str, list[str]]  # by kind


def read(folder: Path) -> tuple[Lines, Lines]:
    """The lines to train on and those held out; a line that stands among both is taken from the latter."""
    training, held_out = {}, {}
    for file in sorted(folder.glob("*.txt")):
        if file.stem == LEFT_OUT:
            continue
        lines = list(dict.fromkeys(filter(None, file.read_text("utf-8").splitlines())))
        held_out[file.stem] = lines[::EVERY][:MOST]
        training[file.stem] = list(set(lines) - set(held_out[file.stem]))
        training[file.stem].sort()
    return training, held_out


class Judge:
    """One n-gram model a kind, and how frequent each kind is."""

    def __init__(self, training: Lines, tokenizer: Tokenizer, order: int = ORDER) -> None:
        assert tokenizer.end is not None
        self._tokenizer, self._end = tokenizer, tokenizer.end
        self._ngrams, self._costs = {}, {}
        total = sum(map(len, training.values()))
        for label, lines in training.items():
            ids = np.concatenate([self._ids(line) for line in lines])
            self._ngrams[label] = Ngram.learn(ids, tokenizer.rows, self._end, self._end, order)
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


def train(training: Lines, minutes: float, ngram: int, folder: Path) -> Path:
    """The run of `afterword train --labels` on them, with its own held-out part."""
    text, run = folder / "labelled.txt", folder / "run"
    text.write_text("".join(f"{label}\t{line}\n" for label, lines in training.items() for line in lines), "utf-8")
    options = ["--base", "none", "--minutes", minutes, "--ngram", ngram]
    run_afterword("train", text, "--labels", "--out", run, *options)
    return run


def shares(found: Mapping[str, Sequence[str]]) -> list[float]:
    """How many of the labels found for each kind are it, and of all."""
    right = [sum(label == kind for label in labels) for kind, labels in found.items()]
    counts = [len(labels) for labels in found.values()]
    return [one / count for one, count in zip(right, counts, strict=True)] + [sum(right) / sum(counts)]


@click.command(help=as_written(__doc__))
@click.argument("folder", default=DATA / "dga", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--minutes", default=2.0, show_default=True)
@click.option("--ngram", default=0, show_default=True)
def main(folder: Path, minutes: float, ngram: int) -> None:
    training, held_out = read(folder)
    if not training:
        raise click.ClickException(f"there are no text files in {folder}")
    with tempfile.TemporaryDirectory() as place:
        run = train(training, minutes, ngram, Path(place))
        model = load(run)
        judge = Judge(training, model.tokenizer)
        labelled = {kind: [line.label for line in model.classify(lines)] for kind, lines in held_out.items()}
        judged = {kind: judge.labels(lines) for kind, lines in held_out.items()}
        written = {
            kind: judge.labels([str(one) for one in model.samples(label=kind, num=WRITTEN, seed=0)])
            for kind in held_out
        }
    columns = {"label": shares(labelled), "n-grams": shares(judged), "written": shares(written)}
    cells = [[f"{share:.1%}" for share in column] for column in columns.values()]
    echo_table(["kind", *columns], zip([*held_out, "all"], *cells, strict=True))


if __name__ == "__main__":
    main()
