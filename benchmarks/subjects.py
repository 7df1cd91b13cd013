"""The founding example: what a small model's gates do with "Divya likes to eat. Reena is not fat."

    python benchmarks/subjects.py                   makes the text and trains on it, then prints docs/gates.md's figures
    python benchmarks/subjects.py --text            writes docs/subjects.txt again
    python benchmarks/subjects.py --model MODEL     measures a model that is there already

The text is made, so that the subject matters in it and nothing else does: in each line somebody likes to do something;
then somebody, the same one in half of the lines, is or is not something; and then, in half of the lines, so is the same
one again. Who was the subject can be told from the names alone, so a model that guesses the next name has kept it.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from afterword.language_model import LanguageModel, load

TEXT = Path(__file__).parents[1] / "docs" / "subjects.txt"
TRAIN = (
    "afterword train docs/subjects.txt --steps 3500 --hidden-size 128 --batch-size 16 --dropout 0 "
    "--learning-rate 0.014 --ngram 0 --threads 1 --out subjects"
)
SENTENCE = "Divya likes to eat. Reena is not fat."
NAMES = ("Divya", "Reena", "Arjun", "Kiran", "Meera", "Jaya")
OTHERS = ("Arjun", "Kiran", "Meera")  # as long as Divya, so that their sentences stand letter below letter
VERBS = ("eat", "sing", "read", "walk", "swim", "cook")
ADJECTIVES = ("fat", "tall", "late", "glad", "wise", "shy")
LINES = 1500


def make_text() -> str:
    """The 1,500 lines, always the same."""
    drawn = random.Random(0)
    lines = []
    for _ in range(LINES):
        first = drawn.choice(NAMES)
        second = first if drawn.random() < 0.5 else drawn.choice(NAMES)
        line = f"{first} likes to {drawn.choice(VERBS)}."
        line += f" {second} is {drawn.choice(('', 'not '))}{drawn.choice(ADJECTIVES)}."
        if drawn.random() < 0.5:
            line += f" So {second} is {drawn.choice(ADJECTIVES)}."
        lines.append(line)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Walk:
    """The sentence, character by character, [T]."""

    sentence: str
    held: NDArray[np.float64]
    """How much of the first subject the cell states hold: the distance between what they are after "Divya …" and after
    the same sentence about somebody else, as a fraction of the largest such distance."""
    forget: NDArray[np.float64]
    """The forget gates where it is held: their mean over the units, weighted by the square of what each holds of it."""
    forget_everywhere: NDArray[np.float64]
    """The mean of all forget gates."""

    def at(self, first: int, last: int) -> tuple[float, float, float]:
        """The three at the last of the characters `first` … `last` - 1, the gates as the mean over these."""
        return self.held[last - 1], self.forget[first:last].mean(), self.forget_everywhere[first:last].mean()


def walk(model: LanguageModel) -> Walk:
    """Read the sentence, and the same about somebody else, and compare the cell states."""
    traces = [model.gates("\n" + SENTENCE.replace("Divya", name)) for name in ("Divya", *OTHERS)]
    here = traces[0]
    apart = np.mean([(here.cell[1:] - other.cell[1:]) ** 2 for other in traces[1:]], axis=0, dtype=float)  # [T, L, H]
    before = np.mean([(here.before[1:] - other.before[1:]) ** 2 for other in traces[1:]], axis=0, dtype=float)
    distance = np.sqrt(apart.sum(axis=(1, 2)))
    forget = here.forget[1:].astype(float)
    weighted = (before * forget).sum(axis=(1, 2)) / np.maximum(before.sum(axis=(1, 2)), 1e-12)
    return Walk(SENTENCE, distance / distance.max(), weighted, forget.mean(axis=(1, 2)))


def guesses(model: LanguageModel, text: str) -> dict[str, float]:
    """How likely the model thinks each name is to begin after `text`, among the names."""
    trace = model.gates("\n" + text)
    probabilities = {name: float(np.exp(trace.log_probabilities[-1, trace.rows.index(name[0])])) for name in NAMES}
    return {name: one / sum(probabilities.values()) for name, one in probabilities.items()}


PLACES = (  # what a row of the table is about, and the characters of the sentence that it tells of
    ("` likes to eat`", 5, 18),
    ("`.`", 18, 19),
    ("` `", 19, 20),
    ("`R`", 20, 21),
    ("`eena`", 21, 25),
    ("` is not fat`", 25, 36),
    ("`.`", 36, 37),
)
ASKED = ("Divya likes to eat. ", "Divya likes to eat. Reena is not fat. So ")


def report(model: LanguageModel) -> str:
    """The two tables of docs/gates.md."""
    found = walk(model)
    lines = [
        "| characters | of Divya still held | forget gates that hold her | all forget gates |",
        "| --- | --- | --- | --- |",
    ]
    for label, first, last in PLACES:
        held, forget, everywhere = found.at(first, last)
        lines.append(f"| {label} | {held:.2f} | {forget:.2f} | {everywhere:.2f} |")
    lines += ["", f"| the next name after | {' | '.join(NAMES)} |", f"| --- {'| --- ' * len(NAMES)}|"]
    for text in ASKED:
        probabilities = guesses(model, text)
        lines.append(f"| `{text}` | {' | '.join(f'{probabilities[name]:.2f}' for name in NAMES)} |")
    bits = model.about["validation"]["bits_per_character"]
    return "\n".join([*lines, "", f"{bits:.3f} bits per character on held-out text"])


def trained(folder: Path) -> LanguageModel:
    """The model that the command of the page makes, in `folder`."""
    places = {"docs/subjects.txt": str(TEXT), "subjects": str(folder / "subjects")}
    arguments = [places.get(argument, argument) for argument in TRAIN.split()]
    subprocess.run([sys.executable, "-m", *arguments], check=True, capture_output=True)
    return load(folder / "subjects")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--model")
    options = parser.parse_args()
    if options.text:
        TEXT.write_text(make_text(), encoding="utf-8")
    elif options.model:
        print(report(load(options.model)))
    else:
        with tempfile.TemporaryDirectory() as folder:
            print(report(trained(Path(folder))))


if __name__ == "__main__":
    main()
