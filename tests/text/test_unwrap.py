"""Wrapped prose is joined, and nothing else; the setting travels with the model."""

from __future__ import annotations

import random
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import OptionError
from afterword.settings import made
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.unwrap import PART, unwrapped, unwrapped_parts

WORDS = re.findall(
    r"\w+",
    """the a of and in to was it that with his her on at for as had she he they from which into over under very
little great old young house river garden window letter morning evening walked looked thought found remembered carried
between nothing something through because another himself together presently understanding circumstances""",
)
VERSE = """Of Man's first disobedience, and the fruit
Of that forbidden tree whose mortal taste
Brought death into the World, and all our woe,
With loss of Eden, till one greater Man
Restore us, and regain the blissful seat,
Sing, Heavenly Muse, that, on the secret top
Of Oreb, or of Sinai, didst inspire
That shepherd who first taught the chosen seed"""
PLAY = """HEDDA. I do not understand you; you must have known that it was all over between the two of us, long ago,
and that nothing could bring it back again. And if you did not know it, then so much the worse for you.

TESMAN. But, good heavens, Hedda, what is it that you are saying to me? Think of it, that you should say
such a thing as this, here in our own house.

"""


def paragraphs(number: int, seed: int = 0) -> str:
    """Return prose in English words, one line per paragraph."""
    draw = random.Random(seed)

    def sentence() -> str:
        text = " ".join(draw.choice(WORDS) for _ in range(draw.randint(6, 25)))
        return text[0].upper() + text[1:] + "."

    return "\n\n".join(" ".join(sentence() for _ in range(draw.randint(1, 6))) for _ in range(number)) + "\n"


def wrapped(text: str, columns: int = 70) -> str:
    return "\n".join(textwrap.fill(line, columns) for line in text.split("\n"))


@pytest.mark.parametrize("columns", [50, 60, 65, 72, 78])
def test_wrapped_prose_is_what_it_was_before(columns: int) -> None:
    text = paragraphs(40, columns)
    assert unwrapped(wrapped(text, columns)) == text


def test_prose_with_one_line_per_paragraph_stays() -> None:
    assert unwrapped(paragraphs(40)) == paragraphs(40)


def test_a_poem_a_heading_and_a_list_in_a_novel_keep_their_lines() -> None:
    kept = f"\nCHAPTER II\n\nCamden Place,\nMarch 3rd, 1811.\n\n{VERSE}\n\n- bread\n- and butter\n\n"
    prose = paragraphs(20)
    assert unwrapped(wrapped(prose) + kept + wrapped(prose)) == prose + kept + prose


def test_verse_alone_keeps_its_lines() -> None:
    assert unwrapped(f"{VERSE}\n" * 50) == f"{VERSE}\n" * 50


def test_verse_without_capital_letters_keeps_its_lines() -> None:
    draw = random.Random(4)
    verses = "\n\n".join("\n".join(" ".join(draw.choices(WORDS, k=7)) for _ in range(4)) for _ in range(100))
    assert unwrapped(verses) == verses


def test_lines_that_are_sentences_of_one_length_stay() -> None:
    lines = "".join(f"The {k}th line of this book, and no more.\n" for k in range(100, 300))
    assert unwrapped(lines) == lines


def test_a_play_keeps_its_lines() -> None:
    assert unwrapped(PLAY * 20) == PLAY * 20


def test_code_keeps_its_lines() -> None:
    code = Path(textwrap.__file__).read_text(encoding="utf-8")
    assert unwrapped(code) == code


def test_comments_of_code_that_are_wrapped_prose_keep_their_lines() -> None:
    declared = "extern int read_entry (struct entry *found, char *buffer);\n#define LONGEST (1 << 10)\n\n"
    code = f"/* {wrapped(paragraphs(1))} */\n\n{declared}" * 20
    assert unwrapped(code) == code


def test_a_divided_word_is_put_together_if_the_text_has_it_whole() -> None:
    text = wrapped(paragraphs(20), 60)
    paragraph = """He had nothing that she could have thought of, but under-
standing, and so it was, to everybody in it, an old and well-
known house that they had looked at through the window.
"""
    read = unwrapped(f"{text}\n{paragraph}")
    assert "but understanding, and" in read
    assert "and well-known house" in read


def test_paragraphs_that_are_only_indented_are_joined_one_by_one() -> None:
    prose = paragraphs(30).rstrip("\n").split("\n\n")
    folded = "\n".join(textwrap.fill(one, 70, initial_indent="  ") for one in prose)
    assert unwrapped(folded) == "\n".join(f"  {one}" for one in prose)


@given(st.text(alphabet="aB .\n-—", max_size=300))
def test_no_text_loses_a_word(text: str) -> None:
    assert unwrapped(text).replace("-", "").split() == text.replace("-", "").split() or "-\n" in text


@settings(max_examples=5)
@given(st.lists(st.integers(1, 400_000), max_size=8))
def test_the_parts_do_not_depend_on_the_pieces(ends: list[int]) -> None:
    pieces, before = [], 0
    for end in sorted(ends):
        pieces.append(LONG[before:end])
        before = max(before, end)
    pieces.append(LONG[before:])
    assert [*unwrapped_parts(pieces)] == [*unwrapped_parts([LONG])]


LONG = wrapped(paragraphs(2000))
assert len(LONG) > 2 * PART


def read(path: Path, **chosen: str | bool) -> tuple[str, int | None, list[str]]:
    with read_corpus([path], TextSettings(**chosen)) as corpus:  # type: ignore[arg-type]
        text = "".join(text for _, text in corpus.pieces())
        assert len(text) == corpus.training_characters + corpus.validation_characters
        return text, corpus.unwrapped, corpus.notes


def test_a_corpus_of_wrapped_prose_is_joined_and_a_note_counts_the_lines(tmp_path: Path) -> None:
    (path := tmp_path / "novel.txt").write_text(wrapped(paragraphs(50)), encoding="utf-8")
    text, joined, notes = read(path)
    assert text == paragraphs(50)
    assert joined == wrapped(paragraphs(50)).count("\n") - text.count("\n")
    assert f"joined {joined:,} lines" in notes[0]
    assert str(path) in notes[0]


def test_no_keeps_the_lines_and_so_do_lines_and_labels(tmp_path: Path) -> None:
    folded = wrapped(paragraphs(50))
    (path := tmp_path / "novel.txt").write_text(folded, encoding="utf-8")
    assert read(path, unwrap="no") == (folded, None, [])
    assert read(path, lines=True)[1:] == (None, [])
    for option in ("lines", "labels"):
        with pytest.raises(OptionError, match="unwrap"):
            made(TextSettings, {"unwrap": "yes", option: True})


def test_auto_leaves_a_text_with_little_wrapped_prose_as_it_is(tmp_path: Path) -> None:
    poem = f"{VERSE}\n\n" * 200 + wrapped(paragraphs(3)) * 2
    (path := tmp_path / "poems.txt").write_text(poem, encoding="utf-8")
    assert read(path) == (poem, None, [])
    joined = read(path, unwrap="yes")
    assert joined[1]
    assert joined[0].startswith(f"{VERSE}\n\n" * 200)
