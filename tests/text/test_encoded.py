from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import OptionError, RunError, StorageError, TextError
from afterword.text import decoding
from afterword.text import tokenizer as tokenizing
from afterword.text.characters import CharTokenizer
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.tokenizer import Tokenizer

TEXT = "The quick brown fox jumps over the lazy dog. Sphinx of black quartz, judge my vow!\nЖüß日\n"


def encoded(folder: Path, text: str, tokenizer: Tokenizer | None = None, **chosen: Any) -> EncodedCorpus:
    (folder / "text").write_bytes(text.encode())
    settings = TextSettings(**{"validation": "0.1", **chosen})
    with read_corpus([folder / "text"], settings) as corpus:
        return encode(corpus, tokenizer or learn_tokenizer(corpus, settings.vocabulary, settings.lowercase), folder)


def bytes_of(corpus: EncodedCorpus) -> tuple[int, int]:
    """The length of both parts in UTF-8, as recorded."""
    facts = json.loads((corpus.folder / "corpus.json").read_bytes())
    return facts["training"]["bytes"], facts["validation"]["bytes"]


@pytest.mark.parametrize("vocabulary", ["char", "words"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_the_parts_decode_to_the_text_however_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vocabulary: str, lowercase: bool
) -> None:
    monkeypatch.setattr(decoding, "READ_AT_ONCE", 1 << 8)
    monkeypatch.setattr(tokenizing, "LONGEST_LINE", 1 << 5)
    text = TEXT * 9 + " wing" * 300 + "\n" + TEXT
    found = encoded(tmp_path, text, validation="0.3", vocabulary=vocabulary, lowercase=lowercase)
    tokenizer = found.tokenizer
    parts = tokenizer.decode(found.training), tokenizer.decode(found.validation)
    assert "".join(parts) == tokenizer.normalise(text)
    assert found.training.tolist() == tokenizer.to_rows(tokenizer.encode(parts[0])).tolist()
    assert found.training_characters + found.validation_characters == len(text)
    assert found.validation_characters == round(0.3 * len(text))
    assert bytes_of(found) == tuple(len(part.encode()) for part in parts)
    assert (found.sources, found.lines, found.documents) == (["text"], False, 1)


def test_the_vocabulary_is_that_of_the_training_part_in_its_own_case(tmp_path: Path) -> None:
    found = encoded(tmp_path, "AbİΣ" * 25 + "Z" * 10, lowercase=True)
    tokenizer = CharTokenizer.of("abi\u0307σ")
    assert tokenizer.decode(found.training[:5]) == "abi\u0307σ"
    assert found.validation.tolist() == [*tokenizer.encode("σ").tolist(), *[tokenizer.rows - 1] * 10]
    assert (found.training_characters, found.validation_characters) == (99, 11)


@pytest.mark.parametrize("vocabulary", ["char", "words"])
def test_lines_end_in_the_boundary_token(tmp_path: Path, vocabulary: str) -> None:
    lines = [f"line {number} é" for number in range(100)]
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
    prints = [encoded(tmp_path, text, **kind).fingerprint for text in (TEXT, TEXT + "!") for kind in kinds]
    assert len(set(prints)) == len(prints)
    assert encoded(tmp_path, TEXT).fingerprint == prints[0]


@settings(max_examples=20)
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


def test_a_damaged_or_later_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    encoded(tmp_path, TEXT)
    for name in ("corpus.json", "training.bin", "validation.bin"):
        path = tmp_path / name
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(RunError, match=r"^(cannot read )?the encoded text in [^\n]+$"):
            EncodedCorpus.open(tmp_path)
        for damaged in (content[:-3], content + b"  x"):
            path.write_bytes(damaged)
            with pytest.raises(RunError, match=r"^the encoded text in [^\n]+ is damaged[^\n]+$"):
                EncodedCorpus.open(tmp_path)
        path.write_bytes(content)
    facts = json.loads((tmp_path / "corpus.json").read_text())
    damaged_in = [(name, value, "is damaged") for name, values in CHANGES.items() for value in values]
    for name, value, says in [*damaged_in, ("format", 2, "has the format 2, and this Afterword reads 1: use the")]:
        (tmp_path / "corpus.json").write_text(json.dumps(facts | {name: value}))
        with pytest.raises(RunError, match=rf"^the encoded text in [^\n]+ {says}"):
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
