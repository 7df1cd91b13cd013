"""Training the n-gram: the model of what follows up to so many tokens of a run's text."""

from __future__ import annotations

from afterword.model.ngram import Ngram, start_row
from afterword.text.encoded import EncodedCorpus


def learn_ngram(encoded: EncodedCorpus, order: int) -> Ngram:
    """What the training part of `encoded` teaches of up to `order` tokens. Its tokenizer must have an end token."""
    tokenizer = encoded.tokenizer
    assert tokenizer.end is not None
    start = start_row(tokenizer, encoded.lines)
    return Ngram.learn(encoded.training, tokenizer.rows, tokenizer.end, start, order)
