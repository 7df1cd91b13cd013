"""Labelled lines: which are taken, and how many of the training part have each label."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import TextError
from afterword.text import lines
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.lines import count_labels

GOOD = "".join(f"{'ham' if k % 3 else 'Spam'}\tline {k}\n" for k in range(60))


def read(folder: Path, content: str, name: str = "mail.txt", **settings: str | bool) -> EncodedCorpus:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    chosen = TextSettings(**{"labels": True, "validation": "0.1", **settings})  # type: ignore[arg-type]
    with read_corpus([path], chosen) as corpus:
        return encode(corpus, learn_tokenizer(corpus, chosen.vocabulary, chosen.lowercase), folder)


def test_labels_imply_lines() -> None:
    assert TextSettings(labels=True).lines
    assert not TextSettings().lines


@pytest.mark.parametrize("vocabulary", ["char", "words"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_labels_of_the_training_part_are_counted_in_its_case(tmp_path: Path, vocabulary: str, lowercase: bool) -> None:
    found = read(tmp_path, GOOD, vocabulary=vocabulary, lowercase=lowercase)
    first = [line.partition("\t")[0] for line in found.texts("training")]
    assert found.labels == {label: first.count(label) for label in ("ham", "spam" if lowercase else "Spam")}
    assert sum(found.labels.values()) == found.documents < 60
    assert list(found.labels) == sorted(found.labels, key=lambda label: -found.labels[label])
    assert EncodedCorpus.open(tmp_path).labels == found.labels


def test_without_labels_there_are_none(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD, labels=False, lines=True).labels == {}


@given(st.lists(st.tuples(st.sampled_from("aAb"), st.text("xy\t", min_size=1))), st.integers(1, 9), st.booleans())
def test_the_first_tab_ends_the_label_in_any_pieces(lines: list[tuple[str, str]], size: int, lowercase: bool) -> None:
    text = "".join(f"{label}\t{line}\n" for label, line in lines)
    names = [label.lower() if lowercase else label for label, _ in lines]
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert count_labels(pieces, lowercase) == {label: names.count(label) for label in names}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no label here", "mail.txt:62 has no tab: with labels= every line is a label, a tab and a text"),
        ("\tno label", "mail.txt:62 has no label before its tab"),
        ("ham\t", "mail.txt:62 has no text after its tab"),
        ("new\t", "mail.txt:62 has no text after its tab"),
        ("\t", "mail.txt:62 has no label before its tab"),
    ],
)
def test_a_line_that_is_not_labelled_is_named(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(TextError) as refused:
        read(tmp_path, f"\n{GOOD}{line}\n{GOOD}")  # an empty line is none
    assert says in str(refused.value)


def test_a_line_of_the_second_file_is_named_by_its_own_number(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(GOOD)
    second.write_text(f"{GOOD}ham and eggs")
    for sources, validation in (([first, second], "0.1"), ([first], str(second))):
        with pytest.raises(TextError, match="second:61 has no tab"):
            read_corpus(sources, TextSettings(labels=True, validation=validation))


def test_too_many_labels_are_refused_where_they_become_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST", 3)
    read(tmp_path, f"{GOOD}egg\tone\nHAM\ttwo\n", lowercase=True)
    with pytest.raises(TextError, match=r"mail\.txt:62 has a new label; at most 3 different ones are allowed"):
        read(tmp_path, f"{GOOD}egg\tone\nHAM\ttwo\n")
