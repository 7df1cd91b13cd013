"""A third kind of cell, the GRU of Cho et al. 2014, which `test_cells` adds to the table to see what else it needs.

It is a plugin of pytest, because the package reads the table as it is imported.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from afterword.model.arrays import Array
from afterword.model.network import cells
from afterword.model.network.cell import Layer, Step, sigmoid
from afterword.model.threads import RowProducts


class ArrangedGRU(cells.Arranged):
    """The weights of one layer, with the second biases apart: the reset gate scales the candidate's."""

    def __init__(self, layer: Layer, product: RowProducts) -> None:
        super().__init__(layer, product)
        self._bias, self._bias_hh = layer.bias_ih, layer.bias_hh

    def run(
        self, outputs: Array, projected: cells.Sums, hidden: Array, cell: Array, held: Array | None, steps: Any
    ) -> tuple[Array, Array]:
        for output, sums in zip(outputs, projected, strict=True):
            reset, update, candidate = np.split(sums, 3, axis=-1)
            own = np.split(self._product(hidden, self._recurrent) + self._bias_hh, 3, axis=-1)
            reset, update = sigmoid(reset + own[0]), sigmoid(update + own[1])
            output[...] = update * hidden + (1 - update) * np.tanh(candidate + reset * own[2])
            if held is not None:
                cells.put_held(output, held[-1])
            hidden = output
        if steps is not None:
            gate, no_cell = outputs[..., :0], np.zeros_like(outputs)
            steps.append(Step(gate, gate, gate, gate, no_cell, outputs, no_cell))
        return hidden, cell


KIND = cells.CellKind(
    name="GRU",
    about="has two gates and no cell state",
    blocks={"reset": 0.0, "update": 0.0, "candidate": 0.0},
    parts=("hidden",),
    arranged=ArrangedGRU,
)
TABLE: dict[Any, cells.CellKind] = cells.CELLS
TABLE["gru"] = KIND
cells.Cell = Literal["lstm", "rnn", "gru"]
