"""Laws of /v1/completions, by OpenAI's own client and by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from afterword.language_model import load
from tests.serving.server import USUAL, Serving
from tests.serving.test_routes import refusal


def test_only_a_request_for_it_ends_a_text_with_a_sentence(server: Serving, models: Path) -> None:
    asked = {"model": "tiny", "prompt": "ab", "max_tokens": 20, "seed": 1}
    [exact] = server.complete(**asked)["choices"]
    [found] = server.complete(**asked, finish_sentence=True)["choices"]
    expected = load(models / "tiny").generate("ab", seed=1, max_tokens=20, finish_sentence=True, **USUAL)
    assert (len(exact["text"]), exact["finish_reason"]) == (20, "length")
    assert (found["text"], found["finish_reason"]) == (expected.text, expected.finish_reason)
    assert 20 < len(found["text"]) <= 220
    ends = server.complete(**asked, sentences=2)["choices"]
    assert [one["text"] for one in ends] == [exact["text"]]  # it writes no stop
    writing = server.get("/v1/models/tiny").json["afterword"]["writing"]
    assert writing["finish_sentence"]


def test_a_stream_comes_to_the_same_text_in_openais_client(server: Serving) -> None:
    asked: dict[str, Any] = {"model": "tiny", "prompt": "ab", "max_tokens": 60, "seed": 5, "n": 3, "logprobs": 2}
    import openai  # here, since this takes half a second

    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        whole = client.completions.create(**asked)
        chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is not None for chunk in chunks)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
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


def test_echo_scores_the_prompt_and_names_its_tokens(server: Serving, models: Path) -> None:
    text = "abé\ncd☃"
    found = server.post(
        "/v1/completions", {"model": "tiny", "prompt": text, "max_tokens": 0, "echo": True, "logprobs": 5}
    )
    json.loads(found.body, parse_constant=lambda name: pytest.fail(name))  # every number is one in JSON
    [choice] = found.json["choices"]
    logs = choice["logprobs"]
    assert (choice["text"], choice["finish_reason"]) == (text, "length")
    assert logs["token_logprobs"] == pytest.approx((-load(models / "tiny").score(text).token_nats).tolist(), abs=1e-4)
    assert all(len(top) == 5 for top in logs["top_logprobs"])
    assert logs["text_offset"] == [0, 1, 2, 3, 4, 5, 6, 6, 6]
    assert logs["tokens"] == ["a", "b", "é", "\n", "c", "d", "bytes:\\xe2", "bytes:\\x98", "bytes:\\x83"]


def test_token_ids_score_as_evaluation_harnesses_ask(server: Serving, models: Path) -> None:
    texts = ["abcd", "é", "\nab"]
    ids = [server.post("/tokenize", {"prompt": text, "model": "mixed"}).json["tokens"] for text in texts]
    name = server.get("/tokenizer_info?model=mixed").json["eos_token"]
    [end] = server.post("/tokenize", {"prompt": name, "model": "mixed"}).json["tokens"]
    found = server.complete(
        model="mixed", prompt=[*ids, [end, *ids[0]]], max_tokens=1, echo=True, logprobs=1, temperature=0, seed=1
    )
    model = load(models / "mixed")
    for text, own, choice in zip([*texts, texts[0]], [*ids, [end, *ids[0]]], found["choices"], strict=True):
        logs = choice["logprobs"]
        assert len(logs["tokens"]) == len(logs["token_logprobs"]) == len(logs["top_logprobs"]) == len(own) + 1
        costs = [log for log in logs["token_logprobs"][:-1] if log is not None]
        assert sum(costs) == pytest.approx(-model.score(text).nats, abs=1e-4)
        for token, log, top in zip(logs["tokens"], logs["token_logprobs"], logs["top_logprobs"], strict=True):
            if log is not None:
                assert (log == max(top.values())) == (token in top)  # bit for bit
    assert found["choices"][3]["logprobs"]["token_logprobs"][0] is None


def test_best_of_keeps_the_likeliest(server: Serving, models: Path) -> None:
    asked: dict[str, Any] = {"model": "tiny", "prompt": "ab", "max_tokens": 20, "seed": 0}
    [found] = server.complete(**asked, best_of=8)["choices"]
    each = [load(models / "tiny").generate("ab", seed=seed, max_tokens=20, **USUAL) for seed in range(8)]
    best = max(each, key=lambda sample: sample.log_probability / sample.tokens)
    assert (found["text"], found["seed"]) == (best.text, best.seed)
    assert server.complete(**asked | {"seed": best.seed})["choices"][0]["text"] == best.text


def test_offsets_are_those_of_the_tokens_also_where_a_stop_string_is_under_way(server: Serving) -> None:
    asked: dict[str, Any] = {"model": "tiny", "prompt": "ab", "max_tokens": 60, "seed": 1, "logprobs": 0}
    plain = server.complete(**asked)["choices"][0]
    stopped = server.complete(**asked, stop=["abab", "aaaa", "bbbb", "dddd"], echo=True)["choices"][0]
    number = len(stopped["logprobs"]["tokens"]) - 2
    assert stopped["logprobs"]["tokens"][2:] == plain["logprobs"]["tokens"][:number]
    assert stopped["logprobs"]["text_offset"][2:] == [2 + at for at in plain["logprobs"]["text_offset"][:number]]


def test_several_prompts_have_seeds_that_follow_one_another(server: Serving) -> None:
    found = server.complete(model="tiny", prompt=["a", "b"], n=2, max_tokens=9, seed=2**64 - 2)["choices"]
    assert [choice["index"] for choice in found] == [0, 1, 2, 3]
    assert [choice["seed"] for choice in found] == [2**64 - 2, 2**64 - 1, 0, 1]
    for choice, prompt in zip(found, "aabb", strict=True):
        alone = server.complete(model="tiny", prompt=prompt, max_tokens=9, seed=choice["seed"])
        assert alone["choices"][0]["text"] == choice["text"]


def test_the_extensions_do_what_they_do_in_generate(server: Serving, models: Path) -> None:
    model = load(models / "mixed")
    asked: dict[str, Any] = {"prompt": "ab", "max_tokens": 30, "seed": 4}
    for extension in ({"top_k": 2}, {"min_p": 0.3}, {"pattern": "[ab]{3,9}"}, {"stop": ["c", "dd"]}):
        found = server.complete(model="mixed", **asked, **extension)["choices"][0]["text"]
        assert found == model.generate(**asked, **USUAL | extension).text
    held = server.complete(model="mixed", **asked, hold=["forget=1"], **{"with": "lstm"})["choices"][0]["text"]
    assert held == load(models / "mixed", using="lstm").hold("forget=1").generate(**asked, **USUAL).text
    bias = {str(model.tokenizer.encode("d")[0]): 100.0}
    assert server.complete(model="mixed", **asked, logit_bias=bias)["choices"][0]["text"] == "d" * 30


def test_what_is_remembered_changes_no_text(server: Serving) -> None:
    asked: dict[str, Any] = {"model": "mixed", "max_tokens": 40, "seed": 9, "remember": True}
    first = server.complete(prompt="abcd" * 100, **asked)["choices"][0]["text"]
    assert server.complete(prompt="abcd" * 100, **asked)["choices"][0]["text"] == first
    before = server.gauge("remembered_bytes")
    assert before > 0
    on = server.complete(prompt="abcd" * 100 + first[:17], **asked)["choices"][0]["text"]
    assert on == server.complete(prompt="abcd" * 100 + first[:17], **asked | {"remember": False})["choices"][0]["text"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"model":"tiny","max_tokens":1e999}', "max_tokens must be a whole number or null, not"),
        (b'{"model":"tiny","prompt":' + b"[" * 900 + b"]" * 900 + b"}", "prompt[0][0] must be a whole number"),
        ({"frequency_penalty": 1}, "frequency_penalty is not supported here"),
        ({"max_tokens": 10**30}, "one request may ask for at most 16,384 tokens"),
        ({"n": 128, "max_tokens": int("9" * 4299)}, "one request may ask for at most 16,384 tokens"),
        ({"n": 2, "best_of": 1}, "best_of must be at least n"),
        ({"best_of": 2, "stream": True}, "best_of must be at least n, and equal to n in a stream"),
        ({"n": 100, "prompt": ["a", "b"]}, "one request may ask for at most 128 texts, not 200"),
        (
            {"echo": True, "logprobs": 1, "n": 128, "prompt": "a" * 1000},
            "one answer may echo at most 100,000 tokens",
        ),
        ({"seed": -1}, "seed must be from 0 to 2^64 - 1, not -1"),
        ({"prompt": []}, "prompt is an empty list"),
        ({"prompt": ["a", 1]}, "prompt must be a text"),
        ({"prompt": [10**6]}, "unknown token 1000000"),
        ({"prompt": [-1]}, "unknown token -1"),
        ({"prompt": "a" * 200_001}, "a prompt may have at most 200,000 tokens, not 200,001"),
        ({"logit_bias": {"a": 1}}, "logit_bias must name tokens of this model by their ids, not 'a'"),
        ({"logit_bias": {"99999999": 1}}, "logit_bias must name tokens"),
        ({"logit_bias": {"0" * 20 + "99999": 1}}, "logit_bias must name tokens"),
        ({"stream_options": {}}, "stream_options needs a stream"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(server: Serving, body: Any, says: str) -> None:
    sent = body if isinstance(body, bytes) else {"model": "tiny", **body}
    assert says in refusal(server, "/v1/completions", sent)
    assert server.is_idle()
