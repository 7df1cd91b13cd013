"""Rules, prompts, alternatives, copies and reports through the real command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from afterword.language_model import load
from afterword.operations.train import train
from afterword.text.encoded import EncodedCorpus
from tests.cli.answers import records
from tests.cli.conftest import Run
from tests.cli.test_generate import written


def test_a_pattern_is_matched_by_few_and_by_many(model: Path, lines_model: Path, run: Run) -> None:
    for num in ("3", "20"):
        options = ["--num", num, "--seed", "1", "--temperature", "2", "--max-tokens", "9", "--pattern", "(ab|c)+d?"]
        for place in (model, lines_model):
            texts = [record["text"] for record in records(run("generate", place, *options, "--json"))]
            assert len(texts) == int(num)
            assert all(re.fullmatch("(ab|c)+d?", text) and len(text) <= 9 for text in texts)


def test_each_line_of_a_file_is_a_prompt(model: Path, run: Run, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ab\n\ncdé\na\n", encoding="utf-8")
    for num in (1, 5):
        options = ["--prompts", prompts, "--num", str(num), "--seed", "4", "--max-tokens", "7", "--json"]
        found = records(run("generate", model, *options))
        assert [record["prompt"] for record in found] == [text for text in ("ab", "cdé", "a") for _ in range(num)]
        assert [record["seed"] for record in found] == list(range(4, 4 + 3 * num))
        loaded = load(model)
        for record in found:
            assert record["text"] == loaded.generate(record["prompt"], seed=record["seed"], max_tokens=7).text


def test_log_probabilities_are_those_of_score(lines_model: Path, run: Run) -> None:
    options = ["--seed", "3", "--temperature", "2", "--num", "10", "--log-probabilities", "3", "--json"]
    loaded = load(lines_model)
    for record in records(run("generate", lines_model, *options)):
        if record["finish_reason"] != "stop":
            continue
        [score] = loaded.score_lines([record["text"]])
        assert [piece["log_probability"] for piece in record["pieces"]] == pytest.approx(
            [-nats for nats in score.token_nats], abs=1e-5
        )
        for piece in record["pieces"]:
            likeliest = [one["log_probability"] for one in piece["alternatives"]]
            assert len(likeliest) == 3
            assert likeliest == sorted(likeliest, reverse=True)
            same = [one for one in piece["alternatives"] if one["id"] == piece["id"]]
            assert all(one["log_probability"] == pytest.approx(piece["log_probability"]) for one in same)


def test_nothing_long_is_copied(run: Run, tmp_path: Path) -> None:
    source, out = tmp_path / "text.txt", tmp_path / "run"
    source.write_text("ab ba cab abba bac. " * 40, encoding="utf-8")
    train(source, out=out, base="none", steps=40, threads=1, hidden_size=16)
    learned = EncodedCorpus.open(out / "corpus").texts("training")[0]
    for num in ("2", "10"):
        options = ["--num", num, "--seed", "1", "--max-tokens", "80", "--no-copy", "9", "--json"]
        for text in (record["text"] for record in records(run("generate", out, *options))):
            assert not any(text[k : k + 10] in learned for k in range(len(text) - 9))
    again = written(run("generate", out, "--seed", "1", "--max-tokens", "80", "--temperature", "0.1"))
    assert any(again[k : k + 10] in learned for k in range(len(again) - 9))
