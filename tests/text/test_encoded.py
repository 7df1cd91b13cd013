from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import OptionError, RunError, StorageError, TextError
from afterword.text import decoding, vocabularies
from afterword.text import tokenizer as tokenizing
from afterword.text.characters import CharTokenizer, single_characters
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.tokenizer import BYTES, END, Ids, Tokenizer

TEXT = "The quick brown fox jumps over the lazy dog. Sphinx of black quartz, judge my vow!\nЖüß日\n"


def encoded(folder: Path, text: str, tokenizer: Tokenizer | None = None, **settings: Any) -> EncodedCorpus:
    (folder / "text").write_bytes(text.encode())
    chosen = TextSettings(**{"validation": "0.1", **settings})
    with read_corpus([folder / "text"], chosen) as corpus:
        return encode(corpus, tokenizer or learn_tokenizer(corpus, chosen.vocabulary, chosen.lowercase), folder)


def learned(folder: Path, vocabulary: str, lowercase: bool = False, **settings: Any) -> Tokenizer:
    with read_corpus([folder / "text"], TextSettings(**settings)) as corpus:
        return learn_tokenizer(corpus, vocabulary, lowercase)


def bytes_of(corpus: EncodedCorpus) -> tuple[int, int]:
    """The length of both parts in UTF-8, as recorded."""
    facts = json.loads((corpus.folder / "corpus.json").read_bytes())
    return facts["training"]["bytes"], facts["validation"]["bytes"]


@pytest.mark.parametrize("vocabulary", ["char", "words"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_the_parts_decode_to_the_text(tmp_path: Path, vocabulary: str, lowercase: bool) -> None:
    text = TEXT * 3 + "x" * 70
    found = encoded(tmp_path, text, validation="0.3", vocabulary=vocabulary, lowercase=lowercase)
    tokenizer = learned(tmp_path, vocabulary, lowercase, validation="0.3")
    parts = tokenizer.decode(found.training), tokenizer.decode(found.validation)
    assert "".join(parts) == tokenizer.normalise(text)
    assert found.training_characters + found.validation_characters == len(text)
    assert found.validation_characters == round(0.3 * len(text))
    assert bytes_of(found) == tuple(len(part.encode()) for part in parts)
    assert (found.sources, found.lines) == (["text"], False)
    assert found.documents == 1


def test_the_vocabulary_is_that_of_the_training_part_in_its_own_case(tmp_path: Path) -> None:
    text = "AbİΣ" * 25 + "Z" * 10
    found = encoded(tmp_path, text, lowercase=True)
    tokenizer = CharTokenizer.of("abi\u0307σ")
    assert tokenizer.decode(found.training[:5]) == "abi\u0307σ"
    assert found.validation.tolist() == [*tokenizer.encode("σ").tolist(), *[tokenizer.rows - 1] * 10]
    assert (found.training_characters, found.validation_characters) == (99, 11)


def test_lines_end_in_the_boundary_token(tmp_path: Path) -> None:
    lines = [f"line {number} é" for number in range(100)]
    for vocabulary in ("char", "words"):
        found = encoded(tmp_path, "\n\n".join(lines), lines=True, vocabulary=vocabulary)
        tokenizer, documents = found.tokenizer, list[str]()
        assert "\n" not in tokenizer.characters
        counts = [found.training_characters, found.validation_characters]
        for part, characters in zip([found.training, found.validation], counts, strict=True):
            ends = np.flatnonzero(part == tokenizer.end)
            assert ends[-1] == len(part) - 1
            some = [tokenizer.decode(piece) for piece in np.split(part, ends + 1)[:-1]]
            assert characters == sum(len(line) + 1 for line in some)
            documents += some
        assert sorted(documents) == sorted(lines)
        assert found.lines
        assert tokenizer.end not in found.unseen
        first = documents[: found.documents]
        assert bytes_of(found)[0] == sum(len(line.encode()) + 1 for line in first)


@pytest.mark.parametrize(
    ("characters", "name"), [(254, "uint8"), (255, "uint16"), (65_534, "uint16"), (65_535, "uint32")]
)
def test_rows_take_the_bytes_that_they_need(tmp_path: Path, characters: int, name: str) -> None:
    text = "".join(map(chr, range(0x10000, 0x10000 + characters)))
    found = encoded(tmp_path, text, CharTokenizer.of(text), validation=None)
    assert found.training.dtype == np.dtype(name).newbyteorder("<")
    assert (tmp_path / "training.bin").stat().st_size == len(found.training) * found.training.dtype.itemsize
    assert found.training.tolist() == list(range(found.training_characters))
    assert (len(found.validation), found.validation_characters, bytes_of(found)[1]) == (0, 0, 0)  # that part is empty


def test_what_was_encoded_is_mapped_cannot_be_written_and_can_be_opened_again(tmp_path: Path) -> None:
    found, again = encoded(tmp_path, TEXT), EncodedCorpus.open(tmp_path)
    assert isinstance(found.training, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found.training[0] = 1
    for one, other in ((again.training, found.training), (again.validation, found.validation)):
        assert one.tolist() == other.tolist()
    assert again.fingerprint == found.fingerprint
    assert sorted(os.listdir(tmp_path)) == ["corpus.json", "text", "tokenizer.json", "training.bin", "validation.bin"]


def test_the_fingerprint_tells_texts_splits_and_tokenizers_apart(tmp_path: Path) -> None:
    kinds: list[dict[str, Any]] = [{}, {"validation": "0.2"}, {"vocabulary": "words"}, {"lowercase": True}]
    kinds.append({"vocabulary": "words", "lowercase": True})
    prints = [encoded(tmp_path, text, **kind).fingerprint for text in (TEXT, TEXT + "!") for kind in kinds]
    assert len(set(prints)) == len(prints)
    assert encoded(tmp_path, TEXT).fingerprint == prints[0]


@settings(max_examples=30)
@given(st.text("abcdé☃", min_size=64), st.sampled_from(["char", "words", "classic"]), st.booleans())
def test_unseen_rows_are_those_that_the_training_text_lacks(text: str, vocabulary: str, lines: bool) -> None:
    kind: dict[str, Any] = {"vocabulary": vocabulary, "validation": "0.3", "lines": lines}
    if vocabulary == "classic":
        kind |= {"validation": None, "lines": False, "lowercase": True}
    with tempfile.TemporaryDirectory() as place:
        found = encoded(Path(place), "ab\nba\naab\nbba\n" + text, **kind)
        assert found.unseen == sorted(set(range(found.tokenizer.rows)) - set(found.training.tolist()))


def test_what_the_classic_recipe_does_not_know_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(TEXT)
    (tmp_path / "held").write_text("the 日 œ")
    settings = TextSettings(vocabulary="classic", validation=str(tmp_path / "held"))
    with read_corpus([tmp_path / "text"], settings) as corpus:
        tokenizer = learn_tokenizer(corpus, "classic", True)
        with pytest.raises(TextError, match=r"'œ' at character 6 is not one of them$"):
            encode(corpus, tokenizer, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["held", "text"]


def test_ids_of_symbols_do_not_depend_on_how_the_text_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "READ_AT_ONCE", 1 << 12)
    monkeypatch.setattr(tokenizing, "LONGEST_LINE", 1 << 8)
    text = TEXT * 100 + " wing" * 300 + "\n" + TEXT
    found = encoded(tmp_path, text, validation=None, vocabulary="words")
    assert np.array_equal(found.training, learned(tmp_path, "words").encode(text))
    assert len(found.training) < 0.8 * len(text)


@pytest.mark.parametrize("name", ["corpus.json", "training.bin", "validation.bin"])
@pytest.mark.parametrize("damage", ["gone", "short", "long"])
def test_a_damaged_folder_is_refused_in_one_line(tmp_path: Path, name: str, damage: str) -> None:
    encoded(tmp_path, TEXT)
    path = tmp_path / name
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[:-3] if damage == "short" else content + b"  x")
    with pytest.raises(RunError, match=r"^[^\n]+$"):
        EncodedCorpus.open(tmp_path)


CHANGES: dict[str, list[Any]] = {
    "dtype": ["object", ["uint16"]],
    "training": [{"tokens": "9", "characters": 9}, {"tokens": 10**30, "characters": 9, "bytes": 9}, []],
    "validation": [{"tokens": 9, "characters": 9}],
    "lines": [1],
    "fingerprint": [None],
    "unseen": [3, [-1], ["3"]],
    "documents": [None],
    "sources": ["text"],
}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        *((name, value, r"^the encoded text in [^\n]+ is damaged") for name in CHANGES for value in CHANGES[name]),
        ("format", 2, r"has the format 2, and this Afterword reads 1: use the version"),
    ],
)
def test_an_invalid_or_later_corpus_file_is_refused_in_one_line(
    tmp_path: Path, name: str, value: Any, says: str
) -> None:
    encoded(tmp_path, TEXT)
    facts = json.loads((tmp_path / "corpus.json").read_text())
    (tmp_path / "corpus.json").write_text(json.dumps(facts | {name: value}))
    with pytest.raises(RunError, match=says):
        EncodedCorpus.open(tmp_path)


def test_a_text_that_changes_while_it_is_read_leaves_nothing_behind(tmp_path: Path) -> None:
    path, folder = tmp_path / "text", tmp_path / "corpus"
    folder.mkdir()
    path.write_text(TEXT)
    with read_corpus([path], TextSettings()) as corpus:
        path.write_text(TEXT * 2)
        with pytest.raises(TextError, match="changed while it was read"):
            encode(corpus, CharTokenizer.of(TEXT), folder)
    assert not list(folder.iterdir())


def test_a_folder_that_is_not_there_and_an_unknown_vocabulary_are_errors(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(TEXT)
    with read_corpus([tmp_path / "text"], TextSettings()) as corpus:
        with pytest.raises(StorageError, match=r"^the folder [^\n]+ is gone"):
            encode(corpus, CharTokenizer.of(TEXT), tmp_path / "gone")
        with pytest.raises(OptionError):
            learn_tokenizer(corpus, "word", False)


@dataclass(frozen=True, repr=False)
class UpperCase(CharTokenizer):
    """A vocabulary of somebody's own: characters of the text in upper case, in the opposite order."""

    kind = "shout"

    @classmethod
    def of(cls, characters: Iterable[str], lowercase: bool = False) -> Self:
        return super().of("".join(characters).upper(), lowercase)

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        known = single_characters(tokens)
        return cls.of(known, lowercase) if tokens[known[0]] > tokens[known[-1]] else None

    def normalise(self, text: str) -> str:
        return text.upper()

    def tokens(self) -> list[str]:
        return [*reversed(self.characters), END, *BYTES]

    def _encode(self, text: str, at: int) -> Ids:
        ids, last = super()._encode(text, at), len(self.characters) - 1
        return np.where(ids <= last, last - ids, ids).astype(np.int32)


def test_a_new_vocabulary_is_one_class_and_one_line_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabularies, "VOCABULARIES", (UpperCase, *vocabularies.VOCABULARIES))
    encoded(tmp_path, TEXT, validation=None, vocabulary="shout")
    found = EncodedCorpus.open(tmp_path)
    assert found.tokenizer == UpperCase.of(TEXT)
    assert found.tokenizer.decode(np.array(found.training)) == TEXT.upper()
