"""The trace is what the network computes; what is told of it: how open its gates are."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import ModelError, TextError
from afterword.inspection import gates as gates_module
from afterword.inspection import gates_page
from afterword.inspection.figures import gates_figure
from afterword.inspection.gates_page import gates_html
from afterword.inspection.trace import LONGEST_MEMORY, LayerOpenness, Trace, memories, named_units, openness
from afterword.language_model import LanguageModel
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config
from afterword.model.network.holding import GATES_AND_STATES
from afterword.model.network.network import log_probabilities
from afterword.text.characters import CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.tiny import random_weights

TEXT = "Divya likes to eat. Reena is not fat.\n"


def made(
    tokenizer: Tokenizer | None = None, scale: float = 0.5, seed: int = 0, lines: bool = False, **shape: Any
) -> LanguageModel:
    """A model with random weights that knows TEXT."""
    tokenizer = tokenizer or CharTokenizer.of(TEXT)
    sizes = {"embedding_size": 5, "hidden_size": 7, "num_layers": 2, "residual": True} | shape
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, **sizes)
    weights = random_weights(config, scale, seed)
    text = np.zeros(config.window, np.int64) if config.window else None
    return LanguageModel(SavedModel(config, weights, tokenizer, [tokenizer.rows - 1], {"lines": lines}, text))


def textbook(model: LanguageModel, inputs: Any) -> dict[str, Any]:
    """Every gate and state of the steps that read `inputs` [T, E] from a fresh start, in float64 and by the textbook.

    A plain recurrent network has a hidden state alone."""
    config = model.config
    weights = {name: weight.astype(np.float64) for name, weight in model.saved.weights.items()}
    found: dict[str, list[Any]] = {part: [] for part in (*GATES_AND_STATES, "log_probabilities")}
    hidden, cell = np.zeros((2, config.num_layers, config.hidden_size))
    for x in inputs:
        here: dict[str, list[Any]] = {part: [] for part in GATES_AND_STATES}
        for k in range(config.num_layers):
            sums = sum(
                weights[f"{config.cell}.weight_{kind}_l{k}"] @ value + weights[f"{config.cell}.bias_{kind}_l{k}"]
                for kind, value in (("ih", x), ("hh", hidden[k]))
            )
            if config.cell == "rnn":
                hidden[k] = np.tanh(sums)
                here["hidden"].append(hidden[k].copy())
            else:
                i, f, g, o = np.split(sums, 4)
                i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
                g = np.tanh(g)
                cell[k] = f * cell[k] + i * g
                hidden[k] = o * np.tanh(cell[k])
                for part, value in zip(GATES_AND_STATES, (i, f, g, o, cell[k].copy(), hidden[k].copy()), strict=True):
                    here[part].append(value)
            x = hidden[k] + x if k and config.residual else hidden[k].copy()
        for part, values in here.items():
            found[part].append(values)
        logits = weights["output.weight"] @ x + weights["output.bias"]
        found["log_probabilities"].append(logits - np.log(np.exp(logits).sum()))
    return {part: np.array(values) for part, values in found.items()}


@settings(deadline=None, max_examples=15)
@given(
    text=st.text(alphabet=[*TEXT, "☃"], min_size=1, max_size=40),
    seed=st.integers(0, 99),
    layers=st.integers(1, 3),
    at_once=st.integers(1, 50),
    cell=st.sampled_from(["lstm", "lstm", "rnn"]),
)
def test_a_trace_in_pieces_of_any_size_is_a_recomputation_in_float64(
    text: str, seed: int, layers: int, at_once: int, cell: str
) -> None:
    model = made(seed=seed, num_layers=layers, cell=cell)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates_module, "TOKENS_AT_ONCE", at_once)
        found = model.gates(text)
    ids: Any = [model.tokenizer.end, *found.ids]
    rows = np.minimum(ids, model.config.vocabulary_size - 1)
    expected = textbook(model, model.saved.weights["embedding.weight"][rows].astype(np.float64))
    for part in GATES_AND_STATES if cell == "lstm" else ("hidden",):
        np.testing.assert_allclose(getattr(found, part), expected[part][1:], rtol=0, atol=1e-5)
    if cell == "lstm":
        np.testing.assert_allclose(found.before, expected["cell"][:-1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.log_probabilities, expected["log_probabilities"][1:], rtol=0, atol=5e-5)
    np.testing.assert_allclose(found.expected_first, expected["log_probabilities"][0], rtol=0, atol=5e-5)


@pytest.mark.parametrize("scale", [0.1, 1, 30])
def test_what_was_kept_and_what_was_added_is_the_cell(scale: float) -> None:
    found = made(scale=scale).gates(TEXT * 30)
    size = np.maximum(np.abs(found.cell), np.abs(found.kept) + np.abs(found.added))
    assert (np.abs(found.kept + found.added - found.cell) <= 1e-6 * size).all()


VOCABULARIES = [CharTokenizer.of(TEXT), SymbolTokenizer.of(TEXT + "☃", texts=[TEXT * 3]), CharTokenizer.of(TEXT, True)]


@pytest.mark.parametrize("tokenizer", VOCABULARIES)
def test_the_surprise_of_a_trace_is_the_score(tokenizer: Tokenizer) -> None:
    model, text = made(tokenizer), TEXT * 30 + "Étude ☃"  # longer than one piece of reading
    found = model.gates(text)
    np.testing.assert_allclose(found.nats, model.score(text).token_nats, rtol=0, atol=1e-5)
    assert len(found.tokens) == len(found.ids)
    assert "".join(found.tokens[:10]) == tokenizer.decode(found.ids[:10])


def test_bytes_of_a_character_are_tokens_with_names_of_their_own_and_one_row() -> None:
    trace = made(CharTokenizer.of("ab")).gates("aéb")
    assert trace.tokens == ["a", "<0xC3>", "<0xA9>", "b"]
    assert trace.ids.max() < len(trace.rows)
    assert [trace.rows[id] for id in trace.ids] == ["a", "<byte>", "<byte>", "b"]


def test_a_classic_model_carries_no_state_to_show_and_a_large_network_shows_fewer_tokens() -> None:
    model = made(ClassicTokenizer.of(TEXT, lowercase=True), embedding_size=1, input="number", window=6, residual=False)
    with pytest.raises(ModelError, match="a classic model reads its last 6 characters anew for each one"):
        model.gates(TEXT * 9)
    assert gates_module.most_traced(Config(9, 1, 9, 4096, 2)) == 7_500
    assert made(lines=True).gates("Divya\n").text == "Divya"


def test_the_likeliest_are_those_expected_before_and_the_moving_units_those_whose_state_moves_most() -> None:
    found = made(hidden_size=60).gates(TEXT)
    rows, probabilities = found.likeliest(3)
    assert rows[0].tolist() == np.argsort(-found.expected_first, kind="stable")[:3].tolist()
    assert rows[5, 0] == found.log_probabilities[4].argmax()
    assert probabilities[5, 0] == pytest.approx(np.exp(found.log_probabilities[4].max()))
    spread = found.hidden[:, 1].std(axis=0)
    assert spread[found.moving_units(5)[1]].tolist() == sorted(spread, reverse=True)[:5]


def test_json_holds_every_unit_of_a_short_text_and_the_telling_or_named_ones_of_a_long_one() -> None:
    model = made(hidden_size=60)
    short, long = model.gates(TEXT).to_dict(), model.gates(TEXT * 20)
    assert short["units"] == [list(range(60))] * 2
    assert np.array(short["forget"][0]).shape == (len(TEXT), 60)
    assert np.array(short["expected"]).shape == (len(TEXT), model.config.vocabulary_size)
    assert [len(layer) for layer in long.to_dict()["units"]] == [48, 48]
    assert np.array(long.to_dict()["means"]["forget"]).shape == (20 * len(TEXT), 2)
    assert long.to_dict(named_units(["l1.u3", "l1.u0"], model.config))["units"] == [[], [0, 3]]


def test_a_plain_recurrent_network_shows_its_hidden_state_and_no_gates() -> None:
    model = made(cell="rnn").hold("l0.u2=0.5")
    trace = model.gates(TEXT)
    network, end = model.network(), model.tokenizer.end
    logits, state = network.advance(np.append([end], trace.ids)[None], network.start())
    np.testing.assert_allclose(trace.hidden[-1], state.hidden[:, 0], atol=1e-6)
    np.testing.assert_allclose(trace.log_probabilities[-1], log_probabilities(logits[0]), atol=1e-6)
    assert (trace.hidden[:, 0, 2] == 0.5).all()
    assert not trace.has_gates
    assert trace.to_dict()["means"].keys() == {"hidden"}
    image: Any = gates_figure(trace).axes[1].images[0].get_array()
    assert image.shape == (7, len(TEXT))
    with pytest.raises(ModelError, match="none of an LSTM's gates: afterword inspect shows its hidden state"):
        openness(trace)
    assert "What the hidden state does" in trace._repr_html_()


def opened(trace: Trace, forget: Any) -> list[LayerOpenness]:
    """How open gates are whose forget gates have these values, by step, layer and unit, or the same everywhere."""
    return openness(dataclasses.replace(trace, forget=np.broadcast_to(forget, trace.forget.shape).astype(np.float32)))


def test_means_and_units_that_never_open_or_close() -> None:
    trace = made().gates(TEXT)
    forget = np.full_like(trace.forget, 0.5)
    forget[:, 0, 2], forget[:, 1, 3], forget[4, 1, 5] = 0.05, 0.95, 0.01
    lower, upper = (layer.gates["forget"] for layer in opened(trace, forget))
    assert lower.mean == pytest.approx((6 * 0.5 + 0.05) / 7, abs=1e-6)
    assert (lower.shut, upper.open, upper.shut) == ([2], [3], [])


def test_a_unit_keeps_for_as_many_characters_as_leave_one_eth_of_it() -> None:
    decay = np.exp(-1 / 250)
    lower, _ = opened(made().gates(TEXT), [decay, 1, 0, *[decay] * 4])
    assert lower.memory[0] == pytest.approx(250, rel=1e-3)
    assert lower.memory[1] == LONGEST_MEMORY
    assert lower.memory[2] < 0.02
    assert lower.longest[0] == 1
    assert dict(lower.spread()) == {"under 3": 1, "3–10": 0, "10–30": 0, "30–100": 0, "100–300": 5, "over 300": 1}
    of_two_tokens, _ = opened(made(CharTokenizer.of("a")).gates("éßéß"), decay)
    assert of_two_tokens.memory[0] == pytest.approx(125, rel=1e-3)


def test_a_memory_is_measured_between_resets() -> None:
    """A cell that keeps inside brackets alone has the memory that it has there, and the longest of all."""
    random, T = np.random.default_rng(0), 6000
    inside, t = np.zeros(T, bool), 0
    while t < T:
        length = int(random.integers(20, 60))
        inside[t + 10 : t + 10 + length] = True
        t += 10 + length + int(random.integers(5, 40))
    forget = np.full((T, 3), 0.97)
    forget[:, 1] = np.where(inside, 0.9986, random.uniform(0.1, 0.9, T))
    forget[:, 2] = np.where(np.arange(T) % 5, 1.0, 0.01)  # keeps everything, but never longer than four steps
    found = memories(forget.astype(np.float32))
    assert found[:2] == pytest.approx([-1 / np.log(0.97), -1 / np.log(0.9986)], rel=1e-3)
    assert found[2] < 3
    assert -1 / np.log(forget[:, 1]).mean() < 5  # its geometric mean
    assert memories(np.full((3, 1), 0.1, np.float32))[0] == pytest.approx(-1 / np.log(0.1), rel=1e-4)  # a short text


def test_the_page_holds_no_address_and_nothing_that_a_text_could_break(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = made().gates(TEXT + "</script>☃")
    written = gates_html(trace, about="</script>")
    assert written == gates_html(trace, about="</script>")
    assert "<script" not in trace._repr_html_()  # but in a frame
    assert not re.findall(r"(?:https?:)?//[a-z]", written)
    assert written.count("</script>") == written.count("<script")
    [data] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', written, re.DOTALL)
    assert json.loads(data)["about"] == "</script>"
    monkeypatch.setattr(gates_page, "MOST_BYTES", 6 * 14 * 20)
    with pytest.raises(TextError, match=r"38 tokens and 14 units would be too large .* stretch= 0:20, or fewer"):
        gates_html(made().gates(TEXT))
