"""How a recipe reads a text: in lanes, line by line, or window by window.

What is drawn depends on the seed and the step alone, and a source's `position` is all that is needed to go on.
"""

from __future__ import annotations

from collections.abc import Sequence

from afterword.learning.batch import Batch
from afterword.learning.lanes import Lanes, validation_stretches
from afterword.learning.lines import Lines, validation_lines
from afterword.learning.recipe import Recipe
from afterword.learning.windows import Windows, validation_windows
from afterword.text.encoded import EncodedCorpus


def training_batches(encoded: EncodedCorpus, recipe: Recipe) -> Lanes | Lines | Windows:
    """The training part as this recipe reads it."""
    ids, boundary, seed = encoded.training, encoded.tokenizer.end, recipe.seed
    if recipe.windows:
        return Windows(ids, recipe.batch_size, recipe.seq_length, seed=seed)
    assert boundary is not None
    if encoded.lines:
        return Lines(ids, recipe.batch_size, recipe.seq_length, boundary=boundary, seed=seed)
    return Lanes(
        ids,
        recipe.batch_size,
        recipe.seq_length,
        boundary=boundary,
        newline=int(encoded.tokenizer.encode("\n")[0]),
        reset_probability=recipe.reset_probability,
        seed=seed,
    )


def held_out_batches(encoded: EncodedCorpus, recipe: Recipe) -> Sequence[Batch]:
    """What keep-best reads of the validation part."""
    if recipe.validation_tokens == 0:
        return []
    if recipe.windows:
        return validation_windows(encoded.validation, recipe.validation_tokens, recipe.seq_length)
    assert encoded.tokenizer.end is not None
    batches = validation_lines if encoded.lines else validation_stretches
    return batches(encoded.validation, recipe.validation_tokens, boundary=encoded.tokenizer.end)
