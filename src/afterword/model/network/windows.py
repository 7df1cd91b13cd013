"""A network that reads the last W tokens from an empty state for each prediction, and nothing before them."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from afterword.model.arrays import Array, Ids
from afterword.model.network.network import Network, State

WINDOWS_AT_ONCE = 128


class WindowNetwork(Network):
    """A network over windows of `config.window` tokens, fewer at the start of a text. Each token is read W times.

    In its states, `recent` holds the last tokens of each lane, [≤ W]; hidden and cell stay empty.
    """

    def advance(self, ids: Ids, state: State) -> tuple[Array, State]:
        recent = self._joined(ids, state)[0][:, -self.config.window :]
        return self._after(recent), state._replace(recent=list(recent))

    def read(self, ids: Ids, state: State) -> tuple[Array, State]:
        (B, T), W = ids.shape, self.config.window
        tokens, before, short = self._joined(ids, state)
        logits = np.empty((B, T, self.config.vocabulary_size), np.float32)
        if short:
            begun, _ = super().read(tokens[:, : before + short], self.start(B))
            logits[:, :short] = begun[:, before:]
        if short < T:
            full = sliding_window_view(tokens, W, axis=1)[:, before + short + 1 - W :].reshape(-1, W)
            parts = [full[at : at + WINDOWS_AT_ONCE] for at in range(0, len(full), WINDOWS_AT_ONCE)]
            logits[:, short:] = np.concatenate([self._after(part) for part in parts]).reshape(B, T - short, -1)
        return logits, state._replace(recent=list(tokens[:, -W:]))

    def _after(self, windows: Ids) -> Array:
        """Return the logits [B, R] of the token after each of windows [B, ≤ W]."""
        logits, _ = super().advance(windows, self.start(len(windows)))
        return logits

    def _joined(self, ids: Ids, state: State) -> tuple[Ids, int, int]:
        """Join the tokens of `state` and ids [B, T]; count those of the state, and those of ids without a full window.

        Those windows all begin where the text does, so one reading covers them.
        """
        recent = np.array(state.recent, ids.dtype)
        before, W = recent.shape[1], self.config.window
        return np.concatenate([recent, ids], axis=1), before, min(ids.shape[1], max(0, W - before))
