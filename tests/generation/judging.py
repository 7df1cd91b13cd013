"""A judge of the rules that a text obeys, written apart from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import regex

from afterword.generation.rules import contained

Rule = dict[str, Any]
"""Settings of `Sampling`, and `label` and `best_of`, which are not among them."""


@dataclass
class Judge:
    """Says which rules a text breaks."""

    learned: str = ""
    labels: Sequence[str] = ()
    windows: dict[int, set[str]] = field(default_factory=dict)

    def broken(self, rule: Rule, prompt: str, text: str, draws_label: bool = False) -> list[str]:
        """Return the names of the settings in `rule` that `text`, which follows `prompt`, breaks."""
        label, tab, _ = text.partition("\t")
        names = ["label"] if draws_label and not self._is_label(label, bool(tab)) else []
        start = len(label + tab) if draws_label else 0
        checks: dict[str, Callable[[Any], bool]] = {
            "pattern": lambda value: regex.fullmatch(value, text) is not None,
            "only": lambda value: set(text) <= set(value),
            "starts_with": text.startswith,
            "contains": lambda value: all(contained(one, text, prompt) for one in np.atleast_1d(value)),
            "no_copy": lambda value: not self._copies(value, prompt[-value:] + text, start),
            "max_tokens": lambda value: len(text) <= value,
        }
        return names + [name for name, holds in checks.items() if name in rule and not holds(rule[name])]

    def _is_label(self, label: str, whole: bool) -> bool:
        return any(label == one if whole else one.startswith(label) for one in self.labels)

    def _copies(self, length: int, text: str, label: int) -> bool:
        """Return whether more than `length` characters are copied; those of the label do not count alone."""
        if length not in self.windows:
            self.windows[length] = {self.learned[k : k + length + 1] for k in range(len(self.learned) - length)}
        return any(text[k : k + length + 1] in self.windows[length] for k in range(max(0, label - length), len(text)))
