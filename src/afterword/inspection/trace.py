"""A trace: every gate and state of a network while it reads a text, and what it expected to come next.

Row t of a trace is the step that read token t; a character model's tokens are characters. What a token cost was
expected before it was read, so it comes from the row before. `gates` makes traces; `openness` sums one up: how open
each gate was, and how long each unit keeps.
"""

from __future__ import annotations

import itertools
import math
import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError
from afterword.model.arrays import Array, Floats, Ids
from afterword.model.network.cell import Step
from afterword.model.network.config import Config
from afterword.model.network.holding import check_place

EVERY_UNIT_UP_TO = 500  # tokens: a longer trace is shown by its means and the units that change most
MOVING = 48  # units per layer
BLOCKS = "▁▂▃▄▅▆▇█"  # whose height is a value

UNIT = re.compile(r"l(\d{1,9})\.u(\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class Trace:
    """The values that a network computed, for T tokens, L layers, H units and R rows of the vocabulary."""

    text: str
    tokens: list[str]
    """Each token as text; a byte that is part of a character as <0xE2>."""
    ids: Annotated[Ids, "T"]
    """The row of each token; the tokens of the last row may be several."""
    input: Annotated[Array, "T L gate"]
    """The input gates. A plain recurrent network's are empty: a width of 0 in place of H."""
    forget: Annotated[Array, "T L gate"]
    candidate: Annotated[Array, "T L gate"]
    output: Annotated[Array, "T L gate"]
    cell: Annotated[Array, "T L H"]
    hidden: Annotated[Array, "T L H"]
    before: Annotated[Array, "T L H"]
    """The cell state before each step: cell = forget · before + input · candidate."""
    log_probabilities: Annotated[Array, "T R"]
    """The predictions after each token, in nats."""
    nats: Annotated[Floats, "T"]
    """The cost of each token: its -log P, given all before it."""
    rows: list[str]
    """The tokens of the R rows; the last row may be that of all bytes."""
    expected_first: Annotated[Array, "R"]
    """The prediction before the first token, in nats."""

    def __repr__(self) -> str:
        T, L, H = self.hidden.shape
        size = f"{T:,} tokens, {L} × {H} units, {self.bits_per_character:.3f} bits per character"
        return f"{type(self).__name__}({reprlib.repr(self.text)}, {size})"

    @property
    def has_gates(self) -> bool:
        """True for an LSTM."""
        return bool(self.forget.shape[2])

    def check_gates(self) -> None:
        """Raise ModelError unless the network has the gates of an LSTM."""
        if not self.has_gates:
            raise ModelError("this network has none of an LSTM's gates: afterword inspect shows its hidden state")

    @property
    def kept(self) -> Annotated[Array, "T L H"]:
        """The part of the cell state that the forget gate kept."""
        return self.forget * self.before

    @property
    def added(self) -> Annotated[Array, "T L H"]:
        """The part that the input gate added: kept + added = cell."""
        return self.input * self.candidate

    @property
    def bits(self) -> Annotated[Floats, "T"]:
        """The surprise of each token, in bits."""
        return self.nats / math.log(2)

    @property
    def bits_per_character(self) -> float:
        """The cost of the whole text."""
        return float(self.bits.sum()) / len(self.text)

    def means(self, part: str) -> Annotated[Floats, "T L"]:
        """Return the mean over each layer's units per token; for the states, the mean of their magnitude."""
        values = getattr(self, part)
        return np.asarray((values if part in ("input", "forget", "output") else np.abs(values)).mean(-1, dtype=float))

    def likeliest(self, number: int) -> tuple[Annotated[NDArray[np.intp], "T number"], Annotated[Array, "T number"]]:
        """Return the `number` likeliest rows before each token was read, and their probabilities."""
        before = np.concatenate([self.expected_first[None], self.log_probabilities[:-1]])
        best = np.argsort(-before, axis=1, kind="stable")[:, :number]
        return best, np.exp(np.take_along_axis(before, best, axis=1))

    def moving_units(self, number: int = MOVING) -> list[NDArray[np.intp]]:
        """Return the `number` units of each layer whose hidden state changes most over this text, most first."""
        spread = np.array([self.hidden[:, layer].std(axis=0) for layer in range(self.hidden.shape[1])])
        return [np.argsort(-layer, kind="stable")[:number] for layer in spread]

    def shown_units(self, named: list[NDArray[np.intp]] | None = None) -> list[NDArray[np.intp]]:
        """Return the units of each layer to show: the `named` ones, all for a short text, or those that move most."""
        if named is not None:
            return named
        return self.moving_units(self.hidden.shape[2] if len(self.tokens) <= EVERY_UNIT_UP_TO else MOVING)

    @property
    def _parts(self) -> tuple[str, ...]:
        return Step._fields if self.has_gates else ("hidden",)

    def to_dict(self, named: list[NDArray[np.intp]] | None = None) -> dict[str, Any]:
        """Return what `inspect --json` prints: everything for a short text, else the means and the shown units."""
        units = [np.sort(layer).tolist() for layer in self.shown_units(named)]
        record: dict[str, Any] = {
            "text": self.text,
            "tokens": self.tokens,
            "bits": _rounded(self.bits),
            "units": units,
            "means": {part: _rounded(self.means(part)) for part in self._parts if part != "before"},
        }
        for part in self._parts:
            record[part] = [_rounded(getattr(self, part)[:, layer, chosen]) for layer, chosen in enumerate(units)]
        if len(self.tokens) <= EVERY_UNIT_UP_TO:
            record |= {"rows": self.rows, "expected": _rounded(np.exp(self.log_probabilities))}
        return record


def named_units(names: Sequence[str], config: Config) -> list[NDArray[np.intp]]:
    """Return the units of each layer that `names`, such as l0.u42, name, in that order. Raises OptionError."""
    found: list[list[int]] = [[] for _ in range(config.num_layers)]
    for name in names:
        parts = UNIT.fullmatch(name.strip())
        if parts is None:
            raise OptionError(f"unit {name[:40]!r} is invalid: write it as l0.u42")
        layer, unit = int(parts[1]), int(parts[2])
        check_place(config, layer, unit)
        if unit not in found[layer]:
            found[layer].append(unit)
    return [np.array(units, np.intp) for units in found]


def _rounded(values: NDArray[Any]) -> Any:
    """Return `values` as JSON lists, with six decimals."""
    return np.round(values.astype(float), 6).tolist()


SIGMOIDS = ("forget", "input", "output")  # the gates that open and close; the candidate does not
SHUT, OPEN = 0.1, 0.9
SPANS = (3, 10, 30, 100, 300)  # characters
LONGEST_MEMORY = 10_000.0  # characters: a longer memory is reported as this
STRETCH, KEPT_BEST = 10, 0.2  # steps; the fraction of such stretches in which a unit keeps at least as its memory says


@dataclass(frozen=True)
class GateOpenness:
    """A gate of a layer over a text: its mean, and the units in which it always stays under 0.1 (shut) or over 0.9."""

    mean: float
    shut: list[int]
    open: list[int]


@dataclass(frozen=True)
class LayerOpenness:
    """One layer over a text."""

    gates: dict[str, GateOpenness]
    memory: Annotated[Floats, "H"]
    """The memory of each unit between its resets, in characters: see `memories`."""

    @property
    def longest(self) -> Annotated[NDArray[np.intp], "H"]:
        """The units, longest memory first."""
        return np.argsort(-self.memory, kind="stable")

    def spread(self) -> list[tuple[str, int]]:
        """Return the number of units per span of memory, in characters."""
        counts = np.histogram(self.memory, bins=[0, *SPANS, np.inf])[0].tolist()
        between = [f"{a}–{b}" for a, b in itertools.pairwise(SPANS)]
        return list(zip([f"under {SPANS[0]}", *between, f"over {SPANS[-1]}"], counts, strict=True))


def openness(trace: Trace) -> list[LayerOpenness]:
    """Return how open the gates of each layer are over the text of `trace`. Raises ModelError if it has none."""
    trace.check_gates()
    layers = []
    for layer in range(trace.forget.shape[1]):
        gates = {}
        for gate in SIGMOIDS:
            values = getattr(trace, gate)[:, layer]
            shut, open = (np.flatnonzero(one) for one in (values.max(axis=0) < SHUT, values.min(axis=0) > OPEN))
            gates[gate] = GateOpenness(float(values.mean(dtype=float)), shut.tolist(), open.tolist())
        memory = len(trace.text) / len(trace.tokens) * memories(trace.forget[:, layer])
        layers.append(LayerOpenness(gates, np.minimum(memory, LONGEST_MEMORY)))
    return layers


def memories(forget: Annotated[Array, "T H"]) -> Annotated[Floats, "H"]:
    """Return the memory of each unit: the number of steps after which e⁻¹ of its cell state is left, between resets.

    A mean over all steps would depend mostly on the few at which a unit is emptied. So the loss is summed over every
    stretch of ten steps, and a fifth of the stretches lose at most as much as a unit with this memory would.
    """
    length = min(STRETCH, len(forget))
    found = np.empty(forget.shape[1])
    for unit, values in enumerate(np.ascontiguousarray(forget.T)):
        lost = np.concatenate([[0], -np.log(np.maximum(values, 1e-30, dtype=float)).cumsum()])
        found[unit] = length / max(np.quantile(lost[length:] - lost[:-length], KEPT_BEST), 1e-30)
    return found
