"""Laws of /v1/completions, by OpenAI's own client and by hand; test_kinds.py has those of each kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from afterword.language_model import load
from tests.serving.server import USUAL, Serving

ASKED: dict[str, Any] = {"prompt": "ab", "max_tokens": 30, "seed": 4}


def test_the_settings_do_what_they_do_in_generate(server: Serving, models: Path) -> None:
    model = load(models / "mixed")
    rules = ({"top_k": 2}, {"min_p": 0.3}, {"pattern": "[ab]{3,9}"}, {"stop": ["c", "dd"]}, {"finish_sentence": True})
    for rule in rules:
        [found] = server.complete(model="mixed", **ASKED, **rule)["choices"]
        expected = model.generate(**ASKED, **USUAL | rule)
        assert (found["text"], found["finish_reason"]) == (expected.text, expected.finish_reason), rule
    [held] = server.complete(model="mixed", **ASKED, hold=["forget=1"], **{"with": "lstm"})["choices"]
    assert held["text"] == load(models / "mixed", using="lstm").hold("forget=1").generate(**ASKED, **USUAL).text
    bias = {str(model.tokenizer.encode("d")[0]): 100.0}
    assert server.complete(model="mixed", **ASKED, logit_bias=bias)["choices"][0]["text"] == "d" * 30


def test_a_stream_comes_to_the_same_text_in_openais_client(server: Serving) -> None:
    asked: dict[str, Any] = {"model": "tiny", "prompt": "ab", "max_tokens": 60, "seed": 5, "n": 3, "logprobs": 2}
    import openai  # here, since this takes half a second

    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        whole = client.completions.create(**asked)
        chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is not None for chunk in chunks)
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)
    for choice in whole.choices:
        parts = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
        assert "".join(part.text for part in parts) == choice.text
        assert [part.finish_reason for part in parts if part.finish_reason] == [choice.finish_reason]
        assert choice.logprobs is not None
        for field in ("tokens", "text_offset"):
            joined = [one for part in parts for one in getattr(part.logprobs, field)]
            assert joined == getattr(choice.logprobs, field)


def test_the_defaults_are_those_of_openai(server: Serving) -> None:
    found = server.complete(model="tiny")
    assert found["usage"] == {"prompt_tokens": 0, "completion_tokens": 16, "total_tokens": 16}
    assert found["choices"][0]["logprobs"] is None
    unset = ["max_tokens", "temperature", "top_p", "n", "best_of", "stream", "stop", "logprobs", "echo", "user"]
    nulls = server.complete(model="tiny", prompt="a", seed=3, **dict.fromkeys(unset))
    assert nulls["choices"] == server.complete(model="tiny", prompt="a", seed=3, logit_bias={})["choices"]


def test_token_ids_score_as_evaluation_harnesses_ask(server: Serving, models: Path) -> None:
    def ids_of(text: str) -> list[int]:
        found: list[int] = server.answer("/tokenize", prompt=text, model="mixed")["tokens"]
        return found

    texts = ["abcd", "é", "\nab", "abcd"]
    ids = [ids_of(text) for text in texts]
    ids[3] = ids_of(server.get("/tokenizer_info?model=mixed").json["eos_token"]) + ids[3]
    asked = {"max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0, "seed": 1}
    found = server.complete(model="mixed", prompt=ids, **asked)["choices"]
    model = load(models / "mixed")
    for text, own, choice in zip(texts, ids, found, strict=True):
        logs = choice["logprobs"]
        assert len(logs["tokens"]) == len(logs["token_logprobs"]) == len(logs["top_logprobs"]) == len(own) + 1
        costs = [log for log in logs["token_logprobs"][:-1] if log is not None]
        assert sum(costs) == pytest.approx(-model.score(text).nats, abs=1e-4)
        for token, log, top in zip(logs["tokens"], logs["token_logprobs"], logs["top_logprobs"], strict=True):
            assert log is None or (log == max(top.values())) == (token in top)  # bit for bit
    assert found[3]["logprobs"]["token_logprobs"][0] is None


def test_each_text_has_the_seed_that_writes_it_alone_and_best_of_keeps_the_likeliest(
    server: Serving, models: Path
) -> None:
    found = server.complete(model="tiny", prompt=["a", "b"], n=2, max_tokens=9, seed=2**64 - 2)["choices"]
    assert [choice["index"] for choice in found] == [0, 1, 2, 3]
    assert [choice["seed"] for choice in found] == [2**64 - 2, 2**64 - 1, 0, 1]
    for choice, prompt in zip(found, "aabb", strict=True):
        [alone] = server.complete(model="tiny", prompt=prompt, max_tokens=9, seed=choice["seed"])["choices"]
        assert alone["text"] == choice["text"]
    [found] = server.complete(model="tiny", prompt="ab", max_tokens=20, seed=0, best_of=8)["choices"]
    each = [load(models / "tiny").generate("ab", seed=seed, max_tokens=20, **USUAL) for seed in range(8)]
    best = max(each, key=lambda sample: sample.log_probability / sample.tokens)
    assert (found["text"], found["seed"]) == (best.text, best.seed)


def test_offsets_are_those_of_the_tokens_also_where_a_stop_string_is_under_way(server: Serving) -> None:
    asked: dict[str, Any] = {"model": "tiny", "prompt": "ab", "max_tokens": 60, "seed": 1, "logprobs": 0}
    plain = server.complete(**asked)["choices"][0]["logprobs"]
    stopped = server.complete(**asked, stop=["abab", "aaaa", "bbbb", "dddd"], echo=True)["choices"][0]["logprobs"]
    number = len(stopped["tokens"]) - 2
    assert stopped["tokens"][2:] == plain["tokens"][:number]
    assert stopped["text_offset"][2:] == [2 + at for at in plain["text_offset"][:number]]
