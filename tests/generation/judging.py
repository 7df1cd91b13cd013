"""Texts under each pair of rules, and a judge of them that is written apart from the rules."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import Any

import numpy as np
import regex

from afterword.errors import OptionError
from afterword.generation.rules import contained
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Writer

Rule = dict[str, Any]
"""Settings of `Sampling`, and `label` and `best_of`, which are not among them."""


@dataclass
class Judge:
    """Says which rules a text breaks."""

    learned: str
    labels: Sequence[str] = ()
    windows: dict[int, set[str]] = field(default_factory=dict)

    def broken(self, rule: Rule, prompt: str, text: str, draws_label: bool) -> list[str]:
        """Return the names of the settings in `rule` that `text`, which follows `prompt`, breaks."""
        label, tab, _ = text.partition("\t")
        names = ["label"] if draws_label and not self._is_label(label, bool(tab)) else []
        checks: dict[str, Callable[[Any], bool]] = {
            "pattern": lambda value: regex.fullmatch(value, text) is not None,
            "only": lambda value: set(text) <= set(value),
            "starts_with": text.startswith,
            "contains": lambda value: all(contained(one, text, prompt) for one in np.atleast_1d(value)),
            "no_copy": lambda value: (
                not self._copies(value, prompt[-value:] + text, len(label + tab) if draws_label else 0)
            ),
        }
        return names + [name for name, holds in checks.items() if name in rule and not holds(rule[name])]

    def _is_label(self, label: str, whole: bool) -> bool:
        return any(label == one if whole else one.startswith(label) for one in self.labels)

    def _copies(self, length: int, text: str, label: int) -> bool:
        """Return whether more than `length` characters are copied; those of the label do not count alone."""
        if length not in self.windows:
            self.windows[length] = {self.learned[k : k + length + 1] for k in range(len(self.learned) - length)}
        return any(text[k : k + length + 1] in self.windows[length] for k in range(max(0, label - length), len(text)))


@dataclass
class Tally:
    """The texts of one pair of rules."""

    texts: int = 0
    dead_ends: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    streams: int = 0
    dead_streams: int = 0
    refusal: str = ""
    seconds: float = 0.0
    """Until it was refused."""


def pairs(given: dict[str, Rule]) -> Iterator[tuple[str, ...]]:
    """Yield the names of each rule, and of each pair."""
    yield from ((name,) for name in given)
    yield from combinations(given, 2)


def tried(
    writing: Callable[[Sampling], Writer],
    rule: Rule,
    prompts: Sequence[str],
    judge: Judge,
    streams: bool = False,
    **settings: Any,
) -> Tally:
    """Write a text after each of `prompts` under `rule`, and judge it; with `streams`, as a stream too."""
    tally, began = Tally(), time.perf_counter()
    own = {name: value for name, value in rule.items() if name not in ("label", "best_of")}
    label, best_of = rule.get("label"), rule.get("best_of", 1)
    draws_label = bool(judge.labels) and label is None
    try:
        writer = writing(Sampling(**own, **settings))
        written = writer.samples(prompts, 1, 0, best_of, label)
        first = [*islice(written, 1)]
    except OptionError as error:
        tally.refusal, tally.seconds = error.message, time.perf_counter() - began
        return tally
    rest = (writer.stream(prompt, seed, label).sample() for seed, prompt in enumerate(prompts) if streams)

    def judged(sample: Sample) -> int:
        names = judge.broken(rule, "" if label else sample.prompt, sample.text, draws_label)
        tally.broken.update(names)
        return int(sample.finish_reason == "rules")

    for sample in [*first, *written]:
        tally.texts += 1
        tally.dead_ends += judged(sample)
    for sample in rest:
        tally.streams += 1
        tally.dead_streams += judged(sample)
    return tally
