"""Whether texts obey their rules, by every pair of rules, at two temperatures, as running text and as lines.

    python -m benchmarks.rules [--texts 100]

The real command trains a model of *Julius Caesar* as a text, for 30 seconds, and one of its lines, each with its
speaker as the label, for 20. Each pair of rules writes that many texts after different beginnings. Two rules either
exclude each other, which is said within a second and names both, or all texts obey both. Where a rule leaves no token,
a text is at a dead end: whole texts go back, and streams, which cannot, end there.

    texts          written whole, many at once
    dead ends      texts that found no way on, although they went back
    broken         texts that break a rule, or whose label nobody gave
    streams        the same, a text at a time and piece by piece, under the rules that leave dead ends
"""

from __future__ import annotations

import gzip
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import click
import numpy as np
import regex

from afterword.errors import OptionError
from afterword.generation.rules import contained
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Writer
from afterword.language_model import load
from benchmarks.commands import as_written, echo_table, machine, run_afterword

PLAY = Path("src/afterword/operations/demo-julius-caesar.txt.gz")
SPEECH = regex.compile(r"^([A-Z][A-Z ]+)\.\n((?:.+\n)+)", regex.MULTILINE)
LENGTHS = {"running text": 60, "lines": 30}  # tokens
Rule = dict[str, Any]
"""Settings of `Sampling`, and `label` and `best_of`, which are not among them."""
GIVEN: dict[str, Rule] = {
    "pattern": {"pattern": r"(?s:[^0-9]*)"},
    "only": {"only": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \n\t,.;:'!?-"},
    "starts_with": {"starts_with": "CAESAR"},
    "contains": {"contains": "Rome"},
    "no_copy": {"no_copy": 12},
    "words": {"new_word_p": 1.0},
    "label": {"label": "BRUTUS"},
    "best_of": {"best_of": 2},
}


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

    def add(self, other: Tally) -> None:
        self.texts, self.dead_ends = self.texts + other.texts, self.dead_ends + other.dead_ends
        self.streams, self.dead_streams = self.streams + other.streams, self.dead_streams + other.dead_streams
        self.broken.update(other.broken)


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


def prompts_of(text: str, number: int, lines: bool) -> list[str]:
    """Return different beginnings of texts: words of the play; a line has none, since its label comes first."""
    if lines:
        return [""] * number
    starts = np.random.default_rng(0).choice(len(text) - 100, number, replace=False).tolist()
    return [text[start : start + 40].rpartition(" ")[0] + " " for start in starts]


def train(place: Path) -> tuple[Path, Path]:
    """Train both models in `place`, and return their folders."""
    text = gzip.decompress(PLAY.read_bytes()).decode("utf-8").replace("\r\n", "\n")
    (place / "play.txt").write_text(text, encoding="utf-8")
    lines = [f"{speaker}\t{line.strip()}\n" for speaker, speech in SPEECH.findall(text) for line in speech.splitlines()]
    (place / "lines.txt").write_text("".join(lines), encoding="utf-8")
    for name, more in (("play", ["--minutes", "0.5"]), ("lines", ["--labels", "--minutes", "0.33"])):
        run_afterword("train", place / f"{name}.txt", *more, "--seed", 1, "--out", place / name)
    return place / "play", place / "lines"


@click.command(help=as_written(__doc__))
@click.option("--texts", default=100, show_default=True, help="texts of each pair, temperature and kind")
@click.option("--models", type=click.Path(path_type=Path), help="keep the models in this folder, or take them from it")
def main(texts: int, models: Path | None) -> None:
    click.echo(machine())
    rows, said = [], []
    with tempfile.TemporaryDirectory() as place:
        folders = (models / "play", models / "lines") if models and (models / "lines").exists() else None
        for kind, folder in zip(LENGTHS, folders or train(models or Path(place)), strict=True):
            model = load(folder)
            judge = Judge("\n".join(model.learned_from().texts("training")), list(model.labels or ()))
            prompts = prompts_of(judge.learned, texts, bool(judge.labels))
            given = {name: rule for name, rule in GIVEN.items() if name != ("words" if judge.labels else "label")}
            for temperature in (0.0, 1.0):
                sums, began = Tally(), time.monotonic()
                for names in pairs(given):
                    rule = {key: value for name in names for key, value in given[name].items()}
                    settings = {"temperature": temperature, "max_tokens": LENGTHS[kind]}
                    one = tried(model.writer, rule, prompts, judge, "no_copy" in names, **settings)
                    sums.add(one)
                    said += [f"{kind}, {' + '.join(names)}: {why}" for why in {one.refusal, *one.broken} if why]
                row = [sums.texts, sums.dead_ends, sums.broken.total(), sums.streams, sums.dead_streams]
                rows.append([kind, f"{temperature:g}", *map(str, row), f"{time.monotonic() - began:.0f}"])
    echo_table(["kind", "temperature", "texts", "dead ends", "broken", "streams", "dead ends", "seconds"], rows)
    click.echo("\n".join(dict.fromkeys(said)))


if __name__ == "__main__":
    main()
