"""Laws of many texts side by side: each is what its seed writes alone."""

from __future__ import annotations

import dataclasses
from itertools import chain, repeat
from typing import Any
from unittest.mock import DEFAULT, Mock

import numpy as np
import pytest

from afterword.generation import parallel, writer
from afterword.generation.continuation import Continuation, Policy
from afterword.generation.parallel import ParallelTexts
from afterword.generation.prefill import read_prompt
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample, Text
from afterword.generation.writer import Writer
from afterword.model.folder.saved import SavedModel
from afterword.model.ngram.tables import Ngram
from afterword.model.threads import PRODUCTS
from tests.generation.test_continuation import CHAR, LINES, MODELS
from tests.generation.test_ending import PROSE
from tests.generation.test_prefill import MIXED

SEEDS = [*range(90), *(2**64 - k for k in range(1, 11))]


def mixed(model: SavedModel) -> SavedModel:
    rows = model.config.vocabulary_size
    ids = np.random.default_rng(0).integers(0, rows - 2, 3000)
    return dataclasses.replace(model, ngram=Ngram.learn(ids, rows, rows - 2, 0, order=5), mixture_weight=0.6)


def of_lines(model: SavedModel) -> SavedModel:
    return dataclasses.replace(model, unseen=LINES)


def alone(model: SavedModel, prompt: str, sampling: Sampling, seed: int) -> Sample:
    return Writer(model, model.predictor(), sampling).stream(prompt, seed).sample()


def together(model: SavedModel, prompt: str, sampling: Sampling, seeds: list[int]) -> list[Sample]:
    return list(Writer(model, model.predictor(), sampling).write([(prompt, seed) for seed in seeds]))


def many(model: SavedModel, number: int) -> tuple[ParallelTexts[Text], list[Text]]:
    """Return so many texts, and batches that they have not entered yet."""
    policy = Policy(model, Sampling(max_tokens=9))
    return ParallelTexts(model.predictor()), [Text(Continuation(policy, "a", seed), False) for seed in range(number)]


def enter(batches: ParallelTexts[Text], texts: list[Text]) -> None:
    reading = read_prompt(texts[0].policy.model, batches.network, "a")
    batches.enter([(text, text.continuation.begin(reading)) for text in texts])


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The threads between which batches are shared, however few texts there are."""
    monkeypatch.setattr(PRODUCTS, "_get", lambda: request.param)
    monkeypatch.setattr(PRODUCTS, "_set", lambda number: None)
    monkeypatch.setattr(parallel, "LEAST", 4)
    return int(request.param)


RUNNING, OF_LINES = MODELS[CHAR], of_lines(MODELS[CHAR])
KINDS: list[tuple[SavedModel, str, dict[str, Any]]] = [
    (RUNNING, "abé", {}),
    (RUNNING, "abé", {"stop": ("ab", "dc")}),
    (RUNNING, "abé", {"top_k": 3, "top_p": 0.9, "min_p": 0.1}),
    (RUNNING, "abé", {"temperature": 0}),
    (OF_LINES, "abé", {}),
    (mixed(RUNNING), "abé", {}),
    (mixed(OF_LINES), "abé", {"top_k": 4}),
    (mixed(RUNNING), "abé", {"new_word_p": 0.5}),
    (PROSE._saved, "A", {"sentences": 2}),
    (PROSE._saved, "A", {"finish_sentence": True}),
    (PROSE._saved, "A", {"sentences": 1, "stop": "b."}),
    (MIXED, "abab ab", {"log_probabilities": 3}),
    (MIXED, "abab ab", {"log_probabilities": 3, "repetition_penalty": 4}),
    (MIXED, "abab ab", {"log_probabilities": 3, "new_word_p": 0.4}),
]


@pytest.mark.parametrize(("model", "prompt", "settings"), KINDS)
def test_a_text_is_what_its_seed_writes_alone(
    model: SavedModel, prompt: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LANES_PER_BATCH", 17)
    sampling = Sampling(**{"max_tokens": 12, "temperature": 1.5} | settings)
    expected = [alone(model, prompt, sampling, seed) for seed in SEEDS]
    found = together(model, prompt, sampling, SEEDS)
    assert [written.seed for written in found] == SEEDS
    same = [k for k in range(len(SEEDS)) if found[k].text == expected[k].text]
    assert len(same) >= len(SEEDS) - 1  # a draw may fall between two tokens within what rounding changes
    for k in same:
        facts: dict[str, Any] = {"log_probability": expected[k].log_probability, "pieces": expected[k].pieces}
        assert dataclasses.replace(found[k], **facts) == expected[k]
        assert found[k].log_probability == pytest.approx(expected[k].log_probability, abs=1e-3)


def test_texts_in_several_batches_are_what_their_seeds_write_alone(threads: int) -> None:
    model, sampling = mixed(MODELS[CHAR]), Sampling(max_tokens=12, temperature=1.5)
    found = together(model, "abé", sampling, SEEDS[:60])
    assert [written.seed for written in found] == SEEDS[:60]
    same = [written.text == alone(model, "abé", sampling, written.seed).text for written in found]
    assert sum(same) >= len(found) - 1


def test_long_texts_keep_the_order_and_the_later_ones_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LANES_PER_BATCH", 5)
    monkeypatch.setattr(writer, "AHEAD", 8)
    model, sampling = of_lines(MODELS[CHAR]), Sampling(max_tokens=300, temperature=1.5)
    taken: list[int] = []

    def texts() -> Any:
        for seed in range(60):
            taken.append(seed)
            yield "", seed

    lengths = []
    for told, written in enumerate(Writer(model, model.predictor(), sampling).write(texts())):
        assert written.seed == told
        assert len(taken) <= told + 1 + 8  # beside this one, so many may be begun
        lengths.append(written.tokens)
    assert len(lengths) == 60
    assert min(lengths) < max(lengths)


@pytest.mark.parametrize("seeds", [[], [3], list(range(40))])
def test_any_number_of_seeds_is_written(seeds: list[int], threads: int) -> None:
    assert [written.seed for written in together(MODELS[CHAR], "a", Sampling(max_tokens=3), seeds)] == seeds


def test_the_same_seeds_write_the_same_bits() -> None:
    one, other = (together(mixed(MODELS[CHAR]), "a", Sampling(max_tokens=9), SEEDS[:50]) for _ in range(2))
    assert one == other


def test_what_fails_on_another_thread_is_raised_here(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = MODELS[CHAR].predictor()
    effects = chain([DEFAULT] * 5, repeat(MemoryError))
    monkeypatch.setattr(network, "step", Mock(wraps=network.step, side_effect=effects))
    texts = Writer(MODELS[CHAR], network, Sampling(max_tokens=50)).samples(["a"], 40, 0)
    with pytest.raises(MemoryError):
        list(texts)


def test_few_texts_need_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "check_threads_fit", Mock(side_effect=MemoryError))
    assert len(together(mixed(MODELS[CHAR]), "a", Sampling(max_tokens=3), [1, 2, 3])) == 3


def test_a_failing_push_is_raised_after_all_threads_have_ended(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, texts = many(MODELS[CHAR], 20)
    network = batch.network
    enter(batch, texts)
    batch.step()
    monkeypatch.setattr(network, "step", step := Mock(wraps=network.step))
    monkeypatch.setattr(texts[7], "push", Mock(side_effect=ZeroDivisionError))
    with pytest.raises(ZeroDivisionError):
        batch.step()
    read = sorted(len(call.args[0]) for call in step.call_args_list)
    assert read == sorted(len(one.texts) for one in batch.batches[1:])
    assert not PRODUCTS._users


def test_texts_of_several_batches_come_together_once_few_are_left(threads: int) -> None:
    batch, texts = many(MODELS[CHAR], 20)
    enter(batch, texts)
    batch.step()
    assert len(batch.batches) == threads
    for text in texts[3:]:
        text.continuation.finish_reason = "stop"
    assert {text.continuation.seed for text in batch.step()} == {*range(3, 20)}
    assert len(batch.texts) == 3
    ended = [text for _ in range(7) for text in batch.step()]
    assert len(batch.batches) <= 1
    assert sorted(text.continuation.seed for text in ended) == [0, 1, 2]


def test_the_first_batch_is_the_smallest_and_the_others_are_even(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "UNEVEN", 2)
    batch, texts = many(MODELS[CHAR], 40)

    def sizes() -> list[int]:
        batch.step()
        return [len(one.texts) for one in batch.batches]

    for text in texts:  # one by one, as requests arrive
        enter(batch, [text])
    found = sizes()
    assert len(found) == threads
    assert sum(found) == 40
    assert max(found[1:], default=0) - min(found[1:], default=0) <= 1
    assert found[0] == min(found)
    for text in batch.batches[-1].texts[2:]:
        text.continuation.finish_reason = "stop"
    sizes()
    found = sizes()
    assert max(found[1:], default=0) - min(found[1:], default=0) <= 1
    assert found[0] == min(found)
