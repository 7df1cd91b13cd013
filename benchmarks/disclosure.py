"""What ngram.safetensors tells of the text that it was counted from: python -m benchmarks.disclosure [TEXT]

TEXT is Python's own help unless another is named; its first nine tenths are counted, as `train` does. Printed: which
fraction of the longest contexts (all tokens of an n-gram but the last) was followed by one token only, and at which
fraction of the text's places that token is certain to whoever has the file and the few before it.
"""

from __future__ import annotations

import click
import numpy as np
from numpy.typing import NDArray

from afterword.model.ngram.tables import Level, Ngram
from afterword.text.characters import CharTokenizer
from benchmarks.commands import as_written, split
from benchmarks.python_help import topics
from tests.reading import read_text


def certain(level: Level, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each context of `keys` [N] was followed by one token only."""
    at = np.minimum(np.searchsorted(level.contexts, keys), len(level.contexts) - 1)
    found: NDArray[np.bool_] = np.logical_and(level.contexts[at] == keys, np.diff(level.firsts)[at] == 1)
    return found


@click.command(help=as_written(__doc__))
@click.argument("path", metavar="[TEXT]", required=False, type=click.Path(exists=True, dir_okay=False))
def main(path: str | None) -> None:
    text, _ = split(topics() if path is None else read_text([path])[0])
    tokenizer = CharTokenizer.of(set(text))
    ids = tokenizer.encode(text)
    newline = int(tokenizer.encode("\n")[0])
    assert tokenizer.end is not None
    ngram = Ngram.learn(ids, tokenizer.rows, tokenizer.end, newline)
    longest = ngram.levels[-1]
    one = np.diff(longest.firsts) == 1
    known = ngram.order - 1
    bits = (tokenizer.rows - 1).bit_length()
    tokens = ids.astype(np.uint64)
    keys = np.zeros(len(ids) - known, np.uint64)  # of the context before each token from the first that has a whole one
    for back in range(known):
        keys |= tokens[known - 1 - back : len(ids) - 1 - back] << np.uint64(bits * back)
    follows = certain(longest, keys)
    click.echo(f"{path or 'the help of Python'}: {len(text):,} characters; n-grams of up to {ngram.order}")
    click.echo(f"{one.mean():.0%} of {len(one):,} longest contexts have one successor")
    click.echo(f"{follows.mean():.0%} of the text is certain from the {known} characters before it")


if __name__ == "__main__":
    main()
