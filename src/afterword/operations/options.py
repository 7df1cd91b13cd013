"""Options that several operations share."""

from __future__ import annotations

from dataclasses import dataclass

from afterword.model.network.engines import EngineName
from afterword.model.ngram.mixture import Using
from afterword.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class Predicting(Settings):
    """The parts of a model that predict."""

    using: Using = setting(
        "both", "predict with the LSTM, with its n-gram model, or with both", flag="with", served=True
    )


@dataclass(frozen=True, kw_only=True)
class Engine(Settings):
    """The engine that computes the predictions."""

    engine: EngineName = setting(
        "numpy", "fast: several times faster, with one-byte weights (pip install 'afterword[fast]')"
    )


@dataclass(frozen=True, kw_only=True)
class Holding(Settings):
    """The parts of a network that are held at a value."""

    hold: tuple[str, ...] = setting(
        (),
        "hold a gate, unit or state at a value: forget=1, l0.output=0, l0.u42=1 (repeatable)",
        metavar="PART=VALUE",
        served=True,
    )


@dataclass(frozen=True, kw_only=True)
class Masking(Settings):
    """The parts of lines that are hidden."""

    mask: tuple[str, ...] = setting((), "hide what changes in every line, such as [0-9]+ (repeatable)", metavar="REGEX")


@dataclass(frozen=True, kw_only=True)
class LineByLine(Settings):
    """Reading line by line."""

    lines: bool = setting(False, "print the cost of each line, read from a fresh state", served=True)
    top: int | None = setting(
        None, "print only the N lines that cost most, or differ most", minimum=1, metavar="N", needs="lines"
    )
    mask: tuple[str, ...] = setting(
        (), "hide what changes in every line, such as [0-9]+ (repeatable)", metavar="REGEX", needs="lines"
    )


@dataclass(frozen=True, kw_only=True)
class Overwriting(Settings):
    """Permission to replace existing files."""

    overwrite: bool = setting(False, "replace an existing file")
