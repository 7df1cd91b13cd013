from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import ModelError, TextError
from afterword.text import symbols
from afterword.text import tokenizer as tokenizing
from afterword.text.characters import CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Decoder, Encoder, Tokenizer
from afterword.text.vocabularies import from_json

SAMPLE = "Straße ΑΣ,\r\n\0\té İ 日本 👩‍👩‍👧 e\u0301 שלום <|end|> <0x41>"
WORDS = "the  other \tthen, and thence the 1999th; <|end|> <|end|> <0x41> <0x41>\n\n    there\u2028हिन्दी हिन्दी"
NAMES = ["a<|end|>b", "x<0x4a>", "<0x+1>", "<0x41", "<<0x41>"]  # what holds, or nearly is, a name of a token
TOKENIZERS: list[Tokenizer] = [
    CharTokenizer.of(SAMPLE),
    CharTokenizer.of(SAMPLE, lowercase=True),
    CharTokenizer.of("ab"),
    SymbolTokenizer.of(SAMPLE + WORDS, False, [SAMPLE, "\n", WORDS, "\n", " ".join(NAMES)]),
    SymbolTokenizer.of(SAMPLE, True, [SAMPLE, "\n", WORDS.upper()]),
]
CLASSIC = ClassicTokenizer.of(SAMPLE, lowercase=True)  # which knows no other characters
LIBRARY: dict[Tokenizer, tokenizers.Tokenizer] = {
    one: tokenizers.Tokenizer.from_str(one.to_json()) for one in (*TOKENIZERS, CLASSIC)
}

any_tokenizer = st.sampled_from(TOKENIZERS)
any_text = (
    st.text()
    | st.text(st.sampled_from(SAMPLE + "xyzΩ"))
    | st.lists(st.sampled_from([*WORDS.split(" "), *NAMES])).map(" ".join)
)
CHARS, CLASSIC_ABC = CharTokenizer.of("abc"), ClassicTokenizer.of("abc", lowercase=True)
AB = SymbolTokenizer.of("ab", texts=["ab"])
cut_anywhere = st.sampled_from([tokenizer for tokenizer in TOKENIZERS if not tokenizer.several])


@given(st.sampled_from([*LIBRARY]), st.lists(any_text))
def test_the_library_has_the_same_ids_and_normalised_texts(tokenizer: Tokenizer, texts: list[str]) -> None:
    library, ids, ends = LIBRARY[tokenizer], list[int](), [] if tokenizer.end is None else [tokenizer.end]
    if tokenizer is CLASSIC:
        texts = ["".join(character for character in text if character in SAMPLE) for text in texts]
    for text in texts:
        # Two versions of Unicode may know other small letters for what one of them has not assigned.
        assigned = "".join(character for character in text if unicodedata.category(character) != "Cn")
        found = tokenizer.encode(assigned)
        assert found.dtype == np.int32
        assert found.tolist() == library.encode(assigned).ids
        ids += [*tokenizer.encode(text).tolist(), *ends]
        assert tokenizer.lowercase or tokenizer.normalise(text) == text
    assert tokenizer.decode(ids) == library.decode(ids) == "".join(map(tokenizer.normalise, texts))
    assert sum(id in ends for id in ids) == len(texts) * len(ends)  # a text never holds the boundary


@given(any_tokenizer, st.lists(any_text), st.integers(1, 9))
def test_a_text_in_pieces_gives_the_ids_of_the_whole(tokenizer: Tokenizer, pieces: list[str], longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizing, "LONGEST_LINE", longest)
        encoder = Encoder(tokenizer)
        pushed = [id for piece in pieces for id in encoder.push(piece).tolist()] + encoder.finish().tolist()
        assert pushed == tokenizer.encode("".join(pieces)).tolist()


@given(any_tokenizer, st.lists(any_text), st.integers(1, 9), st.data())
def test_the_parts_of_a_text_are_encoded_as_the_whole_wherever_its_pieces_end(
    tokenizer: Tokenizer, pieces: list[str], longest: int, data: st.DataObject
) -> None:
    text = "".join(pieces).replace("İ", "")  # whose lower case has two characters
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizing, "LONGEST_LINE", longest)
        patch.setattr(tokenizing, "PART", 4 * longest)
        found = [*tokenizing.parts([text])]
        assert "".join(found) == text
        assert all(0 < len(part) <= 4 * longest for part in found)
        cut = data.draw(st.integers(0, len(text)))
        assert [*tokenizing.parts([text[:cut], "", text[cut:]])] == found
        ids = [id for part in found for id in tokenizer.encode(part).tolist()]
        assert ids == tokenizer.encode(text).tolist()


def test_lower_casing_a_capital_sigma_does_not_look_around() -> None:
    assert CharTokenizer.of("", lowercase=True).normalise("ΟΔΟΣ ΣΑΣ İ") == "οδοσ σασ i̇"
    assert CharTokenizer.of("AbİB", lowercase=True).characters == "abi\u0307"


@given(any_tokenizer, st.data())
def test_what_is_pushed_joins_to_what_is_decoded(tokenizer: Tokenizer, data: st.DataObject) -> None:
    ids = [*data.draw(st.lists(st.integers(0, tokenizer.size - 1))), *tokenizer.encode(" ").tolist()]
    assert "".join(map(Decoder(tokenizer).push, ids)) == tokenizer.decode(ids)


@given(cut_anywhere, any_text)
def test_a_decoder_shows_each_character_with_its_last_token_and_no_half_one(tokenizer: Tokenizer, text: str) -> None:
    decoder = Decoder(tokenizer)
    for character in tokenizer.normalise(text):
        *first, last = tokenizer.encode(character).tolist()
        assert [decoder.push(id) for id in first] == [""] * len(first)
        assert decoder.push(last) == character


def test_half_a_character_ends_as_a_replacement_character() -> None:
    half = CHARS.encode("日")[:2].tolist()
    assert CHARS.decode(half) == "�"
    assert CHARS.decode([*half, *CHARS.encode("a").tolist()]) == "�a"


Layout = tuple[Tokenizer, list[str], tuple[int | None, ...], dict[str, list[int]]]
LAYOUTS: list[Layout] = [  # the first tokens; the boundary, the size, the rows and the tokens of the shared row; ids
    (CharTokenizer.of("bcaab"), ["a", "b", "c"], (3, 260, 5, 256), {"abc": [0, 1, 2], "\xff": [4 + 0xC3, 4 + 0xBF]}),
    (
        SymbolTokenizer.of("\n 1abx", texts=["ab", " x ab x\nx 1"]),  # characters, then symbols by frequency
        ["\n", " ", "1", "a", "b", "x", " x", " 1", " ab", "ab", "<|end|>"],
        (10, 267, 12, 256),
        {
            "ab x ab\nx 1 1": [9, 6, 8, 0, 5, 7, 7],
            "  x ba  \n": [1, 6, 1, 4, 3, 1, 1, 0],  # it spells " ba", and spaces that nothing follows
            " é": [1, 11 + 0xC3, 11 + 0xA9],
        },
    ),
    (ClassicTokenizer.of("bCA", lowercase=True), ["a", "b", "c"], (None, 3, 3, 1), {"ABc": [0, 1, 2]}),
]


def test_the_layout_of_each_kind() -> None:
    for tokenizer, tokens, numbers, encoded in LAYOUTS:
        assert tokenizer.tokens()[: len(tokens)] == tokens
        assert (tokenizer.end, tokenizer.size, tokenizer.rows, tokenizer.shared_row_tokens) == numbers
        assert {text: tokenizer.encode(text).tolist() for text in encoded} == encoded


def test_a_symbol_tokenizer_leaves_out_the_rarest_and_the_longest_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbols, "MOST_SYMBOLS", 2)
    monkeypatch.setattr(symbols, "LONGEST_SYMBOL", 5)
    assert SymbolTokenizer.of("abcde", texts=["ab cd cd de de de abcde abcde abcde"]).symbols == (" de", " cd")


@given(st.lists(any_text, max_size=4), st.integers(0, 40), st.booleans())
def test_the_same_text_gives_the_same_vocabulary_however_it_comes(texts: list[str], at: int, lowercase: bool) -> None:
    text = "".join(texts)
    found = SymbolTokenizer.of(set(text), lowercase, [text[:at], text[at:]])
    assert found == SymbolTokenizer.of(set(text), lowercase, texts) == found.for_text(text, lowercase)


def test_a_symbol_that_is_known_is_whole_at_the_end_of_a_prompt_and_another_may_be_longer() -> None:
    tokenizer = SymbolTokenizer.of("\n 06", texts=["6 60 6\n606"])
    ends = ["6", "6 60", "6 6\n", "\t", "", "6 ", "60", "6 06", "6 6☃", "6 61"]
    assert [tokenizer.unfinished(end) for end in ends] == [0, 0, 0, 0, 0, 1, 2, 0, 0, 0]
    lower = SymbolTokenizer.of(" stra", lowercase=True, texts=["stras stras"])
    assert lower.unfinished("stras STRA") == 5
    longest = SymbolTokenizer.of("ab", texts=["a" * 256])
    assert [longest.unfinished("a" * length) for length in (1, 2, 255, 256, 257, 999)] == [0, 2, 255, 0, 0, 0]


def test_a_text_with_many_symbols_that_occur_once_is_remarked_on_as_prose() -> None:
    for text, remarks in (("open read read close\n" * 99, False), (" ".join(f"word{k}" for k in range(99)), True)):
        tokenizer = SymbolTokenizer.of(set(text), texts=[text])
        remark = tokenizer.remark(np.bincount(tokenizer.encode(text), minlength=tokenizer.rows))
        assert (remark is not None) == remarks
        if remark:
            assert remark.startswith("vocabulary words found 99 different symbols, 99 of which occur once: ")


def test_what_a_tokenizer_does_not_know_is_refused_with_its_place() -> None:
    message = "^the classic recipe knows only the 3 characters of its text; 'é' at character 4 is not one of them$"
    with pytest.raises(TextError, match=message):
        CLASSIC_ABC.encode("abcaÉb")
    encoder = Encoder(CLASSIC_ABC)
    encoder.push("abc")
    with pytest.raises(TextError, match=message):
        encoder.push("aé")
    for tokenizer in (*TOKENIZERS, CLASSIC_ABC):
        with pytest.raises(TextError, match=r"^character 2 of the text is a lone surrogate \(U\+D800\)"):
            tokenizer.encode("ab\ud800")
    for id in (-1, 260):
        with pytest.raises(TextError, match=f"unknown token {id}: .* 0 to 259"):
            CHARS.decode([0, id])
        with pytest.raises(TextError, match=f"unknown token {id}: "):
            Decoder(CHARS).push(id)


def test_json_gives_back_the_tokenizer_also_after_the_library_saved_it() -> None:
    for tokenizer, library in LIBRARY.items():
        again = from_json(tokenizer.to_json())
        assert again == tokenizer == from_json(library.to_str())
        assert again.to_json() == tokenizer.to_json()


DAMAGE: list[tuple[Tokenizer, str, dict[str, Any]]] = [
    *((CHARS, "tokens", {token: ...}) for token in ("<|end|>", "<0x7F>", "b")),
    *((CHARS, "tokens", {"b": id}) for id in (0, "1", True, 1.0, -1)),
    *((CHARS, "tokens", change) for change in ({"a": 1, "b": 0}, {"c": 400}, {"ab": 260}, {"\ud800": 260})),
    *((CHARS, "model", {name: value}) for name, value in (("type", "WordPiece"), ("byte_fallback", False))),
    *((CHARS, "model", {"vocab": tokens}) for tokens in (["a"], dict[str, int]())),
    *((CHARS, "file", change) for change in ({"model": ...}, {"model": "BPE"}, {"normalizer": {"type": "NFC"}})),
    (CHARS, "file", {"pre_tokenizer": {"type": "Whitespace"}}),
    (CHARS, "file", {"added_tokens": [{"id": 3, "content": "<|end|>"}]}),
    *((CHARS, "model", {"merges": merges}) for merges in ({"a": "b"}, ["a b"], [[1, 2]])),
    *((CHARS, "model", {"merges": merges}) for merges in ([[["a"], ["b"]]], [["a", "b", "c"]])),
    *((AB, "tokens", {"ab": ..., wrong: 2}) for wrong in ("ab cd", "ab\n", "\ud800a", "<0x4a>", "x" * 300)),
    (CLASSIC_ABC, "file", {"normalizer": None}),
    (CLASSIC_ABC, "tokens", {"ab": 3}),
]


def damaged() -> Iterator[str]:
    """Yield files of tokenizers of which something was changed, that were cut, or that are not JSON."""
    for tokenizer, part, changes in DAMAGE:
        file = json.loads(tokenizer.to_json())
        place = {"file": file, "model": file["model"], "tokens": file["model"]["vocab"]}[part]
        place.update(changes)
        for name in [name for name, value in changes.items() if value is ...]:
            del place[name]
        yield json.dumps(file)
    yield from ("[" * 100_000, '{"model": 1, "model": 2}', "\0", "9" * 5000, "[{}]", "{}")
    whole = CHARS.to_json()
    yield from (whole[:at] for at in range(0, len(whole) - 2, 7))


def test_a_damaged_file_is_refused_in_one_line() -> None:
    for file in damaged():
        with pytest.raises(ModelError, match=r"^invalid tokenizer\.json: [^\n]+$"):
            from_json(file)


@given(st.text(st.sampled_from(SAMPLE.replace("\0", "")), max_size=20), st.sampled_from([*TOKENIZERS, CLASSIC]))
def test_a_token_starts_in_the_character_that_its_first_byte_is_of(text: str, tokenizer: Tokenizer) -> None:
    origins = [place for place, one in enumerate(text) for _ in tokenizer.normalise(one)]
    before, expected = b"", []
    for id in tokenizer.encode(text).tolist():
        expected.append(origins[len(before.decode(errors="ignore"))])
        before += tokenizer.spelling(id)
    assert tokenizer.starts(text).tolist() == expected
