"""Laws of /v1/next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.language_model import load
from afterword.model.network.network import log_probabilities
from tests.serving.server import Serving


def expected(server: Serving, **body: Any) -> Any:
    return server.answer("/v1/next", **body)["data"]


@pytest.mark.parametrize("name", ["tiny", "mixed", "lines"])
def test_the_probabilities_are_the_models_own(server: Serving, models: Path, name: str) -> None:
    model = load(models / name)
    own = np.exp(log_probabilities(model.read("abé").logits[0]))
    found = expected(server, model=name, prompt="abé")
    assert [one["probability"] for one in found] == pytest.approx([own[one["id"]] for one in found], rel=1e-5)
    assert [one["probability"] for one in found] == sorted((one["probability"] for one in found), reverse=True)
    assert {one["token"] for one in found} == {*"abcdé", "<|end|>", *([] if name == "lines" else "\n")}
    assert {one["token"]: one["text"] for one in found if one["text"] != one["token"]} == {"<|end|>": ""}


def test_what_is_left_is_what_is_drawn(server: Serving) -> None:
    settings = {"temperature": 0.7, "top_k": 4, "top_p": 0.9, "min_p": 0.1}
    left = {one["token"]: one["after"] for one in expected(server, model="tiny", prompt="ab", **settings)}
    assert sum(left.values()) == pytest.approx(1)
    asked = {"model": "tiny", "prompt": "ab", "max_tokens": 1, "n": 100, "logprobs": 0, **settings}
    drawn = [
        choice["logprobs"]["tokens"][0]
        for seed in range(5)
        for choice in server.complete(**asked, seed=seed * 100)["choices"]
    ]
    for token, after in left.items():
        assert drawn.count(token) / 500 == pytest.approx(after, abs=0.1)
        assert after > 0 or token not in drawn
    greedy = [one["after"] for one in expected(server, model="tiny", prompt="ab", temperature=0)]
    assert greedy == [1, *[0] * (len(greedy) - 1)]


def test_parts_and_holds_are_those_of_completions(server: Serving) -> None:
    usual = expected(server, model="mixed", prompt="ab")
    for changed in ({"with": "ngram"}, {"with": "lstm"}, {"hold": ["forget=0"]}):
        assert expected(server, model="mixed", prompt="ab", **changed) != usual


def test_a_text_that_was_read_before_is_gone_on_with(server: Serving, models: Path) -> None:
    text, model = "abécd\n" * 60, load(models / "tiny")
    for length in (200, 1, 201, 360):
        own = np.exp(log_probabilities(model.read(text[:length]).logits[0]))
        found = expected(server, model="tiny", prompt=text[:length])
        assert [one["probability"] for one in found] == pytest.approx([own[one["id"]] for one in found], rel=1e-4)
    assert server.gauge("remembered_bytes") > 0
    assert server.is_idle()


@pytest.mark.parametrize("name", ["tiny", "mixed", "lines"])
def test_words_are_listed_if_they_are_asked_for(server: Serving, models: Path, name: str) -> None:
    model = load(models / name)
    for prompt in ("", "ab", "abé\n", "ab"):  # the last is remembered
        answer = server.answer("/v1/next", model=name, prompt=prompt, words=4)
        own = model.next_words(prompt or None, 4)
        assert [one["text"] for one in answer["words"]] == [one.text for one in own]
        assert [one["probability"] for one in answer["words"]] == pytest.approx(
            [one.probability for one in own], rel=1e-4
        )
        assert answer["data"] == expected(server, model=name, prompt=prompt)
    assert "words" not in server.answer("/v1/next", model=name, prompt="ab")
    assert server.answer("/v1/next", model=name, prompt="ab", words=None) == server.answer(
        "/v1/next", model=name, prompt="ab"
    )
    for wrong in (0, 21, 1.5):
        refused = server.post("/v1/next", {"model": name, "prompt": "ab", "words": wrong})
        assert refused.status == 400
        assert refused.json["error"]["param"] == "words"
