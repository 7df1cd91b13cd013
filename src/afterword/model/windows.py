"""A network whose every prediction reads the last W tokens from an empty state, and nothing before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from afterword.model.arrays import Array, Ids
from afterword.model.cell import Step
from afterword.model.config import Config
from afterword.model.network import Engine, Network, State, Traced

WINDOWS_AT_ONCE, WINDOWS_TRACED = 128, 32


class WindowNetwork(Network):
    """`Network`, over windows of `config.window` tokens, fewer at a text's start. Each token is read W times.

    In its states, `recent` holds the last tokens, [B, ≤ W]; hidden and cell stay empty.
    """

    def __init__(
        self,
        config: Config,
        weights: Mapping[str, Array],
        held: Array | None = None,
        engine: Engine | None = None,
    ) -> None:
        super().__init__(config, weights, held, engine)
        self.window = config.window
        self.context_length = config.window

    def advance(self, ids: Ids, state: State) -> tuple[Array, State]:
        recent = np.concatenate([state.recent, ids], axis=1)[:, -self.window :]
        return self._after(recent), state._replace(recent=recent)

    def read(self, ids: Ids, state: State) -> tuple[Array, State]:
        (B, T), W = ids.shape, self.window
        tokens, before, short = self._joined(ids, state)
        logits = np.empty((B, T, self.config.vocabulary_size), np.float32)
        if short:
            begun, _ = super().read(tokens[:, : before + short], self.start(B))
            logits[:, :short] = begun[:, before:]
        if short < T:
            full = sliding_window_view(tokens, W, axis=1)[:, before + short + 1 - W :].reshape(-1, W)
            parts = [full[at : at + WINDOWS_AT_ONCE] for at in range(0, len(full), WINDOWS_AT_ONCE)]
            logits[:, short:] = np.concatenate([self._after(part) for part in parts]).reshape(B, T - short, -1)
        return logits, state._replace(recent=tokens[:, -W:])

    def trace(self, ids: Ids, state: State) -> tuple[Traced, State]:
        """Of each token's window, what its last step computes: that is where the prediction comes from."""
        (B, T), W = ids.shape, self.window
        tokens, before, short = self._joined(ids, state)
        steps, found, outputs, _ = self._trace(tokens[:, : before + short], self.start(B))
        parts = [_each(steps, found, outputs, lambda values: values[before:])]
        full = sliding_window_view(tokens, W, axis=1)[:, before + short + 1 - W :].swapaxes(0, 1) if short < T else ()
        for at in range(0, len(full), WINDOWS_TRACED):
            some = np.asarray(full[at : at + WINDOWS_TRACED])  # [≤ T, B, W]
            steps, found, outputs, _ = self._trace(some.reshape(-1, W), self.start(len(some) * B))
            parts.append(_each(steps, found, outputs, lambda values: values[-1].reshape(-1, B, values.shape[-1])))
        layers = range(self.config.num_layers)
        steps = [Step(*map(np.concatenate, zip(*(part[0][k] for part in parts), strict=True))) for k in layers]
        found = [np.concatenate([part[1][k] for part in parts]) for k in layers]
        outputs = np.concatenate([part[2] for part in parts])
        return Traced(steps, found, self._logits(outputs)), state._replace(recent=tokens[:, -W:])

    def _after(self, windows: Ids) -> Array:
        """The logits [B, R] of what comes after each of windows [B, ≤ W]."""
        logits, _ = super().advance(windows, self.start(len(windows)))
        return logits

    def _joined(self, ids: Ids, state: State) -> tuple[Ids, int, int]:
        """The tokens of `state` and of ids [B, T]; how many are the state's; how many of ids have no full window yet.

        Those windows all begin where the text does, so one reading serves them.
        """
        before = state.recent.shape[1]
        return np.concatenate([state.recent, ids], axis=1), before, min(ids.shape[1], max(0, self.window - before))


def _each(
    steps: list[Step], before: list[Array], outputs: Array, function: Callable[[Array], Array]
) -> tuple[list[Step], list[Array], Array]:
    """What `function` makes of each array of a reading."""
    return [Step(*map(function, step)) for step in steps], [function(cell) for cell in before], function(outputs)
