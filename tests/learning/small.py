"""A recipe small enough for tests that uses everything a run can have."""

from __future__ import annotations

from afterword.learning.recipe import Recipe
from afterword.text.characters import ClassicTokenizer
from afterword.text.tokenizer import Tokenizer

RECIPE = Recipe(
    recipe="auto",
    steps=20,
    most_steps=None,
    minutes=None,
    num_layers=2,
    hidden_size=12,
    embedding_size=6,
    residual=True,
    input="embedding",
    windows=False,
    batch_size=3,
    seq_length=7,
    dropout=0.3,
    locked_dropout=True,
    reset_probability=0.2,
    ngram=5,
    optimizer="muon",
    schedule="cosine",
    learning_rate=0.01,
    warmup=3,
    weight_decay=0.01,
    clip=1.0,
    averaging=0.99,
    keep="best",
    precision="float32",
    evaluate_every=5,
    validation_tokens=200,
    report_every=2,
    checkpoint_every=4,
    seed=1,
    threads=1,
)


def tokenizer_of(rows: int) -> Tokenizer:
    """Return a tokenizer of so many characters, each with a row of its own."""
    return ClassicTokenizer.of(map(chr, range(0x4E00, 0x4E00 + rows)), lowercase=True)
