"""Laws of the guard: nothing longer than N characters is copied, and what is no copy is never refused."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.generation import copying
from afterword.generation.copying import CopyGuard, Passages, find_copies
from afterword.generation.prefill import read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.text.characters import CharTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.generation.test_continuation import CHAR, MODELS, model
from tests.generation.test_rules import SYMBOLS
from tests.generation.test_words import counted


@given(
    st.lists(st.text("ab☃", max_size=30), max_size=3),
    st.text("ab☃", max_size=20),
    st.text("ab☃", max_size=3),
    st.integers(1, 5),
)
def test_a_copy_is_what_stands_in_the_text_and_is_longer(texts: list[str], before: str, more: str, length: int) -> None:
    guard = CopyGuard(Passages("\n".join(texts), length), before)
    windows = {text[k : k + length + 1] for text in texts for k in range(len(text) - length)}
    joined = before[-length:] + more
    expected = any(joined[k : k + length + 1] in windows for k in range(len(joined) - length))
    assert guard.copies(more) == expected
    guard.push(more)
    assert guard.copies("a") == ((before + more)[-length:] + "a" in windows)


def test_a_long_text_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(chr(97 + k * k % 23) + chr(97 + k % 7) for k in range(300))
    whole = bytes(Passages(text, 9)._hashes)
    monkeypatch.setattr(copying, "CHARACTERS_AT_ONCE", 50)
    assert bytes(Passages(text, 9)._hashes) == whole


@pytest.mark.parametrize("tokenizer", [CHAR, SYMBOLS])
def test_nothing_longer_is_copied_alone_or_in_a_batch(tokenizer: Tokenizer) -> None:
    saved = MODELS[tokenizer] if tokenizer in MODELS else model(tokenizer, [tokenizer.rows - 2, tokenizer.rows - 1])
    network = saved.network()
    free = [Writer(saved, network, Sampling(max_tokens=60)).stream("ab", seed).sample().text for seed in range(20)]
    learned = ["ab" + text for text in free]  # what it would write, it must not

    writer = Writer(saved, network, Sampling(max_tokens=60, no_copy=8), Passages("|".join(learned), 8))
    alone = [writer.stream("ab", seed).sample().text for seed in range(20)]
    reading = read_prompt(saved, network, "ab")
    batch = [sample.text for sample in writer.samples([reading], 20, 0)]
    assert sum(one != other for one, other in zip(alone, batch, strict=True)) <= 1
    copied = find_copies(["ab" + text for text in [*alone, *batch]], "|".join(learned)).longest
    assert len(copied) <= 8 < min(len(text) for text in alone)


def test_argmax_and_top_k_1_go_round_a_copy() -> None:
    saved = MODELS[CHAR]
    network = saved.network()
    each: list[dict[str, Any]] = [{"temperature": 0}, {"top_k": 1}]
    for settings in each:
        text = Writer(saved, network, Sampling(max_tokens=60, **settings)).stream("", 0).sample().text
        writer = Writer(saved, network, Sampling(max_tokens=60, no_copy=10, **settings), Passages(text, 10))
        other = writer.stream("", 0).sample().text
        assert other[:10] == text[:10]
        assert len(find_copies([other], text).longest) <= 10


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_where_everything_is_a_copy_a_text_ends_and_says_so(temperature: float) -> None:
    tokenizer = CharTokenizer.of("ab")
    saved = model(tokenizer, [2, 3])
    every = "".join(format(k, "010b") for k in range(1024)).translate({48: "a", 49: "b"})
    network = saved.network()
    writer = Writer(saved, network, Sampling(no_copy=4, temperature=temperature, max_tokens=50), Passages(every, 4))
    for sample in [writer.stream("", 0).sample(), *writer.samples([""], 3, 0)]:
        assert (sample.finish_reason, len(sample.text)) == ("rules", 3)  # any fifth one would be a copy, so no fourth


def test_a_whole_text_goes_back_where_a_stream_ends_and_writes_the_same_alone_and_in_a_batch() -> None:
    tokenizer = CharTokenizer.of("abc.")
    saved = model(tokenizer, [4, 5], scale=0.5)
    network, draw, prompts = saved.network(), random.Random(3), ["", "a", "b", "cb", ".a"]
    streams = ended = other = 0
    for temperature in [0.0, 1.0] * 5:
        learned = "".join(draw.choices("abc.", k=1000))  # six in ten of the 1,024 windows
        sampling = Sampling(no_copy=4, temperature=temperature, max_tokens=40, stop=("..",), log_probabilities=0)
        writer = Writer(saved, network, sampling, Passages(learned, 4))
        for seed, sample in enumerate(writer.samples(prompts, 1, 0)):
            alone, stream = writer.sample(prompts[seed], seed), writer.stream(prompts[seed], seed)
            streamed = "".join(piece.text for piece in stream)
            streams, ended = streams + (stream.finish_reason == "rules"), ended + (sample.finish_reason == "rules")
            other += alone.text != sample.text
            assert "".join(piece.text for piece in sample.pieces or ()) == sample.text
            for text in (sample.text, streamed):
                assert len(find_copies([prompts[seed] + text], learned).longest) <= 4
            assert streamed == alone.text or stream.finish_reason == "rules"
    assert other <= 1  # by rounding
    assert 4 * ended <= streams
    assert streams > 4


def test_words_in_capitals_that_the_text_does_not_have_give_way_to_a_user_who_wants_no_copy() -> None:
    text = "AB ABC abc. " * 30
    tokenizer = CharTokenizer.of(" .ABCabc")
    saved = model(tokenizer, [8, 9], scale=0.3)
    saved = dataclasses.replace(saved, ngram=counted(tokenizer, text), mixture_weight=0.9)
    for temperature in (0.0, 0.5, 100.0):
        sampling = Sampling(no_copy=5, temperature=temperature, max_tokens=60, new_word_p=1.0)
        writer = Writer(saved, saved.predictor(), sampling, Passages(text, 5))
        for sample in [*writer.samples(["AB "], 20, 0), writer.stream("AB ", 1).sample()]:
            assert sample.finish_reason == "length"
            assert len(find_copies([sample.text], text).longest) <= 5
