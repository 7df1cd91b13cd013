"""Tasks with known answers: small texts that require remembering one thing, and questions that find its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from afterword.inspection.trace import BLOCKS
from afterword.model.arrays import Array
from afterword.text.unicode import visible

CHARACTERS = 60_000  # to learn from
MEASURED = 10_000  # characters, from another seed


@dataclass(frozen=True)
class Task:
    """A text that requires remembering one thing, and the question that finds the cells that do."""

    about: str
    piece: Callable[[Random, bool], str]
    """Draw a piece of the text. If the second argument is False, remembering does not help: what is due is random."""
    matching: str
    within: str
    """Among the places where `within` matches, a cell that remembers is high, or low, where `matching` does."""
    remembered: str
    """The characters to remember."""
    due: str
    """The characters that cost less if they are remembered."""
    prompt: str
    temperature: float = 0.0
    """The temperature to write with. Brackets need 1: the closing one is never the likeliest character."""
    steps: int = 1000
    seq_length: int = 64

    def text(self, seed: int, characters: int = CHARACTERS, matters: bool = True) -> str:
        random, pieces, length = Random(seed), list[str](), 0
        while length < characters:
            pieces.append(self.piece(random, matters))
            length += len(pieces[-1])
        return "".join(pieces)


def _length(random: Random, least: int, most: int) -> int:
    """Return a number whose logarithm is uniform between those of `least` and `most`."""
    return round(float(least * (most / least) ** random.random()))


def _letters(random: Random, least: int, most: int) -> str:
    """Return meaningless letters."""
    return "".join(random.choices("ab ", k=_length(random, least, most)))


def _brackets(random: Random, matters: bool) -> str:
    kind = random.choice(("<>", "[]"))
    closing = (kind if matters else random.choice(("<>", "[]")))[1]
    return _letters(random, 2, 8) + kind[0] + _letters(random, 2, 50) + closing


def _anbn(random: Random, matters: bool) -> str:
    n = random.randint(1, 20)
    return "a" * n + "b" * (n if matters else random.randint(1, 20)) + "\n"


def _copy(random: Random, matters: bool) -> str:
    word, other = ("".join(random.choices("ab", k=3)) for _ in range(2))
    # without the dots, a letter could move from cell to cell, and no cell would have to hold it
    return f"{word}{'.' * _length(random, 2, 50)}|{word if matters else other}\n"


def _recall(random: Random, matters: bool) -> str:
    key, other = random.choice("XY"), random.choice("XY")
    return f"{key}{_letters(random, 2, 300)}?{key if matters else other}\n"


TASKS = {
    "brackets": Task(
        "text in two kinds of brackets: each closing bracket must match the opening one",
        _brackets,
        matching=r"[<\[][^>\]]*(?=>)",
        within=r"[<\[][^>\]]*",
        remembered=r"[<\[]",
        due=r"[>\]]",
        prompt="ab <ba b",
        temperature=1,
    ),
    "anbn": Task(
        "lines of n a's and n b's, with n from 1 to 20: the model has to count",
        _anbn,
        matching=r"b(?=\n)",
        within="b",
        remembered="a",
        due=r"\n",
        prompt="aaaaaabb",
    ),
    "copy": Task(
        "three letters, up to 50 dots, and the same letters again: the model has to hold all three",
        _copy,
        matching=r"^b[ab]{2}(\.+\|)",
        within=r"^[ab]{3}(\.+\|)",
        remembered=r"^[ab]",
        due=r"\|([ab])",
        prompt="bab....|",
        steps=2000,
    ),
    "recall": Task(
        "X or Y, up to 300 meaningless letters, and the same key again",
        _recall,
        matching=r"X[^?]*\?",
        within=r"[XY][^?]*\?",
        remembered=r"^[XY]",
        due=r"\?([XY])",
        prompt="Xab b a bab ?",
        steps=1500,
        seq_length=128,
    ),
}


def drawn(text: str, values: Array) -> str:
    """Return `text` and, below it, the height of the `values` of its characters."""
    shown = values[: len(text)]
    level = (shown - shown.min()) / max(float(np.ptp(shown)), 1e-9) * (len(BLOCKS) - 1)
    return "".join(map(visible, text)) + "\n" + "".join(BLOCKS[round(one)] for one in level.tolist())
