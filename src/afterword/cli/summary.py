"""What a run will do and what to expect of it: one wording for `train` and `plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afterword.runs.begin import Preview
from afterword.runs.progress import bits
from afterword.runs.run import Run
from afterword.text.notes import counted

if TYPE_CHECKING:
    from afterword.planning.expectation import Expectation


def summary(run: Run | Preview) -> str:
    """What will be done, in two lines."""
    encoded, recipe, tokenizer = run.encoded, run.recipe, run.encoded.tokenizer
    config = recipe.config(tokenizer)
    kinds = f"{len(tokenizer.characters)} different" if tokenizer.characters else "as bytes"
    documents = f" in {encoded.documents:,} lines" if encoded.lines else ""
    if encoded.labels:
        documents += f" with {counted(len(encoded.labels), 'label')}"
    network = f"{config.network}, {config.parameters:,} parameters"
    way = f"{recipe.minutes:g} min" if recipe.minutes is not None else counted(recipe.steps, "step")
    if run.base_name is not None:
        network = f"from {run.base_name}: {network}"
    place = "on a GPU" if recipe.device == "cuda" else f"{recipe.threads} threads"
    return (
        f"text: {encoded.training_characters:,} characters to learn from{documents} ({kinds}), "
        f"{encoded.validation_characters:,} held out\n"
        f"plan: {recipe.recipe}: {network}; {way}, "
        f"{recipe.batch_size} × {recipe.seq_length} tokens per step, {recipe.precision}, {place}"
    )


def in_bits(expected: Expectation) -> str:
    """From where to where an expectation goes."""
    return f"{bits(expected.low):.2f}–{bits(expected.high):.2f} bits per character"
