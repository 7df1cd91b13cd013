"""Tasks with known answers: small texts that require remembering one thing, and questions that find its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from afterword.language_model import LanguageModel
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config, weight_shapes
from afterword.text.characters import CharTokenizer

CHARACTERS = 60_000  # to learn from
MEASURED = 10_000  # characters, from another seed


@dataclass(frozen=True)
class Task:
    """A text that requires remembering one thing."""

    about: str
    piece: Callable[[Random, bool], str]
    """Draw a piece of the text. If the second argument is False, remembering does not help: what is due is random."""
    due: str
    """What can be predicted only if the thing is remembered."""
    remembered: str
    """The characters to remember."""
    prompt: str
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
        remembered=r"[<\[]",
        due=r"[>\]]",
        prompt="ab <ba b",
    ),
    "anbn": Task(
        "lines of n a's and n b's, with n from 1 to 20: the model has to count",
        _anbn,
        remembered="a",
        due=r"\n",
        prompt="aaaaaabb",
    ),
    "copy": Task(
        "three letters, up to 50 dots, and the same letters again: the model has to hold all three",
        _copy,
        remembered=r"^[ab]",
        due=r"\|([ab])",
        prompt="bab....|",
        steps=2000,
    ),
    "recall": Task(
        "X or Y, up to 300 meaningless letters, and the same key again",
        _recall,
        remembered=r"^[XY]",
        due=r"\?([XY])",
        prompt="Xab b a bab ?",
        steps=1500,
        seq_length=128,
    ),
}


def planted(name: str, random: np.random.Generator, copies: int = 1, units: int = 24) -> tuple[LanguageModel, set[str]]:
    """Return a network for the task "anbn" or "recall" whose weights are set by hand, and the names of its cells.

    One cell counts, or `copies` cells hold the key; another says which character was read last. All other units have
    random weights: they react to the text, and disturb the prediction a little.
    """
    tokenizer = CharTokenizer.of("ab\n" if name == "anbn" else "abXY?\n ")
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, tokenizer.rows, units, 1)
    w = {key: random.normal(0, 0.7, shape).astype(np.float32) for key, shape in weight_shapes(config).items()}
    w["embedding.weight"] = np.eye(tokenizer.rows, dtype=np.float32)
    w["lstm.bias_hh_l0"][:] = 0
    *cells, last = random.permutation(units)[: copies + 1]
    row = {one: int(tokenizer.encode(one)[0]) for one in "ab\nXY?" if one in tokenizer.texts}

    def set_unit(unit: int, gates: tuple[float, float, float], candidate: dict[str, float], closes: str = "") -> None:
        """Set the biases of a unit's input, forget and output gate, and what it adds at each character; at those of
        `closes`, the input and the forget gate are turned around."""
        at = unit + units * np.arange(4)
        for kind in ("ih", "hh"):
            w[f"lstm.weight_{kind}_l0"][at] = 0
        w["lstm.bias_ih_l0"][at] = gates[0], gates[1], candidate.get("", 0), gates[2]
        for one, value in candidate.items():
            if one:
                w["lstm.weight_ih_l0"][at[2], row[one]] = value
        for one in closes:
            w["lstm.weight_ih_l0"][at[:2], row[one]] = -2 * gates[0], -2 * gates[1]

    output, bias = w["output.weight"], w["output.bias"]
    output *= 0.1
    bias[:] = 0
    output[:, [*cells, last]] = 0
    if name == "anbn":
        (count,) = cells
        set_unit(count, (9, 9, 9), {"a": 0.1, "b": -0.1})
        w["lstm.weight_ih_l0"][[count, units + count], row["\n"]] = -18  # a new line begins at 0
        set_unit(last, (9, -9, 9), {"": -3, "b": 6})
        output[row["a"], last], bias[row["b"]] = -9, 6
        output[row["\n"], [last, count]], bias[row["\n"]] = (10, -300), 15 + 6 - 7.6
    else:
        for key in cells:
            set_unit(key, (-9, 9, 9), {"X": 3, "Y": -3}, closes="XY")
        set_unit(last, (9, -9, 9), {"": -3, "?": 6})
        for one, sign in (("X", 9), ("Y", -9)):
            output[row[one], cells], output[row[one], last] = sign / copies, 10
    saved = SavedModel(config, w, tokenizer, [tokenizer.rows - 1], {})
    return LanguageModel(saved), {f"l0.u{unit}" for unit in cells}
