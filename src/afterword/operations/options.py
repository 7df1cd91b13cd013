"""Options that several operations share."""

from __future__ import annotations

from afterword.model.network.engines import EngineName
from afterword.model.ngram.mixture import Using
from afterword.settings import Settings, setting, settings_class


@settings_class(kw_only=True)
class Predicting(Settings):
    """The parts of a model that predict."""

    using: Using = setting("predict with the LSTM, its n-gram model, or both", default="both", flag="with", served=True)


@settings_class(kw_only=True)
class Engine(Settings):
    """The engine that computes the predictions."""

    engine: EngineName = setting(
        "fast: several times faster, with one-byte weights (pip install 'afterword[fast]')", default="numpy"
    )


@settings_class(kw_only=True)
class Holding(Settings):
    """The parts of a network that are held at a value."""

    hold: tuple[str, ...] = setting(
        "hold a gate, unit or state at a value: forget=1, l0.output=0, l0.u42=1 (repeatable)",
        default=(),
        metavar="PART=VALUE",
        served=True,
    )


HIDE = "read what matches this expression as always the same, such as [0-9]+ for numbers (repeatable)"


@settings_class(kw_only=True)
class Masking(Settings):
    """The parts of lines that are hidden."""

    mask: tuple[str, ...] = setting(HIDE, default=(), metavar="REGEX")


@settings_class(kw_only=True)
class LineByLine(Settings):
    """Reading line by line."""

    lines: bool = setting("print the cost of each line, read from a fresh state", default=False, served=True)
    top: int | None = setting(
        "print only the N lines that cost most, or differ most", default=None, minimum=1, metavar="N", needs="lines"
    )
    mask: tuple[str, ...] = setting(HIDE, default=(), metavar="REGEX", needs="lines")


@settings_class(kw_only=True)
class Overwriting(Settings):
    """Permission to replace existing files."""

    overwrite: bool = setting("replace an existing file", default=False)
