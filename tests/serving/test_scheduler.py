"""The scheduler reads prompts together."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from afterword.serving.writing.replies import Prompt
from afterword.serving.writing.scheduler import Scheduler
from tests.generation.test_draft import CHAR, MODELS


def test_equal_prompts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = MODELS[CHAR].predictor()
    prompts = [Prompt(network, np.array(ids, np.int32), []) for ids in ([1, 2, 3], [1, 2, 0], [1, 2, 3])]
    alone = [network.advance(prompt.ids[None], network.start())[0] for prompt in prompts]
    lanes: list[int] = []
    advance = network.advance

    def counted(ids: Any, state: Any) -> Any:
        lanes.append(len(ids))
        return advance(ids, state)

    async def read() -> int:
        return Scheduler(4, 4, 0)._read_on(prompts)

    monkeypatch.setattr(network, "advance", counted)
    assert asyncio.run(read()) == 6
    assert lanes == [2]
    assert prompts[0].reading is prompts[2].reading
    for prompt, expected in zip(prompts, alone, strict=True):
        assert prompt.is_read
        assert prompt.reading is not None
        np.testing.assert_allclose(prompt.reading.logits, expected, atol=1e-5)
