"""The arrays that the rooms hand to each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""Weights, states, logits and probabilities of a network or an n-gram model."""

Ids = NDArray[np.integer[Any]]
"""Tokens by their number, the tokenizer's or that of a network's row."""
