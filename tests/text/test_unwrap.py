"""Where lines and sentences end: wrapped prose is joined, and nothing else."""

from __future__ import annotations

import random
import re
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.sentences import sentence_ends, stops
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


def test_wrapped_prose_is_what_it_was_before() -> None:
    for columns in (50, 60, 65, 72, 78):
        text = paragraphs(40, columns)
        assert unwrapped(wrapped(text, columns)) == text


DRAW = random.Random(4)
SMALL = "\n\n".join("\n".join(" ".join(DRAW.choices(WORDS, k=7)) for _ in range(4)) for _ in range(100))
DECLARED = "extern int read_entry (struct entry *found, char *buffer);\n#define LONGEST (1 << 10)\n\n"
STAYS = {
    "a line per paragraph": paragraphs(40),
    "verse": f"{VERSE}\n" * 50,
    "verse in small letters": SMALL,
    "sentences of one length": "".join(f"The {k}th line of this book, and no more.\n" for k in range(100, 300)),
    "a play": PLAY * 20,
    "code": Path(textwrap.__file__).read_text(encoding="utf-8"),
    "wrapped prose in comments": f"/* {wrapped(paragraphs(1))} */\n\n{DECLARED}" * 20,
}


@pytest.mark.parametrize("text", STAYS.values(), ids=STAYS)
def test_all_else_keeps_its_lines(text: str) -> None:
    assert unwrapped(text) == text


def test_a_poem_a_heading_and_a_list_in_a_novel_keep_their_lines() -> None:
    kept = f"\nCHAPTER II\n\nCamden Place,\nMarch 3rd, 1811.\n\n{VERSE}\n\n- bread\n- and butter\n\n"
    prose = paragraphs(20)
    assert unwrapped(wrapped(prose) + kept + wrapped(prose)) == prose + kept + prose


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


LONG = wrapped(paragraphs(2000))
assert len(LONG) > 2 * PART


@settings(max_examples=5)
@given(st.lists(st.integers(0, len(LONG)), max_size=8).map(sorted))
def test_the_parts_do_not_depend_on_the_pieces(ends: list[int]) -> None:
    pieces = [LONG[start:end] for start, end in pairwise([0, *ends, len(LONG)])]
    assert [*unwrapped_parts(pieces)] == [*unwrapped_parts([LONG])]


def read(path: Path, **chosen: Any) -> tuple[str, int | None, list[str]]:
    with read_corpus([path], TextSettings(**chosen)) as corpus:
        text = "".join(text for _, text in corpus.pieces())
        assert len(text) == corpus.training_characters + corpus.validation_characters
        return text, corpus.unwrapped, corpus.notes


def test_a_corpus_of_wrapped_prose_is_joined_and_counted_unless_its_lines_are_kept(tmp_path: Path) -> None:
    (path := tmp_path / "novel.txt").write_text(folded := wrapped(paragraphs(50)), encoding="utf-8")
    text, joined, notes = read(path)
    assert text == paragraphs(50)
    assert joined == folded.count("\n") - text.count("\n")
    assert f"joined {joined:,} lines" in notes[0]
    assert str(path) in notes[0]
    assert read(path, unwrap="no") == (folded, None, [])
    assert read(path, lines=True)[1:] == (None, [])


def test_auto_leaves_a_text_with_little_wrapped_prose_as_it_is(tmp_path: Path) -> None:
    poem = f"{VERSE}\n\n" * 200 + wrapped(paragraphs(3)) * 2
    (path := tmp_path / "poems.txt").write_text(poem, encoding="utf-8")
    assert read(path) == (poem, None, [])
    text, joined, _ = read(path, unwrap="yes")
    assert joined
    assert text.startswith(f"{VERSE}\n\n" * 200)


FRAGMENTS = [*"aAI \n.!?…\"')”(–。」と", "Mr", "12", "--"]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)


@pytest.mark.parametrize(
    "marked",
    [
        "He came.| She went!| Who?| All of them.|",
        "Mr. Smith met Mrs. J. K. Jones, Prof. Moriarty and St. Paul in the U.S. Senate.| They spoke.|",
        "See p. 12, No. 5, e.g. Figure 3 and vol. 2 here.| No.| She would not.|",
        "Smith et al. 2013 paid 3.50 for version 2.1.| It is on www.example.org.| Good.|",
        "Henry VIII. King of England was taller than I.| The end.|",
        '"Go!" he said.| "Now?" asked she.| \'Yes.\'| (They went.)| [Exeunt.]|',
        "»Nein!« rief er.| „Doch.“| – Er kam am 3. Mai bzw. Juni, vgl. Abb. 4 hier.| Das war 1848.| Dann usw.|",
        "Well... it is. . . so…| But then...| And?!|",
        "Now now.|--\nThou art.|— What!--then go, all--",
        "BRUTUS.\nPeace, ho!| Hark!|\n\nCASSIUS. Who comes?|\n\nACT II.\n\nSCENE I. Rome.|\n\nSo.|",
        "1. Begin.|\n2. End.|\n3.1.2. Again.|",
        "The woods are lovely\nDark and deep\nAnd miles to go\n\nAnd miles",
        "¿Qué?| ¡Sí!| Bien.|",
        "好。|他走了！|「行く？」と言った。|「はい。」|",
        "هل جاء؟| نعم.| यह है।| ठीक है।|",
    ],
)
def test_sentences_end_where_a_reader_ends_them(marked: str) -> None:
    text = marked.replace("|", "")
    ends = sentence_ends(text)
    assert "|".join(text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)) == marked


def test_if_all_letters_are_small_a_small_letter_begins_a_sentence() -> None:
    text = "he came. she said to mr. smith, e.g. today."
    assert next(text[: stop.end] for stop in stops(text, cased=False) if stop.is_end) == "he came."
    assert sum(bool(stop.is_end) for stop in stops(text, cased=False)) == 2


@given(texts, texts)
def test_a_stop_that_is_decided_stays_so_whatever_follows(text: str, more: str) -> None:
    decided = [stop for stop in stops(text, is_whole=False) if stop.is_end is not None]
    assert decided == [*stops(text + more, is_whole=False)][: len(decided)]


@given(st.sampled_from([".", " ", '"', "(", ". ", "--"]), st.integers(0, 500))
def test_little_is_undecided_however_long_a_run_of_signs_is(sign: str, number: int) -> None:
    text = "Well." + sign * number
    undecided = [stop.begin for stop in stops(text, is_whole=False) if stop.is_end is None]
    assert len(text) - min(undecided, default=len(text)) <= 200
