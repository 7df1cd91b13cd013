"""What the defaults of writing do: loops at low temperatures, and words that there are not.

    python -m benchmarks.defaults loops RUN...
    python -m benchmarks.defaults words RUN... [--dictionary FILE]

RUN is a run's folder, which keeps its text. `loops` prints the share of samples of 500 characters that have 20
characters twice, by temperature, without the repetition penalty and with it; the same of the held-out text; and what
the penalty does to that text's cost at temperature 0.5. A penalty of 0 is the one that suits the text. `words` prints,
by temperature and min-p, the share of written words that stand neither in the dictionary nor in the text, and how
varied what is written is: the share of different words, and of groups of three, among the first 4,000.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import numpy as np

from afterword.generation.repeats import WARM, Repeats, suited_penalty
from afterword.language_model import LanguageModel, load
from afterword.model.network import log_probabilities

SAMPLES, LENGTH, AGAIN = 60, 500, 20
WORDS = 4000
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
READ = 20_000  # characters of the held-out text


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--penalty", "penalties", multiple=True, type=float, default=(1.0, 0.0), show_default=True)
def loops(runs: Sequence[str], penalties: Sequence[float]) -> None:
    click.echo(f"{SAMPLES} samples of {LENGTH} characters; the share with {AGAIN} characters twice, at temperature")
    click.echo(f"{'':30} {'penalty':>8} {'0.2':>7} {'0.5':>7} {'0.8':>7} {'held out':>9}  nats per character")
    for run in runs:
        model = load(run)
        held_out = "".join(model.learned_from().texts("validation"))
        human = _share(held_out[at : at + LENGTH] for at in range(0, len(held_out) - LENGTH + 1, LENGTH))
        for penalty in [one or suited_penalty(model.learned_from().training) for one in penalties]:
            shares = [
                _share(one.text for one in _written(model, temperature, penalty=penalty))
                for temperature in (0.2, 0.5, 0.8)
            ]
            cells = " ".join(f"{share:7.1%}" for share in shares)
            nats = penalised(model, held_out[:READ], penalty, 0.5)
            click.echo(f"{Path(run).name:30} {penalty:8} {cells} {human:9.1%}  {nats:.4f}")


@main.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--dictionary", type=click.Path(path_type=Path, exists=True), default=Path("/usr/share/dict/words"))
def words(runs: Sequence[str], dictionary: Path) -> None:
    known = {word.lower() for word in dictionary.read_text(encoding="utf-8").split()}
    click.echo(f"{'':30} {'temperature':>11} {'min-p':>6} {'unknown':>8} {'words':>6} {'threes':>7}")
    for run in runs:
        model = load(run)
        kept = model.learned_from()
        own = known | set(_words("".join(kept.texts("training"))))
        unknown, *variety = _figures(_words("".join(kept.texts("validation"))), own)
        click.echo(f"{Path(run).name:30} {'held out':>11} {'':6} {unknown:8.1%} {variety[0]:6.1%} {variety[1]:7.1%}")
        for temperature in (0.5, 0.6, 0.7, 0.8, 1.0):
            for min_p in (0.0, 0.02, 0.05, 0.1):
                # the first and the last word may be halves
                texts = (_words(one.text)[1:-1] for one in _written(model, temperature, min_p))
                unknown, *variety = _figures([word for text in texts for word in text], own)
                cells = f"{unknown:8.1%} {variety[0]:6.1%} {variety[1]:7.1%}"
                click.echo(f"{Path(run).name:30} {temperature:11} {min_p:6} {cells}")


def _written(model: LanguageModel, temperature: float, min_p: float | None = None, penalty: float | None = None):  # type: ignore[no-untyped-def]
    return model.samples(
        num=SAMPLES, seed=0, max_tokens=LENGTH, temperature=temperature, min_p=min_p, repetition_penalty=penalty
    )


def _share(texts: Iterable[str]) -> float:
    """The share of `texts` with `AGAIN` characters twice."""
    found = [len({text[k : k + AGAIN] for k in range(len(text) - AGAIN + 1)}) < len(text) - AGAIN + 1 for text in texts]
    return sum(found) / max(1, len(found))


def penalised(model: LanguageModel, text: str, penalty: float, temperature: float) -> float:
    """What `text` costs in nats per token at a temperature, where each token is predicted with the penalty."""
    network, tokenizer = model._network, model.tokenizer
    ids = np.array([[tokenizer.end, *tokenizer.encode(text).tolist()]])
    repeats, nats, state = Repeats(penalty), 0.0, network.start()
    for start in range(0, ids.shape[1] - 1, 1000):
        logits, state = network.read(ids[:, start : min(start + 1000, ids.shape[1] - 1)], state)
        own = log_probabilities(logits[0] / temperature)
        for k, id in enumerate(ids[0, start + 1 : start + 1 + len(own)].tolist()):
            row = own[k]
            if penalty > 1 and repeats.repeats:
                for token, less in repeats.penalties():
                    row[token] -= less * max(0.0, 1 - temperature / WARM) / temperature
                row -= np.log(np.exp(row).sum())
            nats -= row[min(id, len(row) - 1)]
            repeats.push([id])
    return float(nats / (ids.shape[1] - 1))


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def _figures(words: Sequence[str], known: set[str]) -> tuple[float, float, float]:
    """The share of unknown ones; of the first `WORDS`, that of different ones and of different groups of three."""
    unknown = sum(word not in known for word in words) / max(1, len(words))
    some = words[:WORDS]
    threes = [tuple(some[k : k + 3]) for k in range(len(some) - 2)]
    return unknown, len(set(some)) / max(1, len(some)), len(set(threes)) / max(1, len(threes))


if __name__ == "__main__":
    main()
