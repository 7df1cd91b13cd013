"""What ngram.safetensors tells of the text that it was counted from: python -m benchmarks.disclosure [TEXT]

TEXT is Python's own help unless another is named; its first nine tenths are counted, as `train` does. Printed: which
fraction of the longest contexts (all tokens of an n-gram but the last) was followed by one token only, and at which
fraction of the text's places that token is certain to whoever has the file and the few before it.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from afterword.model.ngram import Level, Ngram
from afterword.text.reading import read_text
from afterword.text.vocabularies.char import CharTokenizer
from benchmarks.python_help import topics


def certain(level: Level, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether each context of `keys` [N] was followed by one token only."""
    at = np.minimum(np.searchsorted(level.contexts, keys), len(level.contexts) - 1)
    found: NDArray[np.bool_] = np.logical_and(level.contexts[at] == keys, np.diff(level.firsts)[at] == 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", nargs="?")
    path = parser.parse_args().text
    text = topics() if path is None else read_text([path])[0]
    text = text[: round(0.9 * len(text))]
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
    print(f"{path or 'the help of Python'}: {len(text):,} characters; n-grams of up to {ngram.order}")
    print(f"{one.mean():.0%} of {len(one):,} longest contexts have one successor")
    print(f"{follows.mean():.0%} of the text is certain from the {known} characters before it")


if __name__ == "__main__":
    main()
