"""Every number of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from afterword.model.config import Config
from afterword.text.tokenizer import Tokenizer

Precision = Literal["float32", "bfloat16", "float16"]
Device = Literal["cpu", "cuda"]


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
    seq_length: int  # BPTT length: tokens per lane and step
    dropout: float  # fraction dropped
    locked_dropout: bool  # one mask for all steps of a sequence, or a new one for every element
    reset_probability: float  # that a lane starts afresh at a step: so the empty state is learned too
    ngram: int  # tokens of the longest n-grams that the network is mixed with; 0 is none
    optimizer: str  # one of optimizer.OPTIMIZERS
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

    def config(self, tokenizer: Tokenizer) -> Config:
        """The network that this recipe trains, for the rows of `tokenizer`."""
        return Config(
            vocabulary_size=tokenizer.rows,
            byte_tokens=tokenizer.shared_row_tokens,
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
