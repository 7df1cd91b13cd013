"""Whether a network fits into the memory that it learns in."""

from __future__ import annotations

import os

from afterword.errors import OptionError
from afterword.learning.device import gpu_memory
from afterword.learning.recipe import Device
from afterword.model.config import Config


def check_memory(config: Config, batch_size: int, seq_length: int, device: Device) -> None:
    """Raise OptionError for a network that the memory it learns in, the machine's or its GPU's, cannot hold."""
    if device == "cuda":
        memory, place = gpu_memory(), "its GPU"
    else:
        memory, place = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "this machine"
    weights = 5 * 4 * config.parameters  # the weights, their gradient, two moments and the average, in float32
    numbers_per_token = 10 * config.hidden_size * config.num_layers + config.vocabulary_size
    activations = 4 * batch_size * seq_length * numbers_per_token
    if weights + activations > memory:
        raise OptionError(
            f"{config.num_layers} layers of {config.hidden_size} units in batches of {batch_size} × "
            f"{seq_length} need about {(weights + activations) / 2**30:,.0f} GiB and {place} has "
            f"{memory / 2**30:,.0f}: make hidden-size, num-layers, batch-size or seq-length smaller"
        )
