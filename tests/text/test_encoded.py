from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import OptionError, RunError, StorageError, TextError
from afterword.text import vocabularies
from afterword.text.characters import ByteTokenizer, CharTokenizer
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.tokenizer import BYTES, END, Ids, Tokenizer

TEXT = "The quick brown fox jumps over the lazy dog. Sphinx of black quartz, judge my vow!\nЖüß日\n"


def encoded(folder: Path, text: str, tokenizer: Tokenizer | None = None, **settings: Any) -> EncodedCorpus:
    (folder / "text").write_bytes(text.encode())
    chosen = TextSettings(**{"validation": "0.1", **settings})
    with read_corpus([folder / "text"], chosen) as corpus:
        return encode(corpus, tokenizer or learn_tokenizer(corpus, chosen.vocabulary, chosen.lowercase), folder)


def bytes_of(corpus: EncodedCorpus) -> tuple[int, int]:
    """The length of both parts in UTF-8, as recorded."""
    facts = json.loads((corpus.folder / "corpus.json").read_bytes())
    return facts["training"]["bytes"], facts["validation"]["bytes"]


@pytest.mark.parametrize("vocabulary", ["char", "byte", "bpe:60", "words"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_the_parts_decode_to_the_text(tmp_path: Path, vocabulary: str, lowercase: bool) -> None:
    text = TEXT * 3 + "x" * 70
    found = encoded(tmp_path, text, validation="0.3", vocabulary=vocabulary, lowercase=lowercase)
    with read_corpus([tmp_path / "text"], TextSettings(validation="0.3")) as corpus:
        tokenizer = learn_tokenizer(corpus, vocabulary, lowercase)
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
    for vocabulary in ("char", "byte", "bpe:40", "words"):
        found = encoded(tmp_path, "\n\n".join(lines), lines=True, vocabulary=vocabulary)
        tokenizer = found.tokenizer
        assert "\n" not in tokenizer.characters
        documents: list[str] = []
        for part, characters in (
            (found.training, found.training_characters),
            (found.validation, found.validation_characters),
        ):
            ends = np.flatnonzero(part == tokenizer.end)
            assert ends[-1] == len(part) - 1
            some = [tokenizer.decode(piece) for piece in np.split(part, ends + 1)[:-1]]
            assert characters == sum(len(line) + 1 for line in some)
            documents += some
            if part is found.training:
                assert found.documents == len(some)
        assert sorted(documents) == sorted(lines)
        assert found.lines
        assert tokenizer.end not in found.unseen
        assert bytes_of(found)[0] == sum(len(line.encode()) + 1 for line in documents[: found.documents])


@pytest.mark.parametrize(
    ("characters", "name"), [(254, "uint8"), (255, "uint16"), (65_534, "uint16"), (65_535, "uint32")]
)
def test_rows_take_the_bytes_that_they_need(tmp_path: Path, characters: int, name: str) -> None:
    text = "".join(map(chr, range(0x10000, 0x10000 + characters)))
    found = encoded(tmp_path, text, CharTokenizer.of(text), validation=None)
    assert found.training.dtype == np.dtype(name).newbyteorder("<")
    assert (tmp_path / "training.bin").stat().st_size == len(found.training) * found.training.dtype.itemsize
    assert found.training.tolist() == list(range(found.training_characters))


def test_the_parts_are_mapped_and_cannot_be_written(tmp_path: Path) -> None:
    found = encoded(tmp_path, TEXT)
    assert isinstance(found.training, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found.training[0] = 1


def test_what_was_encoded_can_be_opened_again(tmp_path: Path) -> None:
    found, again = encoded(tmp_path, TEXT), EncodedCorpus.open(tmp_path)
    assert again.training.tolist() == found.training.tolist()
    assert again.validation.tolist() == found.validation.tolist()
    assert again.fingerprint == found.fingerprint
    assert sorted(os.listdir(tmp_path)) == ["corpus.json", "text", "tokenizer.json", "training.bin", "validation.bin"]


def test_the_fingerprint_tells_texts_splits_and_tokenizers_apart(tmp_path: Path) -> None:
    prints = [
        encoded(tmp_path, TEXT).fingerprint,
        encoded(tmp_path, TEXT + "!").fingerprint,
        encoded(tmp_path, TEXT, validation="0.2").fingerprint,
        encoded(tmp_path, TEXT, vocabulary="byte").fingerprint,
        encoded(tmp_path, TEXT, vocabulary="byte", lowercase=True).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert encoded(tmp_path, TEXT).fingerprint == prints[0]


@given(st.text("abcdé☃", min_size=64), st.sampled_from(["char", "byte", "bpe:9", "words", "classic"]), st.booleans())
def test_the_unseen_rows_are_those_that_texts_of_the_same_characters_lack(
    text: str, vocabulary: str, lines: bool
) -> None:
    settings = TextSettings(validation=None if vocabulary == "classic" else "0.3", vocabulary=vocabulary)
    text = "ab\nba\naab\nbba\n" + text
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "text").write_bytes(text.encode())
        if lines and vocabulary != "classic":
            settings = dataclasses.replace(settings, lines=True)
        with read_corpus([Path(place) / "text"], settings) as corpus:
            tokenizer = learn_tokenizer(corpus, vocabulary, settings.lowercase)
            found = encode(corpus, tokenizer, Path(place))
        absent = sorted(set(range(tokenizer.rows)) - set(found.training.tolist()))
        spelled = range(tokenizer.rows - 2 if vocabulary == "bpe:9" else 0)  # its other rows: the end, and all bytes
        assert found.unseen == [row for row in absent if row not in spelled]


def test_a_part_may_be_empty(tmp_path: Path) -> None:
    found = encoded(tmp_path, TEXT, validation=None)
    assert (len(found.validation), found.validation_characters, bytes_of(found)[1]) == (0, 0, 0)
    assert found.training_characters == len(TEXT)
    assert (tmp_path / "validation.bin").read_bytes() == b""


def test_what_the_classic_recipe_does_not_know_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(TEXT)
    (tmp_path / "held").write_text("the 日 œ")
    settings = TextSettings(vocabulary="classic", validation=str(tmp_path / "held"))
    with read_corpus([tmp_path / "text"], settings) as corpus:
        tokenizer = learn_tokenizer(corpus, "classic", True)
        with pytest.raises(TextError, match=r"'œ' at character 6 is not one of them$"):
            encode(corpus, tokenizer, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["held", "text"]


def test_the_ids_of_subwords_do_not_depend_on_how_the_text_comes(tmp_path: Path) -> None:
    """A piece is 2^20 bytes, a line of over 2^16 characters is cut: both are crossed."""
    text = TEXT * 12_000 + " wing" * 30_000 + "\n" + TEXT
    found = encoded(tmp_path, text, validation=None, vocabulary="bpe:80")
    with read_corpus([tmp_path / "text"], TextSettings()) as corpus:
        tokenizer = learn_tokenizer(corpus, "bpe:80", False)
    assert np.array_equal(found.training, tokenizer.encode(text))
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


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "object"},
        {"dtype": ["uint16"]},
        {"training": {"tokens": "9", "characters": 9}},
        {"training": {"tokens": 10**30, "characters": 9, "bytes": 9}},
        {"validation": {"tokens": 9, "characters": 9}},
        {"training": []},
        {"lines": 1},
        {"fingerprint": None},
        {"unseen": 3},
        {"unseen": [-1]},
        {"unseen": ["3"]},
        {"documents": None},
        {"sources": "text"},
    ],
)
def test_a_corpus_file_that_cannot_be_is_refused_in_one_line(tmp_path: Path, change: dict[str, Any]) -> None:
    encoded(tmp_path, TEXT)
    facts = json.loads((tmp_path / "corpus.json").read_text())
    (tmp_path / "corpus.json").write_text(json.dumps(facts | change))
    with pytest.raises(RunError, match=r"^the encoded text in [^\n]+ is damaged"):
        EncodedCorpus.open(tmp_path)


def test_a_corpus_of_a_later_version_is_refused_by_its_version(tmp_path: Path) -> None:
    encoded(tmp_path, TEXT)
    facts = json.loads((tmp_path / "corpus.json").read_text())
    (tmp_path / "corpus.json").write_text(json.dumps(facts | {"format": 2}))
    with pytest.raises(RunError, match=r"has the format 2, and this Afterword reads 1: use the version"):
        EncodedCorpus.open(tmp_path)


def test_a_text_that_changes_while_it_is_read_leaves_nothing_behind(tmp_path: Path) -> None:
    path, folder = tmp_path / "text", tmp_path / "corpus"
    folder.mkdir()
    path.write_text(TEXT)
    with read_corpus([path], TextSettings()) as corpus:
        path.write_text(TEXT * 2)
        with pytest.raises(TextError, match="changed while it was read"):
            encode(corpus, ByteTokenizer.of(), folder)
    assert not list(folder.iterdir())


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(TEXT)
    with (
        read_corpus([tmp_path / "text"], TextSettings()) as corpus,
        pytest.raises(StorageError, match=r"^the folder [^\n]+ is gone"),
    ):
        encode(corpus, ByteTokenizer.of(), tmp_path / "gone")


def test_an_unknown_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(TEXT)
    with read_corpus([tmp_path / "text"], TextSettings()) as corpus, pytest.raises(OptionError):
        learn_tokenizer(corpus, "word", False)


@dataclass(frozen=True, repr=False)
class UpperCaseBytes(ByteTokenizer):
    """A vocabulary of somebody's own: bytes of the text in upper case, in the opposite order."""

    kind = "shout"
    usage = "shout"

    @classmethod
    def recognise(cls, tokens: Mapping[str, int], found: Mapping[str, Any], lowercase: bool) -> Self | None:
        return cls.of(lowercase) if tokens.get(BYTES[0]) == 255 else None

    def normalise(self, text: str) -> str:
        return text.upper()

    def tokens(self) -> list[str]:
        return [*reversed(BYTES), END]

    def _encode(self, text: str, at: int) -> Ids:
        return 255 - super()._encode(text, at)


def test_a_new_vocabulary_is_one_class_and_one_line_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabularies, "VOCABULARIES", (UpperCaseBytes, *vocabularies.VOCABULARIES))
    (tmp_path / "text").write_text(TEXT, encoding="utf-8")
    with read_corpus([tmp_path / "text"], TextSettings(vocabulary="shout")) as corpus:
        encode(corpus, learn_tokenizer(corpus, "shout", lowercase=False), tmp_path)
    found = EncodedCorpus.open(tmp_path)
    assert found.tokenizer == UpperCaseBytes.of()
    assert found.tokenizer.decode(np.array(found.training)) == TEXT.upper()
