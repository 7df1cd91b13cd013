from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.text.sentences import sentence_ends, stops

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
