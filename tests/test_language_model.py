"""The face of a trained model, on random weights."""

from __future__ import annotations

import copy
import math
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.errors import InputError, ModelError, OptionError
from afterword.generation.texts import Sample
from afterword.language_model import LanguageModel, load
from afterword.model.folder.defaults import LINES, RUNNING_TEXT
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config, weight_shapes
from afterword.text.characters import CharTokenizer
from tests.cases import cases
from tests.tiny import random_weights, save_tiny


def made(characters: str = "\nabcdé", lines: bool = False, unseen: tuple[int, ...] = ()) -> LanguageModel:
    tokenizer = CharTokenizer.of(characters)
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=4, hidden_size=6, num_layers=2)
    last = tokenizer.rows - 1
    about: dict[str, Any] = {"recipe": "auto", "lines": lines, "validation": {"bits_per_character": 2.5}}
    usual = [*unseen] or ([last] if lines else [last - 1, last])
    writing = LINES if lines else RUNNING_TEXT
    saved = SavedModel(config, random_weights(config, scale=1), tokenizer, usual, about, writing=writing)
    return LanguageModel(saved, "# Card\n")


MODEL = made()


def test_what_was_saved_is_loaded_and_writes_and_scores_the_same(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "book")
    again = load(tmp_path / "book")
    assert again.generate("ab", seed=5, max_tokens=30) == MODEL.generate("ab", seed=5, max_tokens=30)
    assert again.score("abé☃").bits == MODEL.score("abé☃").bits
    shape = {"hidden_size": 6, "num_layers": 2, "vocabulary_size": 8, "parameters": MODEL.parameters}
    known = {"recipe": "auto", "validation": {"bits_per_character": 2.5}, "corpus": None, **shape}
    assert known.items() <= MODEL.info().items() == again.info().items()
    assert (tmp_path / "book" / "README.md").read_text() == "# Card\n"


def test_a_run_folder_stands_for_its_model_which_may_be_missing_or_damaged(tmp_path: Path) -> None:
    run = tmp_path / "my book"
    run.mkdir()
    (run / "run.json").write_text("{}")
    with pytest.raises(ModelError, match=f"the run {run} has no model yet: .* train --resume '{run}'"):
        load(run)
    MODEL.save(run / "model")
    assert load(str(run)).info() == MODEL.info()
    (run / "model" / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"cannot read .*tokenizer\.json: No such file"):
        load(run)


def test_saving_replaces_a_model_and_nothing_else(tmp_path: Path) -> None:
    MODEL.save(tmp_path)  # an empty folder
    made("ab\n").save(tmp_path)
    assert load(tmp_path).tokenizer.characters == "\nab"
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(ModelError, match="not a model's folder"):
        MODEL.save(other)
    with pytest.raises(ModelError, match="it is a file"):
        MODEL.save(other / "letter.txt")
    assert [path.name for path in other.iterdir()] == ["letter.txt"]


def test_generate_is_the_stream_in_one_record_and_its_seed_writes_the_text_again() -> None:
    for first in (MODEL.generate("ab", seed=7, max_tokens=20, temperature=1), MODEL.generate("ab", max_tokens=20)):
        rules: dict[str, Any] = {"temperature": 1} if first.seed == 7 else {}
        pieces = list(MODEL.stream("ab", seed=first.seed, max_tokens=20, **rules))
        text, cost = "".join(piece.text for piece in pieces), sum(piece.log_probability for piece in pieces)
        assert first == Sample("ab", text, 20, cost, "length", first.seed)
        assert 0 <= first.seed < 2**64


def test_without_a_prompt_running_text_begins_after_a_line_end_that_the_model_knows() -> None:
    greedy: dict[str, Any] = {"temperature": 0, "max_tokens": 20, "seed": 0}
    silent = MODEL.generate(**greedy)
    assert (silent.prompt, silent.text) == ("", MODEL.generate("\n", **greedy).text)
    for model in (made("abcdé"), made(lines=True), made(unseen=(0, 6, 7))):
        assert model.generate(**greedy).text == model.generate("", **greedy).text
    assert made().generate("", **greedy).text != silent.text


@pytest.mark.parametrize("lines", [False, True])
def test_what_was_written_costs_as_much_when_scored(lines: bool) -> None:
    model = made("abcdé", lines=True) if lines else MODEL
    texts = (model.generate("" if not lines else None, max_tokens=40, seed=seed) for seed in range(50))
    written = next(one for one in texts if not lines or one.finish_reason == "stop")
    (scored,) = model.score_lines([written.text]) if lines else [model.score(written.text)]
    assert scored.tokens == written.tokens  # a line's end is one
    assert math.isclose(-written.log_probability, scored.nats, abs_tol=1e-4)


@pytest.mark.parametrize("wrong", [None, 5, b"ab", ["ab"], np.array(["ab", "ab"])], ids=repr)
def test_what_is_no_text_is_refused_in_plain_words(wrong: Any) -> None:
    of_line = made("abcdé", lines=True).gates
    calls: list[Callable[[Any], object]] = [MODEL.score, MODEL.surprises, MODEL.gates, of_line, MODEL.tokenizer.encode]
    calls += [lambda text: MODEL.score_lines([text]), *(call for more in cases("TEXT_CALLS") for call in more(MODEL))]
    for call in calls if wrong is None else [*calls, MODEL.generate, MODEL.stream]:
        says = f"(a text|line [0-9]+ of [0-9]+) must be a string, not {type(wrong).__name__}"
        with pytest.raises(InputError, match=says):
            call(wrong)


def test_what_a_notebook_prints_is_short_and_readable() -> None:
    text = "abé" * 200
    mixed = MODEL.hold("l0.u2=1", "forget=0.5", "l0.output=0.5", "l0.u4.cell=-3")
    assert repr(MODEL) == "LanguageModel(2 × 6 LSTM, 712 parameters, 8 char tokens, 2.500 bits per character held out)"
    assert repr(mixed).endswith(", l0.u2.hidden=1 held, forget=0.5 held, l0.output=0.5 held, l0.u4.cell=-3 held)")
    sample = MODEL.generate("ab", seed=5, max_tokens=300)
    assert str(sample) == "ab" + sample.text
    things: list[object] = [MODEL, MODEL.score(text), *MODEL.score_lines(["abé"]), sample]
    things += [MODEL.gates(text), MODEL.tokenizer]
    for thing in [*things, MODEL.stream("ab")]:
        assert len(repr(thing)) < 150
        assert " object at 0x" not in repr(thing)


def test_a_held_model_is_another_one_and_saves_the_free_one(tmp_path: Path) -> None:
    assert MODEL.hold() is MODEL
    held = MODEL.hold("forget=1", "l1.u2=0.5")
    assert held.score("abé").bits != MODEL.score("abé").bits
    assert held.hold("l1.u2=0").gates("ab").hidden[:, 1, 2].tolist() == [0, 0]  # the later one counts
    assert set(held.gates("ab").forget.ravel().tolist()) == {1}
    held.save(tmp_path / "book")
    assert load(tmp_path / "book").score("abé").bits == MODEL.score("abé").bits
    with pytest.raises(OptionError, match="unknown layer l2"):
        MODEL.hold("l2.u0=1")


def test_a_prompt_that_was_read_serves_any_number_of_texts() -> None:
    reading = MODEL.read("ab")
    assert repr(reading) == "Reading('ab')"
    for seed in range(5):
        assert MODEL.generate(reading, seed=seed, max_tokens=9) == MODEL.generate("ab", seed=seed, max_tokens=9)
    told = [str(written) for written in MODEL.samples(reading, num=12, seed=2**64 - 1, max_tokens=9)]
    assert told == [str(MODEL.generate("ab", seed=(2**64 - 1 + k) % 2**64, max_tokens=9)) for k in range(12)]
    assert [str(none) for none in MODEL.samples(num=3, seed=1, max_tokens=0)] == ["", "", ""]
    assert MODEL.generate(MODEL.read(), seed=3, max_tokens=9) == MODEL.generate(seed=3, max_tokens=9)
    with pytest.raises(OptionError, match="the prompt 'ab' was read by another model"):
        made("\nabcdef").samples(reading, num=2)


def written(model: LanguageModel) -> str:
    return str(model.generate("ab", seed=1, contains="b", new_word_p=0.5, max_tokens=60))


def test_a_copy_of_a_model_that_has_written_writes_the_same_also_in_another_process(tmp_path: Path) -> None:
    model = load(save_tiny(tmp_path / "tiny", mixed=True))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for one in (model, model.hold("forget=1")):
            expected = written(one)
            assert written(copy.deepcopy(one)) == written(pickle.loads(pickle.dumps(one))) == expected
            assert pool.apply(written, (one,)) == expected


def test_the_weights_have_their_shapes_and_cannot_be_changed() -> None:
    weights = MODEL.weights
    assert {name: weight.shape for name, weight in weights.items()} == weight_shapes(MODEL.config)
    with pytest.raises(ValueError, match="read-only"):
        weights["output.bias"][0] = 1
    with pytest.raises(TypeError):
        weights["output.bias"] = weights["output.bias"]  # type: ignore[index]
