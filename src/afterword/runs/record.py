"""What a run keeps of itself: its record, `run.json`, and how far a checkpoint of it is.

Both have a format. What a version before this one wrote is read as it would be written now.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from afterword.learning.best import Best, Measured
from afterword.learning.recipe import Recipe
from afterword.model.mixture import DEFAULT_WEIGHT
from afterword.planning.expectation import Expectation

# format 1 had setbacks for rollbacks, surroundings for environments, no stages, and of the best only its cost;
# before format 3 there were no bases
FORMAT = 3
FORMATS = (1, 2, FORMAT)

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Stage:
    """More time that a run was given."""

    step: int  # from which on
    steps: int  # in all that it was to have then
    minutes: float | None  # of training, in all, after which it is to end; None where no clock counts
    asked: dict[str, float]


@dataclass(frozen=True)
class BegunFrom:
    """The model whose weights a run began with."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class Ended:
    """Where a run came to its end. Repeated, it takes the same steps, by no clock."""

    step: int
    seconds: float  # of training


@dataclass(frozen=True)
class Environment:
    """What a run's bits depend on beside its settings, by name, from a step on."""

    step: int
    parts: dict[str, Any]


@dataclass(frozen=True)
class Record:
    """A run: what was asked for, what was planned, and what was decided on its way."""

    asked: dict[str, Any]  # every setting by name, None where it was left to the plan, and `texts`
    plan: Recipe
    expected: Expectation | None
    text: dict[str, Any]  # the sources, and every setting of the text
    fingerprint: str  # of the encoded text
    versions: dict[str, str]
    environments: tuple[Environment, ...]
    corrections: Pairs = ()  # (step, steps) wherever the number of steps was changed
    rollbacks: tuple[int, ...] = ()  # steps to which the run rolled back because of a loss that was not finite
    stages: tuple[Stage, ...] = ()
    ended: Ended | None = None
    base: BegunFrom | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values, which `from_json` reads."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Record:
        """Raises LookupError, TypeError or ValueError where `values` make no sense."""
        values = dict(values)
        if values.pop("format") == 1:
            values["rollbacks"] = values.pop("setbacks")
            values["environments"] = [{"step": step, "parts": parts} for step, parts in values.pop("surroundings")]
            for environment in values["environments"]:  # before there was a choice
                environment["parts"] = {"device": "cpu", **environment["parts"]}
        expected, ended, base = values.pop("expected"), values.pop("ended", None), values.pop("base", None)
        return Record(
            plan=Recipe(**values.pop("plan")),
            expected=Expectation(**expected) if isinstance(expected, dict) else None,  # it was a number once
            environments=tuple(Environment(**each) for each in values.pop("environments")),
            corrections=_pairs(values.pop("corrections")),
            rollbacks=tuple(_whole(step) for step in values.pop("rollbacks")),
            stages=tuple(Stage(**each) for each in values.pop("stages", ())),
            ended=None if ended is None else Ended(**ended),
            base=None if base is None else BegunFrom(**base),
            **values,
        )


@dataclass(frozen=True)
class Position:
    """How far a checkpoint is, beside its tensors."""

    step: int
    batches: dict[str, Any] = field(default_factory=dict)  # where the source of batches is
    corrections: Pairs = ()
    rollbacks: tuple[int, ...] = ()
    best: Best | None = None
    seconds: float = 0.0  # of training
    nats: float = 0.0  # of the training text, since the last report
    tokens: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain values, which `from_json` reads."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Position:
        """Raises LookupError, TypeError or ValueError where `values` make no sense."""
        values = dict(values)
        found = values.pop("format", 1)
        if found not in FORMATS:
            raise ValueError(f"it has the format {found}, and this Afterword reads {FORMAT}")
        if found == 1:
            values["rollbacks"] = values.pop("setbacks")
        best = values.pop("best")
        if isinstance(best, float):  # of the LSTM by itself nothing was kept
            best = {"kept": {"cost": best, "lstm": math.inf, "ngram": None, "weight": DEFAULT_WEIGHT}, "lowest": best}
        return Position(
            corrections=_pairs(values.pop("corrections")),
            rollbacks=tuple(_whole(step) for step in values.pop("rollbacks")),
            best=None if best is None else Best(Measured(**best["kept"]), best["lowest"]),
            **values,
        )


def is_record(values: Any) -> bool:
    """Whether `values` are what some version of Afterword says of a run: no other program's run.json holds all this."""
    kinds = {"format": int, "plan": dict, "fingerprint": str, "versions": dict}
    return (
        isinstance(values, dict)
        and all(isinstance(values.get(name), kind) for name, kind in kinds.items())
        and "afterword" in values["versions"]
    )


def _pairs(values: Any) -> Pairs:
    return tuple((_whole(step), _whole(steps)) for step, steps in values)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is no whole number")
    return value
