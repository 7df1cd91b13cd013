"""A run's plan in words."""

from __future__ import annotations

from afterword.planning.expectation import Expectation
from afterword.runs.begin import Preview
from afterword.runs.record import bits
from afterword.runs.run import Run
from afterword.text.encoded import EncodedCorpus
from afterword.wording import count_of


def summary(run: Run | Preview) -> tuple[str, str]:
    """Return a summary of the run's plan, in two lines."""
    encoded, recipe = run.encoded, run.recipe
    config = recipe.config(encoded.tokenizer)
    network = f"{config.network}, {config.parameters:,} parameters"
    end = run.record.stages[-1] if isinstance(run, Run) and run.record.stages else recipe
    way = f"{round(end.minutes, 3):g} min" if end.minutes is not None else count_of(end.steps, "step")
    if run.base_name is not None:
        network = f"from {run.base_name}: {network}"
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
