"""A trace: every gate and state of a network while it reads a text, and what it expected to come next.

Row t of a trace is the step that read token t; a character model's tokens are characters. What a token cost was
expected before it was read, so it comes from the row before. `gates` makes traces.
"""

from __future__ import annotations

import math
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.model.arrays import Array
from afterword.model.config import Config
from afterword.model.holding import PARTS, check_place
from afterword.storage import output

EVERY_UNIT_UP_TO = 500  # tokens: a longer trace is shown by its means and its most telling units
TELLING = 48  # units per layer

UNIT = re.compile(r"l(\d{1,9})\.u(\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class Trace:
    """What a network computed, token by token; T tokens, L layers, H units, R rows of the vocabulary."""

    text: str
    tokens: list[str]
    """Each token as text; a byte that is only part of a character as <0xE2>."""
    ids: NDArray[np.int32]
    input: Array
    """The input gates, float32 [T, L, H], as are the others."""
    forget: Array
    candidate: Array
    output: Array
    cell: Array
    hidden: Array
    before: Array
    """The cell state that each step found, [T, L, H]: cell = forget · before + input · candidate."""
    log_probabilities: Array
    """What was expected after each token, float32 [T, R], in nats."""
    nats: NDArray[np.float64]
    """What each token cost, [T]: -log P of it, given all before it."""
    rows: list[str]
    """What the R rows stand for; the last one may stand for all bytes."""
    expected_first: Array
    """What was expected before the first token, [R], in nats."""

    def __repr__(self) -> str:
        T, L, H = self.hidden.shape
        size = f"{T:,} tokens, {L} × {H} units, {self.bits.mean():.3f} bits per token"
        return f"{type(self).__name__}({reprlib.repr(self.text)}, {size})"

    @property
    def kept(self) -> Array:
        """What the forget gate left of the cell state, [T, L, H]."""
        return self.forget * self.before

    @property
    def dropped(self) -> Array:
        """What the forget gate took from the cell state, [T, L, H]."""
        return self.before - self.kept

    @property
    def added(self) -> Array:
        """What the input gate let in, [T, L, H]: kept + added = cell."""
        return self.input * self.candidate

    @property
    def bits(self) -> NDArray[np.float64]:
        """The surprise of each token, [T], in bits."""
        return self.nats / math.log(2)

    def means(self, part: str) -> NDArray[np.float64]:
        """The mean over each layer's units, token by token, [T, L]; of the states the mean of their size."""
        values = getattr(self, part)
        return np.asarray((values if part in ("input", "forget", "output") else np.abs(values)).mean(-1, dtype=float))

    def likeliest(self, number: int) -> tuple[NDArray[np.intp], Array]:
        """The `number` likeliest rows before each token was read, and their probabilities, [T, number] each."""
        before = np.concatenate([self.expected_first[None], self.log_probabilities[:-1]])
        best = np.argsort(-before, axis=1, kind="stable")[:, :number]
        return best, np.exp(np.take_along_axis(before, best, axis=1))

    def telling_units(self, number: int = TELLING) -> list[NDArray[np.intp]]:
        """The `number` units of each layer whose hidden state moves most over this text, most first."""
        spread = np.array([self.hidden[:, layer].std(axis=0) for layer in range(self.hidden.shape[1])])
        return [np.argsort(-layer, kind="stable")[:number] for layer in spread]

    def shown_units(self, named: list[NDArray[np.intp]] | None = None) -> list[NDArray[np.intp]]:
        """Which units of each layer are shown: `named` ones, or all of a short text, or the most telling ones."""
        if named is not None:
            return named
        return self.telling_units(self.hidden.shape[2] if len(self.tokens) <= EVERY_UNIT_UP_TO else TELLING)

    def to_dict(self, named: list[NDArray[np.intp]] | None = None) -> dict[str, Any]:
        """What `inspect --json` prints: all of a short text; of a long one the means and the units that are shown."""
        units = [np.sort(layer).tolist() for layer in self.shown_units(named)]
        record: dict[str, Any] = {
            "text": self.text,
            "tokens": self.tokens,
            "bits": _rounded(self.bits),
            "units": units,
            "means": {part: _rounded(self.means(part)) for part in PARTS},
        }
        for part in (*PARTS, "before"):
            values = getattr(self, part)
            record[part] = [_rounded(values[:, layer, chosen]) for layer, chosen in enumerate(units)]
        if len(self.tokens) <= EVERY_UNIT_UP_TO:
            record |= {"rows": self.rows, "expected": _rounded(np.exp(self.log_probabilities))}
        return record

    def write_npz(self, path: Path) -> None:
        """Write every array of the trace, and its tokens, for NumPy to read. Raises StorageError."""
        arrays = {part: getattr(self, part) for part in (*PARTS, "before", "log_probabilities", "nats", "ids")}
        arrays["expected_first"] = self.expected_first
        # text as UTF-8 bytes: NumPy's own strings would lose a NUL at a token's end, and need no pickle either way
        arrays["tokens"] = np.array([token.encode() + b"|" for token in self.tokens])
        arrays["rows"] = np.array([row.encode() + b"|" for row in self.rows])
        with output(path) as file:
            np.savez(file, allow_pickle=False, **arrays)


def named_units(names: list[str], config: Config) -> list[NDArray[np.intp]]:
    """`l0.u42`, `l1.u7` … as the units of each layer, in that order. Raises OptionError for one that is not there."""
    found: list[list[int]] = [[] for _ in range(config.num_layers)]
    for name in names:
        parts = UNIT.fullmatch(name.strip())
        if parts is None:
            raise OptionError(f"unit {name[:40]!r} is not understood: write it as l0.u42")
        layer, unit = int(parts[1]), int(parts[2])
        check_place(config, layer, unit)
        if unit not in found[layer]:
            found[layer].append(unit)
    return [np.array(units, np.intp) for units in found]


def _rounded(values: NDArray[Any]) -> Any:
    """Values as JSON lists, with six decimals."""
    return np.round(values.astype(float), 6).tolist()
