from __future__ import annotations

from collections.abc import Sequence

from afterword.scoring.comparing import Comparable, Compared, Comparison
from afterword.settings import OnProgress, ignore_progress


def compare(
    models: Sequence[Comparable], text: str | list[str], on_progress: OnProgress = ignore_progress
) -> list[Compared]:
    """Return the cost of `text` for each of `models`, in their order. A list is lines, each read from a fresh state."""
    comparison = Comparison(models)
    comparison.read(text, on_progress)
    return comparison.result()
