"""Laws of the stream, on a small network with random weights, and of choosing among whole texts."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from afterword.errors import WorkError
from afterword.generation import prefill, writer
from afterword.generation.ending import StopStrings
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Piece, Sample
from afterword.generation.writer import Writer, accepted, best_of_each, likeliest
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config
from afterword.text.characters import CharTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.tiny import random_weights

CHAR = CharTokenizer.of("\nabcdé")


def model(tokenizer: Tokenizer, unseen: list[int], seed: int = 0, scale: float = 1.0, **sizes: Any) -> SavedModel:
    sizes = {"embedding_size": 4, "hidden_size": 6, "num_layers": 2} | sizes
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, **sizes)
    return SavedModel(config, random_weights(config, scale, seed), tokenizer, unseen, {})


CHAR_END = len(CHAR.characters)
SAVED = model(CHAR, [CHAR_END, CHAR.rows - 1])  # of running text: the boundary is never seen
NETWORK = SAVED.network()
LINES = [0, CHAR.rows - 1]


def write(
    sampling: Sampling, prompt: str = "", seed: int = 1, unseen: list[int] | None = None
) -> tuple[str, list[Piece], str | None]:
    saved = SAVED if unseen is None else dataclasses.replace(SAVED, unseen=unseen)
    stream = Writer(saved, NETWORK, sampling).stream(prompt, seed)
    pieces = list(stream)
    return "".join(piece.text for piece in pieces), pieces, stream.finish_reason


any_prompt = st.text("abé☃\0", max_size=5) | st.sampled_from(["☃ nie gesehen", "☃" * 30, "a" * 600])


@settings(max_examples=40)
@example(1, "☃" * 30, 0.5, 5, 2)  # unknown characters are repeated
@given(st.integers(0, 2**64 - 1), any_prompt, st.floats(0, 3), st.integers(0, 20), st.sampled_from([1, 2]))
def test_the_same_seed_writes_the_same_pieces_to_their_length_without_an_end_or_a_byte_token(
    seed: int, prompt: str, temperature: float, length: int, penalty: float
) -> None:
    sampling = Sampling(max_tokens=length, temperature=temperature, repetition_penalty=penalty)
    text, pieces, reason = write(sampling, prompt, seed)
    assert write(sampling, prompt, seed) == (text, pieces, reason)
    assert len(pieces) == len(text) == length
    assert reason == "length"
    assert all(piece.id < CHAR.rows - 2 for piece in pieces)


@pytest.mark.parametrize("temperature", [0, 3])
def test_running_text_without_a_prompt_does_not_begin_with_white_space(temperature: int) -> None:
    sampling = Sampling(max_tokens=3, temperature=temperature, logit_bias=("\n=50",))
    writer = Writer(SAVED, NETWORK, sampling)
    assert writer.draws == (temperature > 0)
    for prompt in (None, "", "a"):
        texts = ["".join(piece.text for piece in writer.stream(prompt, seed)) for seed in range(9)]
        assert all(text[:1].isspace() == bool(prompt) for text in texts)
    assert write(Sampling(max_tokens=2, only="\n"))[0] == "\n\n"  # but if nothing else may follow, it does
    assert write(Sampling(max_tokens=2), unseen=[*range(1, CHAR.rows)])[0] == "\n\n"


def test_going_on_from_what_was_written_costs_what_was_said_however_the_prompt_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prompt = "abcdé☃" * 5
    for at_once in (100, 7):
        monkeypatch.setattr(prefill, "READ_AT_ONCE", at_once)
        _, pieces, _ = write(Sampling(max_tokens=20), prompt)
        ids = np.array([[CHAR_END, *CHAR.encode(prompt), *(piece.id for piece in pieces)]])
        logits, _ = NETWORK.read(ids[:, :-1], NETWORK.start())
        expected = NETWORK.token_log_probabilities(logits[0], ids[0, 1:])[-20:]
        np.testing.assert_allclose([piece.log_probability for piece in pieces], expected, atol=1e-5)


def test_a_line_ends_at_the_end_token_which_is_a_piece_without_text() -> None:
    reasons = set()
    for seed in range(20):
        text, pieces, reason = write(Sampling(max_tokens=15, temperature=2), seed=seed, unseen=LINES)
        ends = [piece.id == CHAR_END for piece in pieces]
        assert ends == [False] * (len(pieces) - 1) + [reason == "stop"]
        assert len(text) == len(pieces) - (reason == "stop")
        reasons.add(reason)
    assert reasons == {"stop", "length"}


def test_the_row_that_byte_tokens_share_is_never_written_even_if_the_model_does_not_say_so() -> None:
    _, pieces, _ = write(Sampling(max_tokens=200, temperature=50), unseen=[])
    assert {piece.id for piece in pieces} <= set(range(CHAR.rows - 1))


@settings(max_examples=50)
@given(st.integers(0, 2**64 - 1), st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_stop_string_ends_the_text_before_it(seed: int, stops: list[str]) -> None:
    free, _, _ = write(Sampling(max_tokens=40, temperature=2), seed=seed)
    text, pieces, reason = write(Sampling(max_tokens=40, temperature=2, stop=tuple(stops)), seed=seed)
    ends = [end for end in range(len(free) + 1) if free[:end].endswith(tuple(stops))]
    if ends:
        first = free[: ends[0]]
        assert text == first[: min(first.find(stop) for stop in stops if stop in first)]
        assert (len(pieces), reason) == (ends[0], "stop")
    else:
        assert (text, reason) == (free, "length")


@given(st.lists(st.text("ab", max_size=4)), st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_stop_strings_hold_back_no_more_than_could_be_the_start_of_one(parts: list[str], stops: list[str]) -> None:
    strings, shown, read = StopStrings(stops), "", ""
    for part in parts:
        read += part
        certain, reason = strings.push(part, len(read))
        shown += certain
        held = read[len(shown) :]
        assert read.startswith(shown)
        assert (reason == "stop") == any(stop in read for stop in stops)
        if reason:
            assert any(held.startswith(stop) for stop in stops)
            return
        assert held == "" or any(stop.startswith(held) for stop in stops)
    assert shown + strings.finish() == read


def test_a_lower_casing_model_stops_at_a_stop_string_in_capitals() -> None:
    saved = model(CharTokenizer.of("ab", lowercase=True), [2])
    sample = Writer(saved, saved.network(), Sampling(max_tokens=100, temperature=2, stop=("AB",))).sample("", 0)
    assert "ab" not in sample.text
    assert sample.finish_reason == "stop"


def sample(seed: int, log_probability: float = -1.0, tokens: int = 1) -> Sample:
    return Sample("", str(seed), tokens, log_probability, "stop", seed)


def test_of_each_group_the_likeliest_by_its_tokens_is_kept_and_so_many_are_drawn_as_are_wanted() -> None:
    samples = [sample(0, -9.0, 10), sample(1, -1.0), sample(2, -3.0), sample(3, -2.0), sample(4, -5.0)]
    assert [one.seed for one in best_of_each(iter(samples), 2)] == [0, 3, 4]
    assert list(best_of_each(iter(samples), 1)) == samples
    assert [one.seed for one in likeliest(samples, 2)] == [0, 1]
    many = map(sample, range(100))
    assert [one.seed for one in accepted(many, 3, lambda one: one.seed % 4 == 3)] == [3, 7, 11]
    assert next(many).seed == 12


def test_the_search_ends_once_too_few_of_the_last_seeds_bring_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LAST", 20)
    monkeypatch.setattr(writer, "FEWEST", 2)
    found = accepted(map(sample, range(1000)), 99, lambda one: one.seed % 10 == 9 and one.seed < 60)
    assert [next(found).seed for _ in range(6)] == [9, 19, 29, 39, 49, 59]
    with pytest.raises(WorkError, match="fewer than 1 in 10 of the last 20 seeds brought a new one"):
        next(found)
