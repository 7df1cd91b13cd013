"""The engine fast, against NumPy: nearly the same numbers, so near that no coarse mistake could hide."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.model.folder.saved import SavedModel
from afterword.model.network import engines
from afterword.model.network.config import Config
from afterword.model.network.engines import CACHE_BYTES, LANES_PER_THREAD, FastEngine
from afterword.model.network.network import Network, log_probabilities
from afterword.model.network.windows import WindowNetwork
from afterword.model.ngram.mixture import Mixture
from afterword.model.ngram.tables import Ngram
from afterword.scoring.costs import score
from afterword.text.characters import CharTokenizer
from tests.tiny import random_weights

TEXT = "The quick brown fox jumps over the lazy dog.\n" * 8
H = 72
CONFIG = Config(30, 256, embedding_size=24, hidden_size=H, num_layers=1)
CONFIGS = [
    CONFIG,
    dataclasses.replace(CONFIG, num_layers=2),
    dataclasses.replace(CONFIG, num_layers=3, residual=True),
    dataclasses.replace(CONFIG, num_layers=2, embedding_size=1, input="number"),
]
MIXED, WINDOWS = dataclasses.replace(CONFIG, byte_tokens=1), dataclasses.replace(CONFIGS[3], window=7)
NEAR = 0.02  # nats, or of a state; what a wrong gate, layer or bias moves is ten times that


def pair(config: Config) -> tuple[Network, Network]:
    """A network by NumPy and by the engine; of windows or mixed if the configuration is one of such a model."""
    weights, engine = random_weights(config, 0.2), FastEngine(config, random_weights(config, 0.2))
    if config.window:
        return WindowNetwork(config, weights), WindowNetwork(config, weights, engine=engine)
    if config == MIXED:
        ngram = Ngram.learn(np.random.default_rng(2).integers(0, 29, 300), 30, boundary=29, start=0)
        return Mixture(config, weights, ngram, 0.4), Mixture(config, weights, ngram, 0.4, engine=engine)
    return Network(config, weights), Network(config, weights, engine=engine)


def ids_of(config: Config, *shape: int) -> Any:
    return np.random.default_rng(1).integers(0, config.vocabulary_size - 1 + config.byte_tokens, shape)


def apart(one: Any, other: Any) -> float:
    """The root mean square of the difference."""
    return float(np.sqrt(np.mean(np.square(one - other))))


@pytest.mark.parametrize("config", [*CONFIGS, MIXED, WINDOWS])
@pytest.mark.parametrize("lanes", [1, 5])
def test_it_reads_and_steps_as_numpy_does(config: Config, lanes: int) -> None:
    numpy, fast = pair(config)
    ids = ids_of(config, lanes, 30)
    expected, before = numpy.read(ids[:, :20], numpy.start(lanes))
    found, state = fast.read(ids[:, :20], fast.start(lanes))
    assert found.shape == expected.shape
    assert found.dtype == state.hidden.dtype == state.cell.dtype == np.float32
    assert apart(log_probabilities(found), log_probabilities(expected)) < NEAR
    assert apart(state.hidden[..., :H], before.hidden) < NEAR  # the engine adds units of its own
    assert apart(state.cell[..., :H], before.cell) < NEAR
    for place in range(20, 25):
        found, state = fast.step(ids[:, place], state)
        expected, before = numpy.step(ids[:, place], before)
        assert apart(log_probabilities(found), log_probabilities(expected)) < NEAR
    found, state = fast.advance(ids[:, 25:], state)
    expected, before = numpy.advance(ids[:, 25:], before)
    assert apart(log_probabilities(found), log_probabilities(expected)) < NEAR
    assert apart(state.hidden[..., :H], before.hidden) < NEAR


def test_a_step_takes_memory_of_its_own_while_another_thread_steps() -> None:
    _, fast = pair(CONFIG)
    assert fast.engine is not None
    ids, state = ids_of(CONFIG, 3, 1), fast.start()
    found = [fast.step(one, state) for one in ids]
    with fast.engine.stepping:
        for one, (expected, before) in zip(ids, found, strict=True):
            logits, after = fast.step(one, state)
            np.testing.assert_array_equal(logits, expected)
            np.testing.assert_array_equal(after.hidden, before.hidden)
            np.testing.assert_array_equal(after.cell, before.cell)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("lanes", [7, 2 * LANES_PER_THREAD + 3])
@pytest.mark.parametrize(("cache", "threads"), [(CACHE_BYTES, 1), (0, 1), (0, 3)])
def test_a_lane_is_the_same_alone_among_others_in_steps_and_by_any_number_of_threads(
    config: Config, lanes: int, cache: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes are added without rounding; the tolerance is for the rest, and far below what another scale would move."""
    _, single = pair(config)
    monkeypatch.setattr(engines, "CACHE_BYTES", cache)  # beyond it, threads share the work otherwise
    monkeypatch.setattr("os.cpu_count", lambda: threads)
    _, fast = pair(config)
    ids = ids_of(config, lanes, 12)
    ids[0] = 0  # a quiet lane, whose own least and largest numbers differ from the others'
    together, state = fast.read(ids, fast.start(lanes))
    for lane in (0, 1, lanes - 1):
        alone, after = single.read(ids[lane : lane + 1], single.start())
        np.testing.assert_allclose(together[lane], alone[0], rtol=0, atol=2e-6)
        np.testing.assert_allclose(state.cell[:, lane], after.cell[:, 0], rtol=0, atol=2e-6)
        after = fast.start()
        for place in range(12):
            step, after = fast.step(ids[lane : lane + 1, place], after)
            np.testing.assert_allclose(step[0], together[lane, place], rtol=0, atol=2e-6)


@pytest.mark.parametrize("using", ["lstm", "both"])
def test_a_text_costs_nearly_the_same_and_a_trace_is_numpys(using: str) -> None:
    tokenizer = CharTokenizer.of(TEXT)
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=24, hidden_size=H, num_layers=2)
    ngram = Ngram.learn(tokenizer.encode(TEXT), tokenizer.rows, tokenizer.rows - 2, int(tokenizer.encode("\n")[0]))
    model = SavedModel(config, random_weights(config, 0.2), tokenizer, [], {}, ngram=ngram, mixture_weight=0.3)
    numpy, fast = (model.predictor(using, engine=engine) for engine in ("numpy", "fast"))
    one, other = (score(network, tokenizer, TEXT[:200] + "\x7f").bits_per_character for network in (numpy, fast))
    assert one != other
    assert one == pytest.approx(other, abs=0.01)
    traces = [network.trace(ids_of(config, 1, 9), network.start())[0] for network in (numpy, fast)]
    assert np.array_equal(traces[0].logits, traces[1].logits)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_cure(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OptionError, match=r"pip install 'afterword\[fast\]'"):
        FastEngine(CONFIG, random_weights(CONFIG))
