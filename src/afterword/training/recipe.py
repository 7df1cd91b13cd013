"""What to train: what the user asked for (`TrainingSettings`) and every number that follows from it (`Recipe`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from afterword.errors import OptionError
from afterword.model.config import CELLS, Config
from afterword.settings import check, setting

Precision = Literal["float32", "bfloat16", "float16"]
Device = Literal["cpu", "cuda"]
LENGTHS = ("minutes", "steps", "epochs")  # the ways to say how long to train, of which one is given


@dataclass(frozen=True)
class TrainingSettings:
    """What a user may ask of a training run; None leaves a number to the plan."""

    recipe: str = setting("auto", "what to train", choices=("auto", "classic"))
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
    embedding_size: int | None = setting(None, "numbers that stand for a token", minimum=1, maximum=16384)
    batch_size: int | None = setting(None, "lanes, or lines, that are read side by side", minimum=1, maximum=65536)
    seq_length: int | None = setting(None, "steps that the gradient reaches back", minimum=1, maximum=65536)
    dropout: float | None = setting(None, "share of the activations left out while learning", minimum=0, below=1)
    ngram: int | None = setting(
        None, "tokens of the longest n-grams that are mixed in (8; 0 is none)", minimum=0, maximum=16
    )
    learning_rate: float | None = setting(None, "highest step size of the optimizer", above=0, maximum=10)
    seed: int = setting(0, "seed of everything that is drawn", minimum=0, maximum=2**64 - 1)
    device: str = setting("auto", "where to learn: auto is a GPU where there is one", choices=("auto", "cpu", "cuda"))
    threads: int | None = setting(None, "processor threads (as many as pay)", minimum=1, maximum=1024)
    checkpoint_every: int | None = setting(None, "steps between checkpoints (every minute)", minimum=1, metavar="STEPS")

    def __post_init__(self) -> None:
        check(self)
        given = [name for name in LENGTHS if getattr(self, name) is not None]
        if len(given) > 1:
            raise OptionError(f"{given[0]} and {given[1]} exclude each other: give one of minutes, steps and epochs")


@dataclass(frozen=True)
class Recipe:
    """Every number of a run, fixed before its first step. Sizes as in `model.config.Config`.

    One step reads `batch_size` × `seq_length` tokens. `steps` is what the schedule reaches zero at; with `minutes`
    it may be corrected on the way, and the run's record then says so.
    """

    recipe: Literal["auto", "classic"]
    steps: int
    most_steps: int | None  # that a correction may not go beyond
    minutes: float | None
    num_layers: int
    hidden_size: int
    embedding_size: int
    residual: bool
    input: Literal["embedding", "number"]  # what stands for a token
    windows: bool  # whether each prediction reads a window of seq_length tokens from an empty state
    batch_size: int
    seq_length: int
    dropout: float
    locked_dropout: bool  # one mask for all steps of a sequence, or a new one for every element
    reset_probability: float  # that a lane starts afresh at a step: so the empty state is learned too
    ngram: int  # tokens of the longest n-grams that the network is mixed with; 0 is none
    optimizer: Literal["muon", "keras-adam"]
    schedule: Literal["cosine", "constant"]
    learning_rate: float
    warmup: int  # steps
    weight_decay: float
    clip: float | None  # largest norm of the gradient
    averaging: float | None  # decay of the moving average of the weights, which is then what is kept and measured
    keep: Literal["best", "last"]  # which weights the saved model has
    precision: Precision
    evaluate_every: int  # steps
    validation_tokens: int  # read by each evaluation
    report_every: int  # steps
    checkpoint_every: int | None  # steps; None is once a minute
    seed: int
    threads: int
    cell: str = "lstm"
    device: Device = "cpu"

    def config(self, vocabulary_size: int, byte_tokens: int) -> Config:
        """The network that this recipe trains, for a tokenizer of that many rows."""
        return Config(
            vocabulary_size=vocabulary_size,
            byte_tokens=byte_tokens,
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            cell=self.cell,
            residual=self.residual,
            input=self.input,
            window=self.seq_length if self.windows else 0,
        )

    def record(self) -> dict[str, Any]:
        """The recipe as plain values, for `run.json`."""
        return asdict(self)
