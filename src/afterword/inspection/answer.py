"""What was found of the units that tell something: the best ones, and what chance finds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from afterword.inspection.finding import Finding


@dataclass(frozen=True)
class UnitMatch:
    """How well one unit tells the answer."""

    layer: int
    unit: int
    state: str
    """"hidden" or "cell"."""
    above: bool
    """Whether it is high where the answer is yes; else it is low there."""
    found: float
    """The area under the curve on the first half, which chose it; 0.5 to 1."""
    area: float
    """The area under the curve on the second half, which did not."""

    @property
    def name(self) -> str:
        return f"l{self.layer}.u{self.unit}"


@dataclass(frozen=True, repr=False)
class Answer(Finding):
    """Which units best tell where something holds, the best on the first half first."""

    question: str
    fraction: float
    """Of the tokens at which it holds."""
    units: list[UnitMatch]
    chance: float
    """The largest held-out area of the best unit for any of 20 shifted answers."""

    @property
    def caption(self) -> str:
        return f"{self.question}: {self.fraction:.1%} of the text; chance finds up to {self.chance:.3f}"

    @property
    def head(self) -> tuple[str, ...]:
        return ("unit", "state", "when it holds", "area, first half", "area, held-out half", "")

    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                one.name,
                one.state,
                "high" if one.above else "low",
                f"{one.found:.3f}",
                f"{one.area:.3f}",
                "" if one.area > self.chance else "no more than chance",
            )
            for one in self.units
        ]

    def to_dict(self) -> dict[str, Any]:
        units = [{"name": one.name, **dataclasses.asdict(one)} for one in self.units]
        return dataclasses.asdict(self) | {"units": units}
