"""A plan: the settings of a user, the recipe that follows, a reason for each number, and the expected result."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import ClassVar, Literal

from afterword.bases.base import Base
from afterword.learning.recipe import Device, Recipe
from afterword.model.network.cells import CELLS, Cell
from afterword.model.ngram.tables import Ngram
from afterword.planning.expectation import Expectation
from afterword.planning.tuning import OF_TEXT, Choices, Limit
from afterword.settings import LAST_SEED, Settings, setting, settings_class

AUTO, NONE = "auto", "none"  # bases: the plan's choice, and no base
DEFAULT_MINUTES = 5.0


@settings_class(kw_only=True)
class TrainingSettings(Settings):
    """The settings of a training run; None leaves a number to the plan."""

    recipe: Literal["auto", "classic"] = setting(
        "auto sets every hyperparameter by the plan; classic is the founding recipe", default="auto"
    )
    base: str | os.PathLike[str] = setting(
        "start from this model: the name of a base, as listed by afterword bases, any model's folder, or "
        "hf://USER/NAME on the hub; auto lets the plan decide",
        default=AUTO,
        metavar="auto|NAME|none|MODEL",
    )
    minutes: float | None = setting(
        f"train for this many minutes (default: {DEFAULT_MINUTES:g}, unless `steps` or `epochs` is given)",
        default=None,
        above=0,
        maximum=525_600,
        excludes=("steps", "epochs"),
    )
    steps: int | None = setting(
        "train for this many optimizer steps; nothing then depends on the clock",
        default=None,
        minimum=1,
        excludes=("epochs",),
    )
    epochs: float | None = setting(
        "train for this many passes over the text (classic: 1)", default=None, above=0, maximum=10**6
    )
    cell: Cell = setting(
        "type of recurrent cell: " + "; ".join(f"{name} {kind.about}" for name, kind in CELLS.items()), default="lstm"
    )
    num_layers: int | None = setting("number of layers", default=None, minimum=1, maximum=16)
    hidden_size: int | None = setting("units per layer", default=None, minimum=1, maximum=16384)
    embedding_size: int | None = setting("size of a token's embedding vector", default=None, minimum=1, maximum=16384)
    batch_size: int | None = setting(
        "lanes (parallel streams of the text), or lines, per step", default=None, minimum=1, maximum=65536
    )
    seq_length: int | None = setting(
        "length of truncated backpropagation, in tokens", default=None, minimum=1, maximum=65536
    )
    dropout: float | None = setting(
        "fraction of activations dropped; from scratch, a large network also drops 0.2 less of its weights",
        default=None,
        minimum=0,
        below=1,
    )
    ngram: int | None = setting(
        "order of the n-gram model: its longest n-grams, in tokens (default: 8; 0 leaves it out)",
        default=None,
        minimum=0,
        maximum=16,
    )
    learning_rate: float | None = setting("peak learning rate", default=None, above=0, maximum=10)
    schedule: Literal["cosine", "constant"] | None = setting(
        "learning rate after the warm-up: cosine lowers it to zero by the last step; constant keeps it, so that a "
        "later run can continue at the same rate (default: cosine; classic: constant)",
        default=None,
    )
    seed: int = setting("seed of all random numbers", default=0, minimum=0, maximum=LAST_SEED)
    device: Literal["auto", Device] = setting("device to train on: auto uses an NVIDIA GPU, if any", default="auto")
    threads: int | None = setting("CPU threads (default: the fastest number)", default=None, minimum=1, maximum=1024)
    checkpoint_every: int | None = setting(
        "steps between checkpoints (default: one checkpoint per minute)", default=None, minimum=1, metavar="STEPS"
    )

    limit: ClassVar[Limit] = OF_TEXT
    """The most that a run from scratch reads."""
    few: ClassVar[int] = 50_000
    """The number of characters to learn from, below which a note says what to expect."""


AS_ASKED = "as you asked"


@dataclass(frozen=True)
class Plan:
    """A recipe with the reasons for it."""

    recipe: Recipe
    reasons: dict[str, str]
    """The reason for a number, by its name, as far as it needs one."""
    expected: Expectation | None = None
    """The cost of held-out text to the model, as it will be used; None if no forecast is possible."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """Messages for the user."""
    base: Base | None = None
    """The model that the run begins from."""
    ngram: Ngram | None = None
    """The n-gram model that the expectation is based on, and that the run will use."""


def numbers_set(settings: TrainingSettings) -> Choices:
    """Return the numbers of the recipe that the user set."""
    own = {field.name for field in dataclasses.fields(Recipe)} - {"recipe", "minutes", "device"}
    return {name: (getattr(settings, name), AS_ASKED) for name in settings.given_names if name in own}
