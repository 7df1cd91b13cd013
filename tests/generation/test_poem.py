"""Laws of poems: their form is what was asked for, and their seed writes them again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import afterword
from afterword.errors import OptionError, WorkError
from afterword.generation.poem import Verse, rhymes, unrhymed, write_poem
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Writer
from afterword.learning import device
from afterword.model.folder.defaults import LINES
from afterword.model.folder.saved import SavedModel, save_model
from afterword.operations.generate import Generate, Written, generate
from tests.generation.test_ending import model

VERSES = "And on the hill the grass was long,\nAnd in the wood a blackbird sang its song;\n"
VERSE = model("\n aebdgAB")._saved
BIAS = np.array([-1.5, 0.7, -1, -1, 1, 2, 1.5, 1.5, 1.5, -9, -9], np.float32)[: VERSE.config.vocabulary_size]


POET = dataclasses.replace(VERSE, weights={**VERSE.weights, "output.bias": BIAS})
FREE: dict[str, Any] = {"temperature": 1, "min_p": 0, "new_word_p": 0}


def written(seed: int = 1, prompt: str | None = "Abe\n", **form: Any) -> Sample:
    return write_poem(writing(POET), Sampling(**FREE), Verse(poem=True, **form), prompt, seed)


def writing(saved: SavedModel) -> Callable[[Sampling], Writer]:
    return lambda sampling: Writer(saved, saved.predictor(), sampling)


@pytest.mark.parametrize(("stanzas", "lines"), [(1, 1), (2, 3), (3, 2)])
def test_a_poem_has_so_many_stanzas_of_so_many_lines(stanzas: int, lines: int) -> None:
    poem = written(stanzas=stanzas, stanza_lines=lines).text
    assert [len(stanza.split("\n")) for stanza in poem.split("\n\n")] == [lines] * stanzas
    each = [line for line in poem.split("\n") if line]
    assert len({line.split()[-1].lower() for line in each}) == len(each)
    assert all(line[0].isalpha() and 12 <= len(line) <= 60 for line in each)


def test_the_same_seed_writes_the_same_poem() -> None:
    assert written(3, stanzas=1).text == written(3, stanzas=1).text != written(4, stanzas=1).text


def test_a_poem_begins_with_its_prompt() -> None:
    poem = written(prompt="Ab\nda be", stanzas=1, stanza_lines=2)
    assert poem.prompt == "Ab\nda be"
    assert all(12 <= len(line) <= 60 for line in str(poem).split("\n")[1:])


def test_lines_rhyme_as_asked_for() -> None:
    def pairs(rhyme: str) -> tuple[int, int]:
        """Count the lines that rhyme with the next one, and with the one after it."""
        poems = [written(seed, rhyme=rhyme, stanzas=3).text for seed in (1, 2)]
        each = [stanza.split("\n") for poem in poems for stanza in poem.split("\n\n")]
        nexts = sum(rhymes(lines[k], lines[k + 1]) for lines in each for k in (0, 2))
        return nexts, sum(rhymes(lines[k], lines[k + 2]) for lines in each for k in (0, 1))

    by_chance = pairs("none")  # of 12 each; most candidates of this tiny model rhyme with nothing
    assert pairs("couplets")[0] > 2 * by_chance[0]
    assert pairs("alternate")[1] > 2 * by_chance[1]


def test_a_rhyme_is_spelled_alike_from_the_last_vowels_on_and_is_not_the_same_word() -> None:
    for one, two in [
        ("the night,", "a light."),
        ("in May", "the way!"),
        ("my love;", "the dove"),
        ("it's bliss", "a kiss'"),
    ]:
        assert rhymes(one, two)
    for one, two in [
        ("the night", "a night."),
        ("the sky", "a fly"),
        ("a stone", "a storm"),
        ("…", "—"),
        ("her", "daughter"),
        ("father", "water"),
        ("a brr", "a grr"),
    ]:
        assert not rhymes(one, two)


def test_a_line_without_its_rhyme_has_its_number() -> None:
    poem = Sample("O hill,\nA sto", "ne\nThe night\nA bone\n\nA light\nThe storm\nMay", 0, 0, "stop", 0)
    assert unrhymed(poem, Verse(poem=True, stanza_lines=3, rhyme="alternate")) == [6]
    assert unrhymed(poem, Verse(poem=True, stanza_lines=3, rhyme="couplets")) == [2, 5]
    assert unrhymed(poem, Verse(poem=True, stanza_lines=3)) == []


def test_models_that_write_no_verse_are_refused() -> None:
    lines = dataclasses.replace(VERSE)
    lines.writing = LINES
    with pytest.raises(OptionError, match=r"poem=? is for models of running text"):
        write_poem(writing(lines), Sampling(), Verse(poem=True), None, 0)
    endless = model("abAB")._saved
    for prompt, why in ((None, "hardly writes verse by itself"), ("a", "no line of .* characters was written")):
        with pytest.raises(WorkError, match=why):
            write_poem(writing(endless), Sampling(temperature=1), Verse(poem=True), prompt, 0)


def test_the_form_needs_a_poem_which_excludes_other_ends() -> None:
    with pytest.raises(OptionError, match=r"stanzas.*needs.*poem"):
        Generate("english", stanzas=2)
    for other in ({"max_tokens": 9}, {"sentences": 1}, {"contains": "a"}, {"stop": "a"}, {"best_of": 2}):
        with pytest.raises(OptionError, match="cannot be used with"):
            Generate("english", poem=True, **other)


def test_generate_writes_poems_which_begin_a_line_after_a_file_of_whole_lines(tmp_path: Path) -> None:
    save_model(tmp_path / "poet", POET, "")
    form = FREE | {"poem": True, "stanzas": 1, "stanza_lines": 1, "seed": 5}
    poems = list(generate(str(tmp_path / "poet"), prompt="Abe\n", num=2, **form))
    assert len({poem.text for poem in poems}) == 2
    assert all(isinstance(poem, Written) and "\n" not in poem.text for poem in poems)
    (file := tmp_path / "verses").write_text("Abe\n")
    [read] = generate(str(tmp_path / "poet"), prompt_file=file, **form)
    assert str(read) == str(poems[0])


def test_a_poem_copies_no_more_of_the_training_text_than_it_may(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    # where another processor is imitated, PyTorch finds this one's bfloat16, and oneDNN does not
    monkeypatch.setattr(device, "_precision_of_this_processor", lambda hidden_size: "float32")
    text = (
        "The grass was long and green,\nA bird sang in the wood;\nThe best that I have seen,\nAnd it was very good.\n"
    )
    (file := tmp_path / "verse.txt").write_text(text * 30, encoding="utf-8")
    model = afterword.train(file, steps=30, hidden_size=16, base="none", threads=1, out=tmp_path / "run")
    options: dict[str, Any] = {"prompt": VERSES, "poem": True, "stanzas": 1, "stanza_lines": 2, "seed": 1}
    poem = next(iter(generate(str(tmp_path / "run"), **options, no_copy=8, rhyme="couplets")))
    assert isinstance(poem, Written)
    learned = "".join(model.learned_from().texts("training"))
    assert not any(poem.text[k : k + 9] in learned for k in range(len(poem.text) - 8))
