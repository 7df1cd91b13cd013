"""A run's plan in words, and what would help it most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from afterword.learning.batches import steps_per_pass
from afterword.learning.recipe import Recipe
from afterword.planning.expectation import FREE, Expectation, savings
from afterword.planning.tuning import OF_TEXT, limit_from_base, most_steps
from afterword.runs.record import Stage, bits
from afterword.runs.run import Run
from afterword.text.encoded import EncodedCorpus
from afterword.wording import count_of

WORTH = 0.01  # of a model's cost: what saves less is not worth naming


def summary(
    encoded: EncodedCorpus, recipe: Recipe, base_name: str | None, stages: Sequence[Stage] = ()
) -> tuple[str, str]:
    """Return a summary of a run's plan, in two lines; `stages` give it more time."""
    config = recipe.config(encoded.tokenizer)
    end = stages[-1] if stages else recipe
    way = f"{round(end.minutes, 3):g} min" if end.minutes is not None else count_of(end.steps, "step")
    origin = "" if base_name is None else f"from {base_name}: "
    place = f"{recipe.threads} threads" if recipe.device == "cpu" else "on a GPU"
    return (
        f"{encoded.kind}: {encoded.training_characters:,} {encoded.unit}s to train on{_contents(encoded)}, "
        f"{encoded.validation_characters:,} held out",
        f"plan: {recipe.recipe}: {origin}{config.network}, {config.parameters:,} parameters; {way}, "
        f"{recipe.batch_size} × {recipe.seq_length} tokens per step, {recipe.precision}, {place}",
    )


def _contents(encoded: EncodedCorpus) -> str:
    """Return the contents of the training part, in words."""
    tokenizer = encoded.tokenizer
    documents = f" in {encoded.documents:,} lines" if encoded.lines else ""
    documents += f" with {count_of(len(encoded.labels), 'label')}" if encoded.labels else ""
    kinds = f"{len(tokenizer.characters)} different characters" if tokenizer.characters else "as bytes"
    kinds += f", read as {len(encoded.training):,} symbols" if tokenizer.several else ""
    return f"{documents} ({kinds})"


def in_bits(expected: Expectation) -> str:
    """Return the range of an expectation, in words."""
    return f"{bits(expected.low):.2f}–{bits(expected.high):.2f} bits per character"


def what_helps(run: Run, about: Mapping[str, Any], command: str) -> Iterator[str]:
    """Yield a sentence on what would improve a run's model most, if the plan had an expectation.

    about: the facts that were saved with the model. `command` is the command that resumes the run.
    """
    recipe, encoded, validation, ended = run.recipe, run.encoded, about["validation"], run.record.ended
    from_base, size, expected = run.base_name is not None, encoded.training_characters, run.record.expected
    per_pass = steps_per_pass(encoded, recipe.batch_size, recipe.seq_length)
    if not (expected and validation and ended):
        return
    limit = limit_from_base(len(encoded.training), encoded.lines) if from_base else OF_TEXT
    share = run.computing / run.stepping if run.follows_machine and run.computing else FREE
    before = expected.before_from_base if from_base else validation["ngram"]
    gained, most = 1 - validation["nats_per_character"] / before, most_steps(per_pass, limit) / per_pass
    saved = savings(size, ended.step / per_pass, most, gained, from_base, share)
    *_, other, best = sorted(saved, key=saved.__getitem__)
    name = best.replace("twice the", "more") if saved[best] >= WORTH else "nothing"
    how = f"; most of it comes by {command} --more-minutes {ended.seconds / 60:.2g}" if name == "more minutes" else ""
    first, second = (f"{bits(saved[way] * validation['nats_per_character']):.2f}" for way in (best, other))
    yield f"what would help most: {name}; {best} should save about {first} bits per character, {other} {second}{how}"
