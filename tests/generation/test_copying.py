"""Laws of the guard: nothing longer than N characters is copied, no other text is refused, and copies are found."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from afterword.errors import TextError
from afterword.generation import copying
from afterword.generation.copying import CopyGuard, Passages, find_copies, find_lines
from afterword.generation.prefill import read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.text.characters import CharTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.generation.test_continuation import CHAR, model
from tests.generation.test_rules import SYMBOLS

some = st.text("ab☃", max_size=50)


@given(some, some, st.text("ab☃", max_size=3), st.integers(1, 5), st.integers(9, 99))
def test_a_copy_is_what_stands_in_the_text_and_is_longer(
    text: str, before: str, more: str, length: int, at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "CHARACTERS_AT_ONCE", at_once)
        guard = CopyGuard(Passages(text, length), before)
    windows = {text[k : k + length + 1] for k in range(len(text) - length)}
    joined = before[-length:] + more
    expected = any(joined[k : k + length + 1] in windows for k in range(len(joined) - length))
    assert guard.copies(more) == expected
    guard.push(more)
    assert guard.copies("a") == ((before + more)[-length:] + "a" in windows)


@pytest.mark.parametrize("tokenizer", [CHAR, SYMBOLS])
def test_nothing_longer_is_copied_alone_or_in_a_batch(tokenizer: Tokenizer) -> None:
    saved = model(tokenizer, [tokenizer.rows - 2, tokenizer.rows - 1])
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
    for temperature in [0.0, 1.0] * 3:
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
    assert streams > 2


texts = st.lists(st.text("abé", max_size=25), min_size=1, max_size=4).filter(any)
lines = st.lists(st.text("abc", max_size=5), min_size=1, max_size=6)


def windows(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(len(text) - length + 1)]


def covered(text: str, other: str, length: int) -> int:
    inside = set[int]()
    for start, window in enumerate(windows(text, length)):
        if window in other:
            inside.update(range(start, start + length))
    return len(inside)


@given(texts, st.text("abé", max_size=80), st.integers(1, 30))
@example(["ab" * 20], "ab" * 30, 4)
@example(["aba", "bab"], "abab", 3)
def test_copies_are_those_found_by_looking_at_every_window(written: list[str], other: str, at_once: int) -> None:
    characters = sum(map(len, written))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "CHARACTERS_AT_ONCE", at_once)
        found = find_copies(written, other, (2, 5, 9))
    assert found.characters == characters
    for length, share in found.shares.items():
        assert share == pytest.approx(sum(covered(text, other, length) for text in written) / characters)
    longest = max(n for n in range(41) if any(window in other for text in written for window in windows(text, n)))
    assert len(found.longest) == longest
    assert other[found.at : found.at + longest] == found.longest
    assert any(found.longest in text for text in written)


def within_one_edit(line: str, other: str) -> bool:
    if len(line) == len(other):
        return sum(one != another for one, another in zip(line, other, strict=True)) <= 1
    short, long = sorted((line, other), key=len)
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


@given(lines, st.lists(st.text("abc", max_size=5), max_size=5))
@example(["aab", "aab"], ["ab"])
def test_lines_are_those_that_are_found_by_comparing_each_with_each(written: list[str], others: list[str]) -> None:
    found = find_lines(written, others)
    assert found.lines == len(written)
    assert found.exact == sum(line in others for line in written) / len(written)
    near = sum(any(line == other or within_one_edit(line, other) for other in others) for line in written)
    assert found.near == near / len(written)


def test_nothing_to_look_for_is_an_error() -> None:
    with pytest.raises(TextError, match="are missing"):
        find_lines([], ["a"])
    with pytest.raises(TextError, match="is empty"):
        find_copies([""], "a")
