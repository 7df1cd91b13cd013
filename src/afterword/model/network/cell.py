"""One step of an LSTM as in the textbook.

    input     i = σ(U_i x + b_i + W_i h + d_i)        how much of the candidate to add
    forget    f = σ(U_f x + b_f + W_f h + d_f)        how much of the old cell state to keep
    candidate g = tanh(U_g x + b_g + W_g h + d_g)     what could be remembered
    output    o = σ(U_o x + b_o + W_o h + d_o)        how much of the cell state to show

    cell      c' = f ∘ c + i ∘ g
    hidden    h' = o ∘ tanh(c')

x is the layer's input [B, E or H], h and c its hidden and cell state [B, H] (Hochreiter and Schmidhuber 1997, with the
forget gate of Gers et al. 2000; two biases, as in PyTorch). The weights of the four gates are stacked in PyTorch's
order, `GATES`.

A plain recurrent unit has no gates. It is here for comparison: h' = tanh(U x + b + W h + d).

This is the definition. `network` computes the same numbers faster, and a test compares the two.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from afterword.model.arrays import Array, Weights

GATES = ("input", "forget", "candidate", "output")


class Layer(NamedTuple):
    """The weights of one layer, float32. A plain recurrent layer has H in place of 4H (`CellKind.blocks`)."""

    weight_ih: Array  # [4H, E or H], U
    weight_hh: Array  # [4H, H], W
    bias_ih: Array  # [4H], b
    bias_hh: Array  # [4H], d


class Step(NamedTuple):
    """Everything that one step computes, or each of several, and the cell state before it."""

    input: Annotated[Array, "... gate"]  # H, or 0 in a plain recurrent network
    forget: Annotated[Array, "... gate"]
    candidate: Annotated[Array, "... gate"]
    output: Annotated[Array, "... gate"]
    cell: Annotated[Array, "... H"]
    hidden: Annotated[Array, "... H"]
    before: Annotated[Array, "... H"]  # the cell state before this step


def layer_weights(weights: Weights, layer: int, cell: str) -> Layer:
    """Return the weights of layer 0, 1, … from those of a model, by their names; `cell` is the configuration's."""
    return Layer(*(weights[f"{cell}.{name}_l{layer}"] for name in Layer._fields))


def step(
    layer: Layer, x: Annotated[Array, "B _"], hidden: Annotated[Array, "B H"], cell: Annotated[Array, "B H"]
) -> Step:
    """Take one step of one layer. Its input `x` has E units, or H."""
    sums = x @ layer.weight_ih.T + layer.bias_ih + hidden @ layer.weight_hh.T + layer.bias_hh
    input_sum, forget_sum, candidate_sum, output_sum = np.split(sums, len(GATES), axis=-1)

    input_gate = sigmoid(input_sum)
    forget_gate = sigmoid(forget_sum)
    candidate = np.tanh(candidate_sum)
    output_gate = sigmoid(output_sum)

    new_cell = forget_gate * cell + input_gate * candidate
    new_hidden = output_gate * np.tanh(new_cell)
    return Step(input_gate, forget_gate, candidate, output_gate, new_cell, new_hidden, cell)


def plain_step(layer: Layer, x: Annotated[Array, "B _"], hidden: Annotated[Array, "B H"]) -> Annotated[Array, "B H"]:
    """Take one step of one plain recurrent layer. Return the next hidden state."""
    new_hidden: Array = np.tanh(x @ layer.weight_ih.T + layer.bias_ih + hidden @ layer.weight_hh.T + layer.bias_hh)
    return new_hidden


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), computed as a tanh, which never overflows."""
    half = np.float32(0.5)
    value: Array = half * np.tanh(half * x) + half
    return value
