"""Every kind of model over HTTP: what generate writes and score says, as ever."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.language_model import LanguageModel, load
from afterword.model.folder.defaults import RUNNING_TEXT, WINDOWS
from afterword.model.folder.saved import SavedModel, save_model
from afterword.model.network.config import Config, weight_shapes
from afterword.text.characters import ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.serving.server import USUAL, Serving, serving
from tests.tiny import save_tiny

TEXT = "abc cab\nbacé " * 9


def made(tokenizer: Tokenizer, **more: Any) -> SavedModel:
    classic = isinstance(tokenizer, ClassicTokenizer)
    shape = {"embedding_size": 1, "input": "number", "window": 5} if classic else {"embedding_size": 4}
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, hidden_size=7, num_layers=2, **shape)
    random = np.random.default_rng(0)
    weights = {name: random.normal(0, 0.5, size).astype(np.float32) for name, size in weight_shapes(config).items()}
    unseen = [] if classic else [tokenizer.rows - 1]
    saved = SavedModel(config, weights, tokenizer, unseen, {}, writing=WINDOWS if classic else RUNNING_TEXT)
    return dataclasses.replace(saved, text=tokenizer.encode(TEXT)) if classic else saved


MODELS = {
    "symbols": made(SymbolTokenizer.of("abc \né", texts=[TEXT])),
    "classic": made(ClassicTokenizer.of("\n abcé", lowercase=True)),
}
TINY = ["tiny", "mixed", "lines"]  # of characters, whose models are smaller


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("kinds")
    for name, model in MODELS.items():
        save_model(place / name, model, "")
    for name in TINY:
        save_tiny(place / name, lines=name == "lines", mixed=name == "mixed")
    return place


@pytest.fixture(scope="module")
def server(kinds: Path) -> Iterator[Serving]:
    with serving(*(kinds / name for name in [*MODELS, *TINY]), "english") as found:
        yield found


def test_a_base_saved_before_a_default_existed_is_described(server: Serving) -> None:
    found = server.get("/v1/models/english").json["afterword"]
    assert found["writing"]["max_tokens"] == load("english").writing_defaults.max_tokens


@pytest.mark.parametrize("name", [*MODELS, *TINY])
def test_a_seed_writes_what_generate_writes(server: Serving, kinds: Path, name: str) -> None:
    model = load(kinds / name)
    for seed in range(2):
        for prompt in ("abcéab", None):
            expected = [model.generate(prompt, seed=seed + k, max_tokens=30, **USUAL) for k in range(2)]
            for remember in (False, True):
                found = server.complete(model=name, prompt=prompt, max_tokens=30, seed=seed, n=2, remember=remember)
                for choice, one in zip(found["choices"], expected, strict=True):
                    assert (choice["text"], choice["finish_reason"]) == (one.text, one.finish_reason)
                assert found["usage"]["completion_tokens"] == sum(one.tokens for one in expected)


def test_many_prompts_that_end_within_words_are_continued_as_each_alone(server: Serving, kinds: Path) -> None:
    model, prompts = load(kinds / "symbols"), [("cab " * k + "abab")[: k + 2] for k in range(20)]
    found = server.complete(model="symbols", prompt=prompts, max_tokens=8, temperature=0)["choices"]
    settings = USUAL | {"temperature": 0}
    assert [one["text"] for one in found] == [model.generate(one, max_tokens=8, **settings).text for one in prompts]


@pytest.mark.parametrize("name", MODELS)
def test_echo_says_what_score_says(server: Serving, kinds: Path, name: str) -> None:
    model: LanguageModel = load(kinds / name)
    text = "cab é\nabab" if name == "classic" else "cab é☃\nabab"
    for remember in (False, True):
        found = server.complete(
            model=name, prompt=text, max_tokens=8, echo=True, logprobs=3, seed=2, remember=remember
        )["choices"][0]
        logs = found["logprobs"]
        number = len(model.tokenizer.encode(text))
        assert -sum(logs["token_logprobs"][:number]) == pytest.approx(model.score(text).nats, abs=1e-4)
        assert len({len(values) for values in logs.values()}) == 1
        offsets = logs["text_offset"]
        assert offsets == sorted(offsets)
        assert found["text"].startswith(text)
        assert offsets[number] == len(text)
        if name == "symbols":  # the first token's text is without what it has in common with the prompt
            assert text + "".join(logs["tokens"][number:]) == found["text"]
    if name == "symbols":
        return  # which expect characters
    found = server.post("/v1/next", {"model": name, "prompt": text}).json["data"]
    written = server.complete(model=name, prompt=text, max_tokens=1, temperature=0, logprobs=1)["choices"][0]
    assert found[0]["token"] in written["logprobs"]["top_logprobs"][0]


def test_the_engine_fast_writes_what_it_writes_in_generate(kinds: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = load(kinds / "symbols", engine="fast")
    with serving(kinds / "symbols", "--engine", "fast") as found:
        for seed in range(3):
            written = found.complete(model="symbols", prompt="abc", max_tokens=30, seed=seed)["choices"][0]["text"]
            assert written == model.generate("abc", seed=seed, max_tokens=30, **USUAL).text
        refused = found.post("/v1/completions", {"model": "symbols", "hold": ["forget=1"]})
        assert refused.status == 400
        assert refused.json["error"]["param"] == "hold"


def test_symbols_are_expected_by_their_next_character(server: Serving, kinds: Path) -> None:
    model = load(kinds / "symbols")
    for prompt in ("", "abc ", "abc a", "éa"):
        data = server.post("/v1/next", {"model": "symbols", "prompt": prompt, "temperature": 0.7}).json["data"]
        own = model.next_characters(prompt or None, temperature=0.7, min_p=0)[: len(data)]
        assert [one["text"] for one in data] == [one.text for one in own]
        assert [one["probability"] for one in data] == pytest.approx([one.probability for one in own], rel=1e-4)
        assert [one["after"] for one in data] == pytest.approx([one.after for one in own], rel=1e-4)
        assert {one["token"] for one in data} == {*"abc é\n", "<|end|>"}
