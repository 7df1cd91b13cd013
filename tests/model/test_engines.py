"""The engine fast, against NumPy: nearly the same numbers, so near that no coarse mistake could hide."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.engines import CACHE_BYTES, LANES_PER_THREAD, FastEngine
from afterword.model.network.holding import held_values, parse_hold
from afterword.model.network.network import Network, log_probabilities
from afterword.model.network.windows import WindowNetwork
from afterword.model.ngram.mixture import Mixture
from afterword.model.ngram.tables import Ngram
from afterword.scoring.costs import score, score_lines
from afterword.text.characters import ByteTokenizer, CharTokenizer
from afterword.text.tokenizer import Tokenizer

TEXT = "The quick brown fox jumps over the lazy dog.\n" * 8
H = 72
CONFIG = Config(30, 256, embedding_size=24, hidden_size=H, num_layers=1)
CONFIGS = [
    CONFIG,
    dataclasses.replace(CONFIG, num_layers=2),
    dataclasses.replace(CONFIG, num_layers=3, residual=True),
    dataclasses.replace(CONFIG, num_layers=2, embedding_size=1, input="number"),
]
NEAR = 0.02  # nats, or of a state; what a wrong gate, layer or bias moves is ten times that, as a test below shows


def weights_of(config: Config, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {name: random.normal(0, 0.2, s).astype(np.float32) for name, s in weight_shapes(config).items()}


def pair(config: Config) -> tuple[Network, Network]:
    weights = weights_of(config)
    return Network(config, weights), Network(config, weights, engine=FastEngine(config, weights))


def ids_of(config: Config, *shape: int) -> Any:
    return np.random.default_rng(1).integers(0, config.vocabulary_size - 1 + config.byte_tokens, shape)


def apart(one: Any, other: Any) -> float:
    """The root mean square of the difference."""
    return float(np.sqrt(np.mean(np.square(one - other))))


@pytest.mark.parametrize("config", CONFIGS)
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


@pytest.mark.parametrize("name", [*weight_shapes(dataclasses.replace(CONFIG, num_layers=2))])
def test_nearly_is_too_near_for_any_weight_to_be_missing(name: str) -> None:
    config = dataclasses.replace(CONFIG, num_layers=2)
    weights = weights_of(config)
    without = {**weights, name: np.zeros_like(weights[name])}
    ids = ids_of(config, 5, 20)
    whole, part = (Network(config, some).read(ids, Network(config, some).start(5))[0] for some in (weights, without))
    assert apart(log_probabilities(whole), log_probabilities(part)) > 2 * NEAR


def test_a_state_handed_in_is_never_changed() -> None:
    _, fast = pair(CONFIGS[1])
    ids = ids_of(CONFIGS[1], 3, 20)
    _, state = fast.read(ids[:, :10], fast.start(3))
    kept = state.hidden.copy(), state.cell.copy()
    fast.read(ids[:, 10:], state)
    assert np.array_equal(kept, (state.hidden, state.cell))


def test_the_same_is_computed_again_to_the_last_bit() -> None:
    (_, one), (_, other) = pair(CONFIGS[2]), pair(CONFIGS[2])
    ids = ids_of(CONFIGS[2], 4, 12)
    first, _ = one.read(ids, one.start(4))
    assert np.array_equal(first, one.read(ids, one.start(4))[0])
    assert np.array_equal(first, other.read(ids, other.start(4))[0])


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("lanes", [7, 2 * LANES_PER_THREAD + 3])
@pytest.mark.parametrize("cache", [CACHE_BYTES, 0])
def test_a_lane_is_the_same_alone_among_others_and_in_steps(
    config: Config, lanes: int, cache: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes are added without rounding; the tolerance is for the rest, and far below what another scale would move."""
    monkeypatch.setattr(
        "afterword.model.network.engines.CACHE_BYTES", cache
    )  # beyond it, threads share the work otherwise
    _, fast = pair(config)
    ids = ids_of(config, lanes, 12)
    ids[0] = 0  # a quiet lane, whose own least and largest numbers differ from the others'
    together, state = fast.read(ids, fast.start(lanes))
    for lane in (0, 1, lanes - 1):
        alone, after = fast.read(ids[lane : lane + 1], fast.start())
        np.testing.assert_allclose(together[lane], alone[0], rtol=0, atol=2e-6)
        np.testing.assert_allclose(state.cell[:, lane], after.cell[:, 0], rtol=0, atol=2e-6)
        after = fast.start()
        for place in range(12):
            step, after = fast.step(ids[lane : lane + 1, place], after)
            np.testing.assert_allclose(step[0], together[lane, place], rtol=0, atol=2e-6)


@pytest.mark.parametrize("lanes", [1, 2 * LANES_PER_THREAD + 3])
def test_it_is_the_same_by_any_number_of_threads(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, found = ids_of(CONFIGS[1], lanes, 12), []
    for cache, threads in ((CACHE_BYTES, 1), (0, 1), (0, 2), (0, 3)):
        monkeypatch.setattr("afterword.model.network.engines.CACHE_BYTES", cache)
        monkeypatch.setattr("os.cpu_count", lambda threads=threads: threads)
        _, fast = pair(CONFIGS[1])
        found.append(fast.read(ids, fast.start(lanes))[0])
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=2e-6)


def test_lanes_are_chosen_and_put_side_by_side() -> None:
    numpy, fast = pair(CONFIGS[1])
    ids = ids_of(CONFIGS[1], 4, 12)
    _, state = fast.read(ids, fast.start(4))
    state = fast.side_by_side(fast.chosen(state, [3, 0]), fast.chosen(state, [2]))
    expected, _ = numpy.read(np.concatenate([ids[[3, 0, 2]], ids[:3, :1]], axis=1), numpy.start(3))
    found, _ = fast.step(ids[:3, 0], state)
    assert apart(log_probabilities(found), log_probabilities(expected[:, -1])) < NEAR


def test_no_tokens_are_read_without_a_change() -> None:
    _, fast = pair(CONFIG)
    _, state = fast.read(ids_of(CONFIG, 2, 5), fast.start(2))
    logits, after = fast.read(np.empty((2, 0), np.int64), state)
    assert logits.shape == (2, 0, 30)
    assert np.array_equal(after.hidden, state.hidden)


def test_windows_are_read_as_numpy_does() -> None:
    config = dataclasses.replace(CONFIGS[3], window=7)
    weights = weights_of(config)
    numpy, fast = WindowNetwork(config, weights), WindowNetwork(config, weights, engine=FastEngine(config, weights))
    ids = ids_of(config, 2, 30)
    expected, _ = numpy.read(ids, numpy.start(2))
    found, state = fast.read(ids[:, :3], fast.start(2))
    more, state = fast.read(ids[:, 3:29], state)
    last, _ = fast.step(ids[:, 29], state)
    found = np.concatenate([found, more, last[:, None]], axis=1)
    assert apart(log_probabilities(found), log_probabilities(expected)) < NEAR


@pytest.mark.parametrize("lanes", [1, 6])
def test_a_mixture_is_of_the_same_parts(lanes: int) -> None:
    config = dataclasses.replace(CONFIG, byte_tokens=1)
    weights = weights_of(config)
    ngram = Ngram.learn(np.random.default_rng(2).integers(0, 29, 300), 30, boundary=29, start=0)
    numpy = Mixture(config, weights, ngram, 0.4)
    fast = Mixture(config, weights, ngram, 0.4, engine=FastEngine(config, weights))
    ids = ids_of(config, lanes, 20)
    expected, _ = numpy.read(ids, numpy.start(lanes))
    found, state = fast.read(ids[:, :19], fast.start(lanes))
    last, _ = fast.step(ids[:, 19], state)
    assert apart(np.concatenate([found, last[:, None]], axis=1), expected) < NEAR


def model_of(tokenizer: Tokenizer) -> SavedModel:
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=24, hidden_size=H, num_layers=2)
    boundary = tokenizer.rows - 1 if tokenizer.end is None else tokenizer.end
    ngram = Ngram.learn(tokenizer.encode(TEXT), tokenizer.rows, boundary, int(tokenizer.encode("\n")[0]))
    return SavedModel(config, weights_of(config), tokenizer, [], {}, ngram=ngram, mixture_weight=0.3)


@pytest.mark.parametrize("tokenizer", [CharTokenizer.of(TEXT), ByteTokenizer.of()])
@pytest.mark.parametrize("using", ["lstm", "both"])
def test_a_text_costs_nearly_the_same(tokenizer: Tokenizer, using: str) -> None:
    model = model_of(tokenizer)
    text, lines = TEXT[:200] + "\x7f", ["a lazy dog", "", "a quick fox"]
    numpy, fast = (model.predictor(using, engine=engine) for engine in ("numpy", "fast"))
    one, other = (score(network, tokenizer, text).bits_per_character for network in (numpy, fast))
    assert one != other
    assert one == pytest.approx(other, abs=0.01)
    for one_line, other_line in zip(
        *(score_lines(network, tokenizer, lines) for network in (numpy, fast)), strict=True
    ):
        assert one_line.bits_per_character == pytest.approx(other_line.bits_per_character, abs=0.05)


def test_a_trace_is_numpys() -> None:
    numpy, fast = pair(CONFIG)
    ids = ids_of(CONFIG, 1, 9)
    expected, _ = numpy.trace(ids, numpy.start())
    found, _ = fast.trace(ids, fast.start())
    assert np.array_equal(found.logits, expected.logits)


def test_what_it_cannot_run_is_refused() -> None:
    model = model_of(CharTokenizer.of(TEXT))
    with pytest.raises(OptionError, match="engine must be one of numpy, fast, not slow"):
        model.predictor(engine="slow")
    held = held_values([parse_hold("forget=1")], model.config)
    with pytest.raises(OptionError, match="fast cannot hold a part of the network"):
        model.predictor(held=held, engine="fast")
    plain = dataclasses.replace(model.config, cell="rnn")
    with pytest.raises(OptionError, match="trained with cell= rnn"):
        dataclasses.replace(model, config=plain, weights=weights_of(plain)).predictor(engine="fast")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_cure(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OptionError, match=r"pip install 'afterword\[fast\]'"):
        FastEngine(CONFIG, weights_of(CONFIG))
