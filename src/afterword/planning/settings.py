"""What a user may ask of a training run: what no number is given for, the plan chooses."""

from __future__ import annotations

from dataclasses import dataclass

from afterword.errors import OptionError
from afterword.model.config import CELLS
from afterword.settings import check, setting

AUTO, NONE = "auto", "none"  # of bases: what the text calls for, and to begin from nothing
LENGTHS = ("minutes", "steps", "epochs")  # the ways to say how long to train, of which one is given


@dataclass(frozen=True)
class TrainingSettings:
    """What a user may ask of a training run; None leaves a number to the plan."""

    recipe: str = setting(
        "auto", "auto plans every number; classic is the founding recipe", choices=("auto", "classic")
    )
    base: str = setting(
        AUTO, "begin from this model: english ships; auto decides for itself", metavar="auto|english|none|MODEL"
    )
    minutes: float | None = setting(
        None, "train for this many minutes (5 unless --steps or --epochs)", above=0, maximum=525_600
    )
    steps: int | None = setting(
        None, "train for this many optimizer steps; nothing then depends on the clock", minimum=1
    )
    epochs: float | None = setting(
        None, "train for this many passes over the text (classic: 1)", above=0, maximum=10**6
    )
    cell: str = setting("lstm", "what a layer is made of: rnn has no gates, to compare with", choices=CELLS)
    num_layers: int | None = setting(None, "layers", minimum=1, maximum=16)
    hidden_size: int | None = setting(None, "units in a layer", minimum=1, maximum=16384)
    embedding_size: int | None = setting(None, "size of the vector that stands for a token", minimum=1, maximum=16384)
    batch_size: int | None = setting(
        None, "lanes (streams of the text that are read side by side), or lines, per step", minimum=1, maximum=65536
    )
    seq_length: int | None = setting(
        None, "BPTT length: how many tokens the gradient reaches back", minimum=1, maximum=65536
    )
    dropout: float | None = setting(None, "fraction of activations dropped while learning", minimum=0, below=1)
    ngram: int | None = setting(
        None, "longest n-grams of the n-gram model that is mixed in, in tokens (8; 0 is none)", minimum=0, maximum=16
    )
    learning_rate: float | None = setting(None, "peak learning rate", above=0, maximum=10)
    seed: int = setting(0, "seed of everything that is drawn", minimum=0, maximum=2**64 - 1)
    device: str = setting("auto", "where to learn: auto is a GPU where there is one", choices=("auto", "cpu", "cuda"))
    threads: int | None = setting(None, "processor threads (as many as make it faster)", minimum=1, maximum=1024)
    checkpoint_every: int | None = setting(None, "steps between checkpoints (every minute)", minimum=1, metavar="STEPS")

    def __post_init__(self) -> None:
        check(self)
        given = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(given) > 1:
            raise OptionError(f"{given[0]} and {given[1]} exclude each other: give one of minutes, steps and epochs")
