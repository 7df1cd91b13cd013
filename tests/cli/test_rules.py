"""Rules, prompts, alternatives, copies and reports through the real command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from afterword.cli import main as command
from afterword.language_model import load
from afterword.text.encoded import EncodedCorpus
from tests.cli.conftest import Run
from tests.cli.test_generate import written


def test_a_pattern_is_matched_by_few_and_by_many(model: Path, lines_model: Path, run: Run) -> None:
    for num in ("3", "20"):
        options = ["--num", num, "--seed", "1", "--temperature", "2", "--max-tokens", "9", "--pattern", "(ab|c)+d?"]
        for place in (model, lines_model):
            texts = [
                json.loads(line)["text"] for line in written(run("generate", place, *options, "--json")).splitlines()
            ]
            assert len(texts) == int(num)
            assert all(re.fullmatch("(ab|c)+d?", text) and len(text) <= 9 for text in texts)


def test_rejected_texts_are_replaced_and_counted(lines_model: Path, run: Run) -> None:
    options = ["--num", "12", "--seed", "1", "--temperature", "2", "--without", "a", "--reject", "--json"]
    done = run("generate", lines_model, *options)
    records = [json.loads(line) for line in written(done).splitlines()]
    assert len(records) == 12
    assert not any("a" in record["text"] for record in records)
    loaded, tried = load(lines_model), records[-1]["seed"]
    assert f"12 of {tried:,} texts obeyed the rules" in done.stderr.decode()
    free = [loaded.generate(seed=seed, temperature=2).text for seed in range(1, tried + 1)]
    assert [record["text"] for record in records] == [text for text in free if "a" not in text]


def test_rejecting_reports_its_progress_and_the_time_left_and_gives_up_without_a_terminal(
    model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afterword.operations.generate.REPORT_EVERY", 0.0)
    options = ["generate", str(model), "--reject", "--seed", "1", "--temperature", "2", "--max-tokens", "9"]
    with pytest.raises(SystemExit):
        command.main([*options, "--num", "20", "--without", "a"])
    assert re.search(r"^\d+ of \d+ texts obeyed the rules, about .* left$", capfd.readouterr().err, re.MULTILINE)
    monkeypatch.setattr("afterword.generation.writer.PATIENCE", 0.1)
    with pytest.raises(SystemExit) as left:
        command.main([*options, "--pattern", "a{9}"])
    out, err = capfd.readouterr()
    assert (left.value.code, out) == (1, "")
    assert "0 of 1 texts obeyed the rules, stops after 2:00 without one\n" in err
    assert err.splitlines()[-1].startswith("error: no text obeyed the rules for 0 s: leave out --reject")


def test_each_line_of_a_file_is_a_prompt(model: Path, run: Run, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ab\n\ncdé\na\n", encoding="utf-8")
    for num in (1, 5):
        options = ["--prompts", prompts, "--num", str(num), "--seed", "4", "--max-tokens", "7", "--json"]
        records = [json.loads(line) for line in written(run("generate", model, *options)).splitlines()]
        assert [record["prompt"] for record in records] == [text for text in ("ab", "cdé", "a") for _ in range(num)]
        assert [record["seed"] for record in records] == list(range(4, 4 + 3 * num))
        loaded = load(model)
        for record in records:
            assert record["text"] == loaded.generate(record["prompt"], seed=record["seed"], max_tokens=7).text
    (tmp_path / "empty").write_text("\n")
    assert b"has no line to continue" in run("generate", model, "--prompts", tmp_path / "empty").stderr


def test_the_best_of_several_is_written_again_by_its_seed_alone(lines_model: Path, run: Run) -> None:
    options = ["--seed", "7", "--temperature", "2", "--json"]
    best = [
        json.loads(line)
        for line in written(run("generate", lines_model, *options, "--num", "3", "--best-of", "4")).splitlines()
    ]
    each = [json.loads(line) for line in written(run("generate", lines_model, *options, "--num", "12")).splitlines()]
    assert best == [max(each[k : k + 4], key=lambda one: one["log_probability"] / one["tokens"]) for k in (0, 4, 8)]


def test_log_probabilities_are_those_of_score(lines_model: Path, run: Run) -> None:
    options = ["--seed", "3", "--temperature", "2", "--num", "10", "--log-probabilities", "3", "--json"]
    loaded = load(lines_model)
    for line in written(run("generate", lines_model, *options)).splitlines():
        record = json.loads(line)
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


def test_biases_minimum_lengths_and_a_changing_temperature(lines_model: Path) -> None:
    loaded = load(lines_model)
    biased = loaded.generate(seed=1, max_tokens=50, logit_bias={"a": -1000, "<|end|>": -1000}).text
    assert "a" not in biased
    assert len(biased) == 50
    assert min(len(one.text) for one in loaded.samples(num=50, seed=0, temperature=2, min_tokens=6)) >= 6
    cooled = loaded.generate(seed=1, temperature=2, final_temperature=0, max_tokens=60, min_tokens=60).pieces
    assert cooled is None
    greedy = loaded.generate(temperature=0, final_temperature=0, max_tokens=20, seed=1)
    assert greedy.text == loaded.generate(temperature=0, max_tokens=20, seed=5).text
    even = loaded.generate(temperature=1.5, final_temperature=1.5, max_tokens=20, seed=1)
    assert even.text == loaded.generate(temperature=1.5, max_tokens=20, seed=1).text


def test_nothing_long_is_copied_and_the_report_says_so(run: Run, tmp_path: Path) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("ab ba cab abba bac. " * 40, encoding="utf-8")
    settings = ["--base", "none", "--steps", "40", "--threads", "1", "--hidden-size", "16", "--out", out]
    assert run("train", text, *settings).returncode == 0
    learned = EncodedCorpus.open(out / "corpus").texts("training")[0]
    for num in ("2", "10"):
        options = ["--num", num, "--seed", "1", "--max-tokens", "80", "--no-copy", "9", "--json", "--report"]
        done = run("generate", out, *options)
        for line in written(done).splitlines():
            found = json.loads(line)["text"]
            assert not any(found[k : k + 10] in learned for k in range(len(found) - 9))
        assert b"in copies of 20+" in done.stderr
    again = written(run("generate", out, "--seed", "1", "--max-tokens", "80", "--temperature", "0.1"))
    assert any(again[k : k + 10] in learned for k in range(len(again) - 9))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--pattern", "(a"], "pattern is invalid: unclosed group"),
        (["--pattern", "xyz"], "no text of the characters that this model knows can match pattern"),
        (["--pattern", "a", "--starts-with", "b"], "can match pattern and starts-with"),
        (["--pattern", "a{9}", "--max-tokens", "5"], "no text of 0 to 5 characters (max-tokens) can match pattern"),
        (["--pattern", "a" * 200_000], "pattern is too large"),
        (["--pattern", "a", "--stop", "b"], "stop and a rule exclude each other"),
        (["--reject"], "reject is about rules"),
        (["--logit-bias", "e"], "logit-bias must be a token and a number"),
        (["--logit-bias", "ab=1"], "logit-bias must name a token of this model"),
        (["--logit-bias", "a=nan"], "logit-bias must be a token and a number"),
        (["--min-tokens", "9", "--max-tokens", "5"], "min-tokens must be at most --max-tokens, which is 5"),
        (["--repetition-penalty", "0.5"], "repetition-penalty must be 1 or more"),
        (["--no-copy", "2"], "no-copy must be 4 or more"),
        (["--no-copy", "20"], "is not available: give the folder of its run"),
        (["--report"], "is not available: give the folder of its run"),
        (["--log-probabilities", "2"], "give --json too"),
        (["--prompts", "no/such"], "cannot read no/such"),
        (["--prompts", "a", "--prompt", "b"], "--prompt cannot be used with --prompts"),
        (["--best-of", "0"], "best-of must be 1 or more"),
        (["--label", "x"], "knows no labels"),
    ],
)
def test_what_cannot_be_gets_one_line_and_status_2(
    model: Path, options: list[str], says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["generate", str(model), "--seed", "1", *options])
    out, err = capfd.readouterr()
    assert (left.value.code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert says in err


def test_what_was_found_is_kept_where_no_more_comes(lines_model: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "lines.txt"
    done = run("generate", lines_model, "--num", "9", "--seed", "5", "--unique", "--pattern", "ab", "--out", out)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("error: wrote 1 of 9 lines")
    assert out.read_text("utf-8") == "ab\n"
