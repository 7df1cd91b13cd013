"""Training the n-gram: the model of what follows up to so many tokens of a run's text."""

from __future__ import annotations

from afterword.model.ngram import Ngram
from afterword.text.encoded import EncodedCorpus


def learn_ngram(encoded: EncodedCorpus, order: int) -> Ngram:
    """What the training part of `encoded` teaches of up to `order` tokens. Its tokenizer must have an end token."""
    tokenizer = encoded.tokenizer
    end, newline = tokenizer.end, int(tokenizer.encode("\n")[0])
    assert end is not None  # only the classic recipe's tokenizer has none
    start = end if encoded.lines else min(newline, tokenizer.rows - 1)
    return Ngram.learn(encoded.training, tokenizer.rows, end, start, order)
