"""Every kind of model over HTTP: it writes what `generate` writes, and says what `score` and `next_characters` say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afterword.language_model import load
from afterword.text.symbols import SymbolTokenizer
from tests.bases.small import base_of, classic_base, save
from tests.serving.server import USUAL, Serving, serving
from tests.tiny import save_tiny

TINY = ["tiny", "mixed", "lines"]
NAMES = ["symbols", "classic", *TINY]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("kinds")
    save(place / "symbols", base_of(SymbolTokenizer.of("abc \né", texts=["abc cab\nbacé " * 9])))
    save(place / "classic", classic_base())
    for name in TINY:
        save_tiny(place / name, lines=name == "lines", mixed=name == "mixed")
    return place


@pytest.fixture(scope="module")
def server(kinds: Path) -> Iterator[Serving]:
    with serving(*(kinds / name for name in NAMES), "english") as found:
        yield found


def test_a_base_saved_before_a_default_existed_is_described(server: Serving) -> None:
    found = server.get("/v1/models/english").json["afterword"]
    assert found["writing"]["max_tokens"] == load("english").writing_defaults.max_tokens


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_writes_what_generate_writes_also_after_what_is_remembered(
    server: Serving, kinds: Path, name: str
) -> None:
    model = load(kinds / name)
    long = "abba" * 60
    for prompt in ("abbab", None, long, long + "ba", long[:-30]):
        expected = [model.generate(prompt, seed=3 + k, max_tokens=30, **USUAL) for k in range(2)]
        for remember in (False, True):
            found = server.complete(model=name, prompt=prompt, max_tokens=30, seed=3, n=2, remember=remember)
            for choice, one in zip(found["choices"], expected, strict=True):
                assert (choice["text"], choice["finish_reason"]) == (one.text, one.finish_reason)
            assert found["usage"]["completion_tokens"] == sum(one.tokens for one in expected)
    assert server.gauge("remembered_bytes") > 0
    prompts = [("bab" * k + "abab")[: k + 2] for k in range(20)]  # of symbols, most end within one
    found = server.complete(model=name, prompt=prompts, max_tokens=8, temperature=0)["choices"]
    cold = USUAL | {"temperature": 0}
    assert [one["text"] for one in found] == [model.generate(one, max_tokens=8, **cold).text for one in prompts]


@pytest.mark.parametrize("name", NAMES)
def test_echo_says_what_score_says(server: Serving, kinds: Path, name: str) -> None:
    model, text = load(kinds / name), "ab\nabab" if name == "classic" else "ab é☃\nabab"
    number = len(model.tokenizer.encode(text))
    for remember in (False, True):
        asked = {"max_tokens": 8, "echo": True, "logprobs": 3, "seed": 2, "remember": remember}
        reply = server.post("/v1/completions", {"model": name, "prompt": text, **asked})
        json.loads(reply.body, parse_constant=lambda name: pytest.fail(name))  # every number is one in JSON
        [found] = reply.json["choices"]
        logs = found["logprobs"]
        assert logs["token_logprobs"][:number] == pytest.approx(-model.score(text).token_nats, abs=1e-4)
        assert {len(values) for values in logs.values()} == {len(logs["tokens"])}
        assert logs["text_offset"] == sorted(logs["text_offset"])
        assert logs["text_offset"][number] == len(text)
        assert found["text"] == text + "".join(logs["tokens"][number:])


def test_a_character_that_the_model_does_not_know_is_named_by_its_bytes(server: Serving) -> None:
    [found] = server.complete(model="tiny", prompt="é☃b", max_tokens=0, echo=True, logprobs=0)["choices"]
    assert found["logprobs"]["tokens"] == ["é", "bytes:\\xe2", "bytes:\\x98", "bytes:\\x83", "b"]
    assert found["logprobs"]["text_offset"] == [0, 1, 1, 1, 2]
    assert found["finish_reason"] == "length"


@pytest.mark.parametrize("name", ["symbols", *TINY])
def test_what_comes_next_is_what_the_model_expects_and_the_settings_leave(
    server: Serving, kinds: Path, name: str
) -> None:
    model = load(kinds / name)
    rules: list[dict[str, Any]] = [{"temperature": 0.7, "top_k": 4, "top_p": 0.9, "min_p": 0.1}, {"temperature": 0}]
    for prompt in ("", "ab", "abb", "ab" * 60, "ab" * 70, "ab" * 60 + "a"):  # a part of some is remembered
        words = model.next_words(prompt or None, 4)
        for rule in rules:
            answer = server.answer("/v1/next", model=name, prompt=prompt, words=4, **rule)
            found, own = answer["data"], model.next_characters(prompt or None, **{"min_p": 0.0, **rule})
            assert [one["text"] for one in found] == [one.text for one in own][: len(found)]
            for one, expected in zip(found, own, strict=False):
                assert one["token"] == (expected.text or "<|end|>")
                figures = [one["probability"], one["after"]]
                assert figures == pytest.approx([expected.probability, expected.after], rel=1e-4)
            assert [one["text"] for one in answer["words"]] == [one.text for one in words]
            odds = [one["probability"] for one in answer["words"]]
            assert odds == pytest.approx([one.probability for one in words], rel=1e-4)
    assert "words" not in server.answer("/v1/next", model=name, prompt="ab", words=None)


def test_what_comes_next_is_told_of_a_part_of_the_model_and_of_a_held_one(server: Serving, kinds: Path) -> None:
    [first, *_] = load(kinds / "mixed", using="lstm").hold("forget=0").next_characters("ab")
    [found, *_] = server.answer("/v1/next", model="mixed", prompt="ab", hold=["forget=0"], **{"with": "lstm"})["data"]
    assert (found["text"], found["probability"]) == (first.text, pytest.approx(first.probability, rel=1e-4))


def test_what_comes_next_begins_with_what_is_written_at_temperature_0(server: Serving) -> None:
    [found, *_] = server.answer("/v1/next", model="classic", prompt="abba")["data"]
    assert (
        server.complete(model="classic", prompt="abba", max_tokens=1, temperature=0)["choices"][0]["text"]
        == found["text"]
    )


def test_the_engine_fast_writes_what_it_writes_in_generate(kinds: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = load(kinds / "symbols", engine="fast")
    with serving(kinds / "symbols", "--engine", "fast") as found:
        written = found.complete(model="symbols", prompt="abc", max_tokens=30, seed=1)["choices"][0]["text"]
        assert written == model.generate("abc", seed=1, max_tokens=30, **USUAL).text
        refused = found.post("/v1/completions", {"model": "symbols", "hold": ["forget=1"]})
        assert (refused.status, refused.json["error"]["param"]) == (400, "hold")
