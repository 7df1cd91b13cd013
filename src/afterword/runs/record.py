"""A run's own files: its reports, its record `run.json`, and the position of each checkpoint.

Record and position have a format, and any other is refused.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from afterword.learning.recipe import Recipe
from afterword.learning.validation import Best
from afterword.model.folder.saved import Origin
from afterword.planning.expectation import Expectation
from afterword.records import as_record

FORMAT = 3

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Progress:
    """A report of a run under way. Costs are nats per character; times are seconds of training, without pauses."""

    step: int
    steps: int
    loss: float  # of the training text since the last report, with dropout
    learning_rate: float
    characters_per_second: float
    seconds: float
    seconds_left: float
    validation: float | None  # of the validation text, if it was evaluated at this step
    lstm: float | None  # the same of the LSTM without its n-gram
    best: float | None  # the validation of the model that is in the run folder
    improved: bool  # whether that model was written at this step
    notes: tuple[str, ...] = ()  # messages for the user since the last report
    unit: str = "character"  # or another noun for what is predicted


OnReport = Callable[[Progress], object]


def bits(nats: float) -> float:
    """Return nats as bits."""
    return nats / math.log(2)


@dataclass(frozen=True)
class Stage:
    """More time that a run was given."""

    step: int  # its first
    steps: int  # in all, as planned then
    minutes: float | None  # of training, in all, after which it ends; None if the clock does not count
    asked: dict[str, float]  # before 0.4 also by steps or passes, and then without minutes


@dataclass(frozen=True)
class Ended:
    """The end of a run. If it is repeated, it takes the same steps whatever the clock says."""

    step: int
    seconds: float  # of training


@dataclass(frozen=True)
class Environment:
    """Everything but its settings that a run's bits depend on, by name, from a step on."""

    step: int
    parts: dict[str, Any]


@dataclass(frozen=True)
class RunRecord:
    """A run: the settings asked for, the plan, and the decisions made on its way."""

    asked: dict[str, Any]  # every setting by name, None if it was left to the plan, and `texts`
    plan: Recipe
    expected: Expectation | None
    text: dict[str, Any]  # the sources, and every setting of the text
    fingerprint: str  # of the encoded text
    versions: dict[str, str]
    environments: tuple[Environment, ...]
    corrections: Pairs = ()  # (step, steps) for each change of the number of steps
    threads: Pairs = ()  # (step, threads) for each change of the number of threads
    rollbacks: tuple[int, ...] = ()  # steps to which the run rolled back because of a loss that was not finite
    stages: tuple[Stage, ...] = ()
    ended: Ended | None = None
    begun_again: int | None = None  # the step at which a second training began from the base
    base: Origin | None = None


@dataclass(frozen=True)
class Position:
    """The state of a checkpoint besides its tensors."""

    step: int
    batches: dict[str, Any] = field(default_factory=dict)  # the place in the text
    corrections: Pairs = ()
    rollbacks: tuple[int, ...] = ()
    best: Best | None = None
    seconds: float = 0.0  # of training
    nats: float = 0.0  # of the training text, since the last report
    tokens: int = 0


def as_json(kept: RunRecord | Position) -> dict[str, Any]:
    """Return plain values, with the format, for a file."""
    return {"format": FORMAT, **dataclasses.asdict(kept)}


def as_position(values: dict[str, Any]) -> Position:
    """Return the position that `as_json` wrote. Raises ValueError if it is not one of this format."""
    if (found := values.get("format")) != FORMAT:
        raise ValueError(f"it has the format {found}, and this Afterword reads {FORMAT}")
    return as_record(Position, values)


def is_record(values: Any) -> bool:
    """Return whether `values` are a record of some version of Afterword: no other program's run.json has all this."""
    kinds = {"format": int, "plan": dict, "fingerprint": str, "versions": dict}
    return (
        isinstance(values, dict)
        and all(isinstance(values.get(name), kind) for name, kind in kinds.items())
        and "afterword" in values["versions"]
    )
