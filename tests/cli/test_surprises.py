"""`afterword surprises` through the real command."""

from __future__ import annotations

import gzip
import html
import re
import sys
from pathlib import Path

import pytest

import afterword
from afterword.language_model import load
from afterword.model.folder.saved import SavedModel, save_model
from afterword.model.network.config import Config
from afterword.model.ngram.tables import Ngram, start_row
from afterword.operations.demo import PLAY
from afterword.text.characters import CharTokenizer
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.terminals import on_a_terminal
from tests.tiny import random_weights

TEXT = 'ab é\n\nd,"cb\x1b☃\n'
COMMAND = [sys.executable, "-m", "afterword", "surprises"]


def test_without_colours_there_is_a_row_for_each_character_and_the_sum_on_standard_error(
    model: Path, run: Run, text: Path
) -> None:
    finished = run("surprises", model, text)
    head, *rows = finished.stdout.decode().splitlines()
    assert head.split() == ["line", "column", "bits", "text", "expected"]
    assert len(rows) == len(TEXT)
    assert rows[2].split()[3] == "␣"
    assert rows[-3].split()[3] == "<1B>"
    told = finished.stderr.decode()
    assert f"{load(model).score(TEXT).bits_per_character:.3f} bits per character, {len(TEXT)} characters" in told
    learned = [surprise for surprise in load(model).surprises(TEXT) if not surprise.unlearned]
    most = max(learned, key=lambda surprise: surprise.bits)
    assert f"{most.line}:{most.column}  {most.bits:5.1f} bits" in told


@pytest.fixture
def prose(tmp_path: Path) -> Path:
    """A model of a play on one line: it saw neither two spaces in a row nor tabs."""
    text = " ".join(gzip.decompress(PLAY.read_bytes()).decode()[:20_000].split())
    tokenizer = CharTokenizer.of(text + "\n")
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=4, hidden_size=6, num_layers=1)
    weights, unseen = random_weights(config, scale=0.1), [tokenizer.rows - 1]
    about = {"recipe": "auto", "lines": False, "corpus": {"sources": ["prose.txt"]}, "validation": None}
    saved = SavedModel(config, weights, tokenizer, unseen, about)
    saved.ngram = Ngram.learn(
        tokenizer.encode(text), tokenizer.rows, config.vocabulary_size - 2, start_row(tokenizer, False)
    )
    saved.mixture_weight = 0.95
    save_model(tmp_path / "prose", saved, "# Prose\n")
    return tmp_path / "prose"


def test_two_spaces_after_full_stops_and_unknown_characters_are_named_once_and_not_listed(
    prose: Path, run: Run, tmp_path: Path
) -> None:
    draft, page = tmp_path / "draft.txt", tmp_path / "page.html"
    draft.write_text("\ufeffHe came.  Caesar saw.  I \ufeffgo ☃ home.\t\tWell☃\n\n\n   All is. Lost", encoding="utf-8")
    named = "␣␣ (1:10), <FEFF> (1:26), ☃ (1:30), → (1:37), ↵↵ (2:1)"
    note = f"never learned, so not among the most surprising: {named}"
    for form in ([], ["--json"], ["--csv"], ["--top", "60"], ["--html", page]):
        finished = fine(run("surprises", prose, draft, *form))
        assert finished.stderr.decode().count(note) == 1
        assert "[␣]" not in finished.stderr.decode()
    top = records(run("surprises", prose, draft, "--top", "60", "--json"))
    assert [one for one in top if one["unlearned"]] == []
    assert len(top) == sum(not one.unlearned for one in load(prose).surprises(draft.read_text(encoding="utf-8")))
    assert html.escape(f"N{note[1:]}.") in page.read_text(encoding="utf-8")


def test_a_terminal_shows_the_text_on_its_shades_and_obeys_none_of_it(model: Path, text: Path) -> None:
    source = str(Path(afterword.__file__).parents[1])
    environment = {"PYTHONPATH": source, "TERM": "xterm-256color", "COLUMNS": "80"}
    status, printed = on_a_terminal(*COMMAND, model, text, env=environment)
    assert status == 0
    assert "\x1b[" in printed
    plain = re.sub(r"\x1b\[[\d;]*m", "", printed).replace("\r\n", "\n")
    assert plain.startswith('ab é↵\n↵\nd,"cb<1B>☃↵\n\n0.5 bits ')
    assert "most surprising:" in plain
    assert not re.search("[\x00-\x09\x0b-\x1f]", plain)
    _, without = on_a_terminal(*COMMAND, model, text, env={**environment, "NO_COLOR": "1"})
    assert "\x1b" not in without
    assert without.split()[:5] == ["line", "column", "bits", "text", "expected"]
