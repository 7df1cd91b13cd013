"""What was found of the units that tell something: the best ones, and what chance finds."""

from __future__ import annotations

from dataclasses import dataclass

from afterword.inspection.tables import as_html, as_text

HEAD = ("unit", "state", "when it holds", "area, first half", "area, held-out half", "")


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


@dataclass(frozen=True)
class Answer:
    """Which units best tell where something holds, the best on the first half first."""

    question: str
    share: float
    """Of the tokens at which it holds."""
    units: list[UnitMatch]
    chance: float
    """The largest held-out area of the best unit for any of 20 shifted answers."""

    def rows(self, most: int) -> list[tuple[str, ...]]:
        """The table of the first `most` units, whose head is HEAD."""
        return [
            (
                one.name,
                one.state,
                "high" if one.above else "low",
                f"{one.found:.3f}",
                f"{one.area:.3f}",
                "" if one.area > self.chance else "no more than chance",
            )
            for one in self.units[:most]
        ]

    def caption(self) -> str:
        return f"{self.question}: {self.share:.1%} of the text; chance finds up to {self.chance:.3f}"

    def __str__(self) -> str:
        return f"{self.caption()}\n{as_text(HEAD, self.rows(len(self.units)))}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self.caption(), HEAD, self.rows(len(self.units)))
