"""The kinds of recurrent cell: one object each, which says all that depends on the kind.

Their layers compute what `cell` defines, arranged for speed; tests compare the two. Two things are done once, when a
network is made:

- The weights of the four gates are stored side by side, [in, 4H] instead of [4H, in]: one large product of rows is
  faster than four products, or than one of columns.
- A sigmoid is computed as a tanh: σ(x) = tanh(x/2)/2 + 1/2. The x/2 is folded into the weights (exactly, since it is a
  power of two), so that one tanh covers all four gates.

A new kind is an entry of `CELLS`. Whatever is made for one kind only asks `check_claimed`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import numpy as np

from afterword.errors import OptionError
from afterword.model.arrays import Array
from afterword.model.network.cell import GATES, Layer, Step
from afterword.model.threads import RowProducts

# gate = HALF · tanh(HALF · sum) + 1 - HALF, [4]: a sigmoid for three of the gates, a plain tanh for the candidate
HALF = np.array([1.0 if gate == "candidate" else 0.5 for gate in GATES], np.float32)


Sums = Iterable[Array]
"""The part of a layer's sums that comes from its input: [B, sums] for each of T steps."""


class Arranged(ABC):
    """The weights of one layer, multiplied by a `scale` [sums], and arranged so that products are of rows."""

    def __init__(self, layer: Layer, product: RowProducts, scale: Array | float = 1.0) -> None:
        self._product = product
        self._input = np.multiply(layer.weight_ih.T, scale, order="C")  # [E or H, sums]
        self._recurrent = product.register(np.multiply(layer.weight_hh.T, scale, order="C"))  # [H, sums]
        self._bias = (layer.bias_ih + layer.bias_hh) * scale

    def project(self, x: Array) -> Array:
        """Return the part of the sums that comes from the input: x [..., E or H] → [..., sums], in one product."""
        sums = x.reshape(-1, x.shape[-1]) @ self._input
        sums += self._bias
        return sums.reshape(*x.shape[:-1], sums.shape[-1])

    @abstractmethod
    def run(
        self, outputs: Array, projected: Sums, hidden: Array, cell: Array, held: Array | None, steps: list[Step] | None
    ) -> tuple[Array, Array]:
        """Take T steps from the states hidden and cell [B, H], and write the hidden states to `outputs` [T, B, H].

        `held` [6, H] is as in `holding`. Return hidden and cell [B, H] after the last step. If `steps` is given, add
        everything computed to it.
        """


class ArrangedLSTM(Arranged):
    """The weights of one layer of an LSTM, arranged as the head of this file says."""

    def __init__(self, layer: Layer, product: RowProducts) -> None:
        H = layer.weight_hh.shape[1]
        self._parts = [slice(at, at + H) for at in range(0, len(GATES) * H, H)]
        # Factors as wide as the gates are three times as fast as ones that NumPy must stretch.
        self._half, self._rest = np.repeat(HALF, H), np.repeat(1 - HALF, H)
        super().__init__(layer, product, self._half)

    def run(
        self, outputs: Array, projected: Sums, hidden: Array, cell: Array, held: Array | None, steps: list[Step] | None
    ) -> tuple[Array, Array]:
        if steps is not None:
            every_gate = np.empty((*outputs.shape[:2], self._bias.size), np.float32)
            cells = np.concatenate([cell[None], outputs])  # before the first step, and after each
        for t, sums in enumerate(projected):
            gates = self._product(hidden, self._recurrent)
            gates += sums
            np.tanh(gates, out=gates)
            gates *= self._half
            gates += self._rest
            now = input_gate, forget_gate, candidate, output_gate = [gates[:, part] for part in self._parts]
            if held is not None:
                for gate, value in zip(now, held, strict=False):
                    put_held(gate, value)
            if steps is not None:
                every_gate[t] = gates
            cell = np.multiply(forget_gate, cell, out=None if steps is None else cells[t + 1])
            candidate *= input_gate
            cell += candidate
            if held is not None:
                put_held(cell, held[-2])
            hidden = np.tanh(cell, out=outputs[t])
            hidden *= output_gate
            if held is not None:
                put_held(hidden, held[-1])
        if steps is not None:
            traced = [every_gate[..., part] for part in self._parts]
            steps.append(Step._make([*traced, cells[1:], outputs, cells[:-1]]))
        return hidden, cell


class ArrangedPlain(Arranged):
    """The weights of one plain recurrent layer. Its gates are empty; its cell state stays zero."""

    def run(
        self, outputs: Array, projected: Sums, hidden: Array, cell: Array, held: Array | None, steps: list[Step] | None
    ) -> tuple[Array, Array]:
        for t, sums in enumerate(projected):
            hidden = np.tanh(self._product(hidden, self._recurrent) + sums, out=outputs[t])
            if held is not None:
                put_held(hidden, held[-1])
        if steps is not None:
            gate, no_cell = outputs[..., :0], np.zeros_like(outputs)
            steps.append(Step(gate, gate, gate, gate, no_cell, outputs, no_cell))
        return hidden, cell


def put_held(values: Annotated[Array, "B H"], held: Annotated[Array, "... H"]) -> None:
    """Replace `values` in place wherever `held`, of all lanes or of each, is not NaN."""
    np.copyto(values, held, where=~np.isnan(held))


Cell = Literal["lstm", "rnn"]
Claimant = Literal["engine fast", "a page", "an export", "the classic recipe", "an expected cost", "the bases"]


@dataclass(frozen=True)
class CellKind:
    """All that depends on the kind of a cell. Its weights are named after its key in `CELLS`."""

    name: str
    """Its name for people, which is also that of its module in `torch.nn`."""
    about: str
    """What follows its key in the help of `cell`."""
    blocks: Mapping[str, float]
    """The blocks of H rows in its weights, in PyTorch's order, each with the bias that training begins with."""
    parts: tuple[str, ...]
    """The LSTM's parts that it has too: they are traced, and can be held at a value."""
    arranged: type[Arranged]
    """Its layers in NumPy."""
    claimed_by: tuple[Claimant, ...] = ()
    """Everything else that is made for this kind alone. What is not a `Claimant` works with any kind."""


CELLS: dict[Cell, CellKind] = {
    "lstm": CellKind(
        name="LSTM",
        about="has gates and a cell state",
        blocks={gate: 1.0 if gate == "forget" else 0.0 for gate in GATES},
        parts=(*GATES, "cell", "hidden"),
        arranged=ArrangedLSTM,
        claimed_by=get_args(Claimant),
    ),
    "rnn": CellKind(
        name="RNN",
        about="has no gates, for comparison",
        blocks={"hidden": 0.0},
        parts=("hidden",),
        arranged=ArrangedPlain,
    ),
}


def check_claimed(cell: Cell, by: Claimant) -> None:
    """Raise OptionError unless `by` is made for this kind of cell."""
    if by not in CELLS[cell].claimed_by:
        able = " or ".join(name for name, kind in CELLS.items() if by in kind.claimed_by)
        raise OptionError(f"{by} is only for `cell` {able}, not {cell}")
