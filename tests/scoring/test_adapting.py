from __future__ import annotations

import numpy as np
import pytest

from afterword.errors import TextError
from afterword.model.ngram.blend import Adapter
from afterword.scoring import adapting
from afterword.scoring.adapting import AdaptingScorer
from afterword.scoring.costs import score, score_lines
from afterword.text.tokenizer import Tokenizer
from tests.scoring.test_costs import CHAR, SYMBOLS, network_for
from tests.tiny import random_weights

TOKENIZERS: list[Tokenizer] = [CHAR, SYMBOLS]
TEXT = "ab cab\nß abc é🙂 abc"
LINES = ["abc", "", "ab cab ß", "é", "abc"]


def scorer(tokenizer: Tokenizer, using: str = "both", learns: bool = False) -> AdaptingScorer:
    network = network_for(tokenizer)
    adapter = None if using == "lstm" else Adapter(tokenizer.rows, 0, using=using)
    if not learns:
        return AdaptingScorer(network, tokenizer, adapter, using, None)
    from afterword.learning.gradients import AdaptingNetwork

    return AdaptingScorer(
        network, tokenizer, adapter, using, AdaptingNetwork(network.config, random_weights(network.config))
    )


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_network_that_stays_as_it_is_costs_what_scoring_says(tokenizer: Tokenizer) -> None:
    network = network_for(tokenizer)
    found = scorer(tokenizer, using="lstm").score(TEXT)
    assert found.token_nats == pytest.approx(score(network, tokenizer, TEXT).token_nats, abs=1e-5)
    lines = scorer(tokenizer, using="lstm").score_lines(LINES)
    for line, plain in zip(lines, score_lines(network, tokenizer, LINES), strict=True):
        assert line.token_nats == pytest.approx(plain.token_nats, abs=1e-5)
        assert (line.line, line.text, line.bytes) == (plain.line, plain.text, plain.bytes)
        assert line.characters == plain.characters


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_what_was_read_once_costs_less_the_second_time(tokenizer: Tokenizer, learns: bool) -> None:
    reader = scorer(tokenizer, learns=learns)
    first, second = reader.score(TEXT * 4), reader.score(TEXT * 4)
    assert second.nats < 0.8 * first.nats
    assert set(first.apart) == {"lstm", "ngram", "both"}
    assert first.apart["both"] == pytest.approx(first.nats_per_character)
    lines = reader.score_lines(["cccc"] * 40)
    assert lines[-1].nats < 0.5 * lines[0].nats


def test_each_step_moves_the_weights_back_towards_the_trained_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    from afterword.learning import gradients

    monkeypatch.setattr(gradients, "RATE", 0.0)
    config = network_for(CHAR).config
    learning = gradients.AdaptingNetwork(config, random_weights(config))
    weights = list(learning._network.parameters())
    trained = [weight.detach().numpy().copy() for weight in weights]
    for weight in weights:
        weight.data += 1
    rows = np.zeros((3, 1), np.int64)
    learning.read(rows, rows)
    for weight, before in zip(weights, trained, strict=True):
        assert weight.detach().numpy() == pytest.approx(before + 1 - gradients.DECAY, abs=1e-5)


def test_the_network_learns_too_and_the_saved_weights_stay() -> None:
    tokenizer = TOKENIZERS[0]
    still, learning = scorer(tokenizer, using="lstm"), scorer(tokenizer, using="lstm", learns=True)
    text = "abcabc " * 60
    assert learning.score(text).nats < 0.9 * still.score(text).nats
    assert learning.adapts == ["lstm"]
    first, untouched = scorer(tokenizer, using="lstm", learns=True).score("abcab "), still.score("abcab ")
    assert first.token_nats == pytest.approx(untouched.token_nats, abs=1e-5)  # scored before anything is learned


def test_lines_are_learned_in_their_order_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["abc abc", "b", "", "cc", "abc abc", "a" * 30, "abc abc"] * 3
    whole = scorer(TOKENIZERS[0]).score_lines(lines)
    monkeypatch.setattr(adapting, "NUMBERS_AT_ONCE", 24 * TOKENIZERS[0].rows)
    monkeypatch.setattr(adapting, "TOKENS_PER_STEP", 8)  # a long line is read in pieces
    parts = scorer(TOKENIZERS[0]).score_lines(lines)
    one_by_one = scorer(TOKENIZERS[0])
    for k, line in enumerate(lines):
        alone = one_by_one.score_lines([line])[0]
        assert parts[k].token_nats == pytest.approx(whole[k].token_nats, abs=1e-4)
        assert alone.token_nats == pytest.approx(whole[k].token_nats, abs=1e-4)


@pytest.mark.parametrize("learns", [False, True])
def test_a_text_that_comes_in_parts_is_learned_from_as_the_whole(learns: bool) -> None:
    text, cut = "ab cab abc " * 9, 2 * adapting.TOKENS_PER_STEP
    whole, reader = scorer(TOKENIZERS[0], learns=learns).score(text), scorer(TOKENIZERS[0], learns=learns)
    first = reader.score(text[:cut])
    second = reader.score(text[cut:], after=first)
    assert [*first.token_nats, *second.token_nats] == pytest.approx(whole.token_nats, abs=1e-4)


def test_an_empty_text_and_a_lone_surrogate_are_refused() -> None:
    reader = scorer(TOKENIZERS[0])
    assert reader.score_lines([]) == []
    with pytest.raises(TextError, match="empty"):
        reader.score("")
    assert reader.score("", after=reader.score("ab")).nats == 0
    for read in (reader.score, lambda text: reader.score_lines([text])):  # type: Callable[[str], object]
        with pytest.raises(TextError):
            read("a\ud800")
