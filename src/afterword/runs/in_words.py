"""A run's plan in words."""

from __future__ import annotations

from collections.abc import Sequence

from afterword.learning.recipe import Recipe
from afterword.planning.expectation import Expectation
from afterword.runs.record import Stage, bits
from afterword.text.encoded import EncodedCorpus
from afterword.wording import count_of


def summary(
    encoded: EncodedCorpus, recipe: Recipe, base_name: str | None, stages: Sequence[Stage] = ()
) -> tuple[str, str]:
    """Return a summary of a run's plan, in two lines; `stages` give it more time."""
    config = recipe.config(encoded.tokenizer)
    network = f"{config.network}, {config.parameters:,} parameters"
    end = stages[-1] if stages else recipe
    way = f"{round(end.minutes, 3):g} min" if end.minutes is not None else count_of(end.steps, "step")
    if base_name is not None:
        network = f"from {base_name}: {network}"
    place = f"{recipe.threads} threads" if recipe.device == "cpu" else "on a GPU"
    return (
        f"{encoded.kind}: {encoded.training_characters:,} {encoded.unit}s to train on{_contents(encoded)}, "
        f"{encoded.validation_characters:,} held out",
        f"plan: {recipe.recipe}: {network}; {way}, "
        f"{recipe.batch_size} × {recipe.seq_length} tokens per step, {recipe.precision}, {place}",
    )


def _contents(encoded: EncodedCorpus) -> str:
    """Return the contents of the training part, in words."""
    tokenizer = encoded.tokenizer
    documents = f" in {encoded.documents:,} lines" if encoded.lines else ""
    if encoded.labels:
        documents += f" with {count_of(len(encoded.labels), 'label')}"
    kinds = f"{len(tokenizer.characters)} different characters" if tokenizer.characters else "as bytes"
    if tokenizer.several:
        kinds += f", read as {len(encoded.training):,} symbols"
    return f"{documents} ({kinds})"


def in_bits(expected: Expectation) -> str:
    """Return the range of an expectation, in words."""
    return f"{bits(expected.low):.2f}–{bits(expected.high):.2f} bits per character"
