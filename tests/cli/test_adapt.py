"""`afterword score --adapt` and `afterword generate --adapt` through the real command."""

from __future__ import annotations

import json
import os
from pathlib import Path

from afterword.language_model import load
from tests.cli.answers import records
from tests.cli.conftest import Run

TEXT = "abcdé dcbaé abcdc\n" * 20


def test_what_a_text_says_again_costs_less_and_the_model_stays_as_it_was(mixed_model: Path, run: Run) -> None:
    plain = records(run("score", mixed_model, "-", "--json", input=TEXT.encode()))[0]
    before = {path.name: path.read_bytes() for path in mixed_model.iterdir()}
    finished = run("score", mixed_model, "-", "--adapt", "--json", input=TEXT.encode())
    adapted = json.loads(finished.stdout)
    assert adapted["adapted"] == ["lstm", "ngram"]
    assert adapted["bits_per_character"] < 0.6 * plain["bits_per_character"]
    assert adapted["both"] < plain["both"]
    assert adapted["lstm"] < plain["lstm"]
    assert adapted["ngram"] < plain["ngram"]
    assert {path.name: path.read_bytes() for path in mixed_model.iterdir()} == before


def test_files_are_learned_from_one_after_the_other(mixed_model: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text(TEXT)
    rows = [json.loads(row) for row in run("score", mixed_model, file, file, "--adapt", "--json").stdout.splitlines()]
    assert rows[1]["bits_per_character"] < 0.95 * rows[0]["bits_per_character"]
    lines = run("score", mixed_model, file, "--adapt", "--lines", "--json").stdout.splitlines()
    costs = [json.loads(line)["bits"] for line in lines]
    assert len(costs) == 20
    assert costs[-1] < 0.5 * costs[0]


def test_without_pytorch_the_n_gram_alone_adapts_and_that_is_said(mixed_model: Path, run: Run, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'torch' else find(name, package)\n"
    )
    found = {}
    for using in ("both", "ngram", "lstm"):
        source = str(Path(load.__code__.co_filename).parents[1])
        path = {"PYTHONPATH": f"{hidden}{os.pathsep}{source}"}
        words = ("score", mixed_model, "-", "--adapt", "--json", "--with", using)
        found[using] = run(*words, input=TEXT.encode(), fresh=True, **path)
    both, ngram = (json.loads(found[using].stdout) for using in ("both", "ngram"))
    assert both["adapted"] == ngram["adapted"] == ["ngram"]
    assert b"only the n-gram adapts" in found["both"].stderr
    assert ngram["ngram"] == both["ngram"]
    assert not found["ngram"].stderr
    assert found["lstm"].returncode == 2
    assert b"pip install" in found["lstm"].stderr


def test_writing_after_a_prompt_uses_what_the_prompt_says(mixed_model: Path) -> None:
    model = load(mixed_model, using="ngram")
    prompt = "dcabbadc " * 5
    adapted = model.adapted(prompt)
    plain, again = (m.generate(prompt, max_tokens=40, temperature=0).text for m in (model, adapted))
    assert "dcabbadc" in again
    assert "dcabbadc" not in plain


def test_the_command_writes_what_the_adapted_model_writes(mixed_model: Path, run: Run) -> None:
    finished = run("generate", mixed_model, "--adapt", "--prompt", "abcabc", "--seed", "3", "--max-tokens", "20")
    expected = str(load(mixed_model).adapted("abcabc").generate("abcabc", seed=3, max_tokens=20))
    assert finished.stdout.decode().rstrip("\n") == expected.rstrip("\n")
