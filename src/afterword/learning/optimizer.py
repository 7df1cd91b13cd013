"""How the weights move, by name. A new optimizer is a file and a line here.

Its function takes the network and the recipe, and gives torch optimizers to which each weight belongs once. The rate
of a step is the schedule's, times the `factor` of a parameter group that has one. What an optimizer keeps of a weight,
as tensors in its `state`, goes into every checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from afterword.learning.keras_adam import keras_adam
from afterword.learning.muon import muon
from afterword.learning.recipe import Recipe

OPTIMIZERS: dict[str, Callable[[nn.Module, Recipe], Sequence[torch.optim.Optimizer]]] = {
    "muon": muon,
    "keras-adam": keras_adam,
}
