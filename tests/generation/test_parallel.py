"""Laws of many texts side by side: each is what its seed writes alone."""

from __future__ import annotations

import dataclasses
from itertools import chain, repeat
from typing import Any
from unittest.mock import DEFAULT, Mock

import numpy as np
import pytest

from afterword.generation import parallel, writer
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Writer
from afterword.model.folder.saved import SavedModel
from afterword.model.ngram.tables import Ngram
from afterword.model.threads import PRODUCTS
from tests.generation.test_continuation import LINES, SAVED
from tests.generation.test_ending import PROSE
from tests.generation.test_prefill import MIXED

SEEDS = [*range(16), *(2**64 - k for k in range(1, 5))]


def mixed(model: SavedModel) -> SavedModel:
    rows = model.config.vocabulary_size
    ids = np.random.default_rng(0).integers(0, rows - 2, 3000)
    return dataclasses.replace(model, ngram=Ngram.learn(ids, rows, rows - 2, 0, order=5), mixture_weight=0.6)


def alone(model: SavedModel, prompt: str, sampling: Sampling) -> list[Sample]:
    writer = Writer(model, model.predictor(), sampling)
    return [writer.stream(prompt, seed).sample() for seed in SEEDS]


def together(model: SavedModel, prompt: str, sampling: Sampling, seeds: list[int] = SEEDS) -> list[Sample]:
    return list(Writer(model, model.predictor(), sampling).write([(prompt, seed) for seed in seeds]))


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The threads between which batches are shared, however few texts there are."""
    monkeypatch.setattr(PRODUCTS, "_get", lambda: request.param)
    monkeypatch.setattr(PRODUCTS, "_set", lambda number: None)
    monkeypatch.setattr(parallel, "LEAST", 4)
    return int(request.param)


OF_LINES = dataclasses.replace(SAVED, unseen=LINES)
KINDS: list[tuple[SavedModel, str, dict[str, Any]]] = [
    (SAVED, "abé", {"stop": ("ab", "dc")}),
    (SAVED, "abé", {"top_k": 3, "top_p": 0.9, "min_p": 0.1}),
    (SAVED, "abé", {"temperature": 0}),
    (OF_LINES, "abé", {}),
    (mixed(SAVED), "abé", {"new_word_p": 0.5}),
    (mixed(OF_LINES), "abé", {"top_k": 4}),
    (PROSE.saved, "A", {"finish_sentence": True}),
    (PROSE.saved, "A", {"sentences": 1, "stop": "b."}),
    (MIXED, "abab ab", {"log_probabilities": 3, "repetition_penalty": 4}),
    (MIXED, "abab ab", {"log_probabilities": 3, "new_word_p": 0.4}),
]


@pytest.mark.parametrize(("model", "prompt", "settings"), KINDS)
def test_a_text_is_what_its_seed_writes_alone(
    model: SavedModel, prompt: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LANES_PER_BATCH", 9)
    sampling = Sampling(**{"max_tokens": 12, "temperature": 1.5} | settings)
    found, expected = together(model, prompt, sampling), alone(model, prompt, sampling)
    assert [written.seed for written in found] == SEEDS
    same = [(one, other) for one, other in zip(found, expected, strict=True) if one.text == other.text]
    assert len(same) >= len(SEEDS) - 1  # a draw may fall between two tokens within what rounding changes
    for one, other in same:
        assert dataclasses.replace(one, log_probability=other.log_probability, pieces=other.pieces) == other
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-3)


def test_texts_in_several_batches_are_what_their_seeds_write_alone(threads: int) -> None:
    model, sampling = mixed(SAVED), Sampling(max_tokens=12, temperature=1.5)
    assert together(model, "abé", sampling, []) == []
    found = together(model, "abé", sampling)
    assert found == together(model, "abé", sampling)
    same = [one.text == other.text for one, other in zip(found, alone(model, "abé", sampling), strict=True)]
    assert sum(same) >= len(found) - 1


def test_few_texts_need_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "check_threads_fit", Mock(side_effect=MemoryError))
    assert len(together(mixed(SAVED), "a", Sampling(max_tokens=3), [1, 2, 3])) == 3


def test_long_texts_keep_the_order_and_the_later_ones_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LANES_PER_BATCH", 5)
    monkeypatch.setattr(writer, "AHEAD", 8)
    taken: list[int] = []

    def texts() -> Any:
        for seed in range(60):
            taken.append(seed)
            yield "", seed

    lengths, sampling = [], Sampling(max_tokens=300, temperature=1.5)
    for told, written in enumerate(Writer(OF_LINES, OF_LINES.predictor(), sampling).write(texts())):
        assert written.seed == told
        assert len(taken) <= told + 1 + 8  # beside this one, so many may be begun
        lengths.append(written.tokens)
    assert len(lengths) == 60
    assert min(lengths) < max(lengths)


def test_what_fails_on_another_thread_is_raised_here(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = SAVED.predictor()
    effects = chain([DEFAULT] * 5, repeat(MemoryError))
    monkeypatch.setattr(network, "step", Mock(wraps=network.step, side_effect=effects))
    with pytest.raises(MemoryError):
        list(Writer(SAVED, network, Sampling(max_tokens=50)).samples(["a"], 40, 0))
    assert not PRODUCTS._users  # every thread has ended
