from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import ModelError, OptionError, TextError
from afterword.text import bpe, symbols
from afterword.text import tokenizer as tokenizing
from afterword.text.bpe import BpeTokenizer
from afterword.text.characters import ByteTokenizer, CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Decoder, Encoder, Tokenizer
from afterword.text.vocabularies import from_json
from tests.processes import finished

SAMPLE = "Straße ΑΣ,\r\n\0\té İ 日本 👩‍👩‍👧 e\u0301 שלום <|end|> <0x41>"
WORDS = "the  other \tthen, and thence the 1999th; <|end|> <|end|> <0x41> <0x41>\n\n    there\u2028हिन्दी हिन्दी"
NAMES = ["a<|end|>b", "x<0x4a>", "<0x+1>", "<0x41", "<<0x41>"]  # what holds, or nearly is, a name of a token
TOKENIZERS = [
    CharTokenizer.of(SAMPLE),
    CharTokenizer.of(SAMPLE, lowercase=True),
    CharTokenizer.of("ab"),
    ByteTokenizer.of(),
    ByteTokenizer.of(lowercase=True),
    BpeTokenizer.of(SAMPLE + WORDS, [SAMPLE, "\n", WORDS], 100),
    BpeTokenizer.of(SAMPLE + WORDS, [SAMPLE, "\n", WORDS.upper()], 85, lowercase=True),
    SymbolTokenizer.of(SAMPLE + WORDS, False, [SAMPLE, "\n", WORDS, "\n", " ".join(NAMES)]),
    SymbolTokenizer.of(SAMPLE, True, [SAMPLE, "\n", WORDS.upper()]),
]
CLASSIC = ClassicTokenizer.of(SAMPLE)  # which knows no other characters
LIBRARY = {one: tokenizers.Tokenizer.from_str(one.to_json()) for one in (*TOKENIZERS, CLASSIC)}

any_tokenizer = st.sampled_from(TOKENIZERS)
any_text = (
    st.text()
    | st.text(st.sampled_from(SAMPLE + "xyzΩ"))
    | st.lists(st.sampled_from([*WORDS.split(" "), *NAMES])).map(" ".join)
)
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


@given(any_tokenizer, any_text, any_text)
def test_a_text_may_be_cut_behind_a_newline(tokenizer: Tokenizer, one: str, other: str) -> None:
    joined = [*tokenizer.encode(one + "\n").tolist(), *tokenizer.encode(other).tolist()]
    assert tokenizer.encode(f"{one}\n{other}").tolist() == joined
    assert tokenizer.encode("\n").tolist() == tokenizer.encode(f"{one}\n").tolist()[len(tokenizer.encode(one)) :]


@given(any_tokenizer, st.lists(any_text), st.integers(1, 9))
def test_a_text_in_pieces_gives_the_ids_of_the_whole(tokenizer: Tokenizer, pieces: list[str], longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizing, "LONGEST_LINE", longest)
        patch.setattr(bpe, "BLOCK", 5)
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
    assert ByteTokenizer.of(lowercase=True).normalise("ΟΔΟΣ ΣΑΣ İ") == "οδοσ σασ i̇"


@given(any_tokenizer, st.data())
def test_what_is_pushed_joins_to_what_is_decoded(tokenizer: Tokenizer, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.size - 1)))
    decoder = Decoder(tokenizer)
    assert "".join(map(decoder.push, ids)) + decoder.finish() == tokenizer.decode(ids)


@given(cut_anywhere, any_text)
def test_a_decoder_shows_each_character_with_its_last_token_and_no_half_one(tokenizer: Tokenizer, text: str) -> None:
    decoder = Decoder(tokenizer)
    for character in tokenizer.normalise(text):
        *first, last = tokenizer.encode(character).tolist()
        assert [decoder.push(id) for id in first] == [""] * len(first)
        assert decoder.push(last) == character
    assert decoder.finish() == ""


@pytest.mark.parametrize(
    "tokenizer", [CharTokenizer.of("é", False), ByteTokenizer.of(), BpeTokenizer.of("é", ["éé"], 1)]
)
def test_half_a_character_ends_as_a_replacement_character(tokenizer: Tokenizer) -> None:
    half = tokenizer.encode("日")[:2].tolist()
    decoder = Decoder(tokenizer)
    assert [decoder.push(id) for id in half] == ["", ""]
    assert decoder.finish() == "�" == tokenizer.decode(half)
    assert tokenizer.decode([*half, *tokenizer.encode("é").tolist()]) == "�é"


BPE = BpeTokenizer.of("\n abn", ["an an an\nb", "an an"], 7)
SYMBOLS = SymbolTokenizer.of("\n 1abx", texts=["ab", " x ab x\nx 1"])
LAYOUTS: list[tuple[Tokenizer, list[str], tuple[int | None, ...], dict[str, list[int]]]] = [
    (CharTokenizer.of("bcaab"), ["a", "b", "c"], (3, 260, 5, 256), {"abc": [0, 1, 2], "\xff": [4 + 0xC3, 4 + 0xBF]}),
    (ByteTokenizer.of(), ["<0x00>", "<0x01>"], (256, 257, 257, 1), {"aé": [0x61, 0xC3, 0xA9]}),
    (
        BPE,  # its characters, then its merges
        ["\n", " ", "a", "b", "n", "an", " an", "<|end|>"],
        (7, 264, 9, 256),
        {"an ban an\n": [5, 1, 3, 5, 6, 0], "\xff": [8 + 0xC3, 8 + 0xBF]},
    ),
    (
        SYMBOLS,  # its characters, then its symbols by frequency; it spells what it does not know
        ["\n", " ", "1", "a", "b", "x", " x", " 1", " ab", "ab", "<|end|>"],
        (10, 267, 12, 256),
        {
            "ab x ab\nx 1 1": [9, 6, 8, 0, 5, 7, 7],
            "  x ba  \n": [1, 6, 1, 4, 3, 1, 1, 0],  # " ba", and spaces that nothing follows
            " é": [1, 11 + 0xC3, 11 + 0xA9],
        },
    ),
    (ClassicTokenizer.of("bCA"), ["a", "b", "c"], (None, 3, 3, 1), {"ABc": [0, 1, 2]}),
]


@pytest.mark.parametrize(("tokenizer", "tokens", "numbers", "encoded"), LAYOUTS, ids=lambda one: str(one)[:20])
def test_the_layout_of_each_kind(tokenizer: Tokenizer, tokens: Any, numbers: Any, encoded: dict[str, Any]) -> None:
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
    size = len(set(text.lower())) + 30
    other = BpeTokenizer.of(text, [text[:at], text[at:]], size, lowercase)
    assert BpeTokenizer.of(text, texts, size, lowercase).to_json() == other.to_json()


def test_a_symbol_that_is_known_is_whole_at_the_end_of_a_prompt_and_another_may_be_longer() -> None:
    tokenizer = SymbolTokenizer.of("\n 06", texts=["6 60 6\n606"])
    ends = ["6", "6 60", "6 6\n", "\t", "", "6 ", "60", "6 06"]
    assert [tokenizer.unsettled(end) for end in ends] == [0, 0, 0, 0, 0, 1, 2, 3]


def test_a_text_with_many_symbols_that_occur_once_is_remarked_on_as_prose() -> None:
    for text, remarks in (("open read read close\n" * 99, False), (" ".join(f"word{k}" for k in range(99)), True)):
        tokenizer = SymbolTokenizer.of(set(text), texts=[text])
        remark = tokenizer.remark(np.bincount(tokenizer.encode(text), minlength=tokenizer.rows))
        assert (remark is not None) == remarks
        if remark:
            assert remark.startswith("vocabulary words found 99 different symbols, 99 of which occur once: ")


def test_a_bpe_tokenizer_of_too_few_tokens_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^vocabulary bpe:2 is too small: the text has 3 .*; give bpe:3 or more$"):
        BpeTokenizer.of("abC", ["abC"], 2, lowercase=True)
    assert BpeTokenizer.of("abC", ["abC"], 3, lowercase=True).tokens()[:4] == ["a", "b", "c", "<|end|>"]


def test_the_same_text_gives_the_same_bpe_tokenizer_in_every_process_and_with_any_number_of_threads() -> None:
    code = (
        "from afterword.text.bpe import BpeTokenizer; text = ' '.join(str(k * k) for k in range(9999));"
        "print(BpeTokenizer.of(text, [text], 400).to_json())"
    )
    command = [sys.executable, "-c", code]
    first, second = (
        finished(command, env={**os.environ, "TOKENIZERS_PARALLELISM": parallel}, fresh=True).stdout
        for parallel in ("true", "false")
    )
    assert first == second
    assert len(json.loads(first)["model"]["merges"]) > 300


def test_a_bpe_tokenizer_is_learned_from_the_beginning_of_a_long_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bpe, "LEARNED_BYTES", 1000)

    def texts() -> Iterator[str]:
        yield "é abab\n" * 125  # 8 bytes each
        yield "cdcd\n"  # what was asked for already, to find the end of the line before
        raise AssertionError("it reads on")

    assert "cd" not in BpeTokenizer.of("é abcd\n", texts(), 99).tokens()


def test_a_fault_in_the_text_is_told_as_it_is() -> None:
    def texts() -> Iterator[str]:
        yield "abab\n"
        raise TextError("the text is gone")

    with pytest.raises(TextError, match=r"^the text is gone$"):
        BpeTokenizer.of("ab", texts(), 9)


def test_two_pairs_may_make_the_same_token() -> None:
    file = json.loads(BpeTokenizer.of("abc", [], 3).to_json())
    tokens = ["a", "b", "c", "ab", "bc", "abc", *list(file["model"]["vocab"])[3:]]
    file["model"]["vocab"] = {token: id for id, token in enumerate(tokens)}
    file["model"]["merges"] = [["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"]]
    found = from_json(json.dumps(file))
    assert (found.tokens(), found.encode("abc").tolist()) == (tokens, [5])


def test_a_classic_tokenizer_refuses_what_it_does_not_know_and_says_where() -> None:
    message = "^the classic recipe knows only the 3 characters of its text; 'é' at character 4 is not one of them$"
    with pytest.raises(TextError, match=message):
        ClassicTokenizer.of("abc").encode("abcaÉb")
    encoder = Encoder(ClassicTokenizer.of("abc"))
    encoder.push("abc")
    with pytest.raises(TextError, match=message):
        encoder.push("aé")


def test_a_lower_case_vocabulary_knows_what_its_capitals_become() -> None:
    assert CharTokenizer.of("AbİB", lowercase=True).characters == "abi\u0307"


@pytest.mark.parametrize("tokenizer", [*TOKENIZERS, ClassicTokenizer.of("ab")])
def test_a_lone_surrogate_is_refused_with_its_position(tokenizer: Tokenizer) -> None:
    with pytest.raises(TextError, match=r"^character 2 of the text is a lone surrogate \(U\+D800\)"):
        tokenizer.encode("ab\ud800")


@pytest.mark.parametrize("id", [-1, 260])
def test_an_id_outside_the_vocabulary_is_refused(id: int) -> None:
    tokenizer = CharTokenizer.of("abc")
    with pytest.raises(TextError, match=f"unknown token {id}: .* 0 to 259"):
        tokenizer.decode([0, id])
    with pytest.raises(TextError, match=f"unknown token {id}: "):
        Decoder(tokenizer).push(id)


@pytest.mark.parametrize("tokenizer", LIBRARY, ids=lambda one: one.kind)
def test_json_gives_back_the_tokenizer_also_after_the_library_saved_it(tokenizer: Tokenizer) -> None:
    again = from_json(tokenizer.to_json())
    assert again == tokenizer == from_json(LIBRARY[tokenizer].to_str())
    assert again.to_json() == tokenizer.to_json()


CHARS, ABC = CharTokenizer.of("abc"), BpeTokenizer.of("abc", ["abc\nabc\nab"], 9)
AB, CLASSIC_ABC = SymbolTokenizer.of("ab", texts=["ab"]), ClassicTokenizer.of("abc")
MISSING, IDS = ("<|end|>", "<0x7F>", "b"), (0, "1", True, 1.0, -1)
TOKENS: tuple[dict[str, Any], ...] = ({"a": 1, "b": 0}, {"c": 400}, {"ab": 260}, {"\ud800": 260})
MODEL: tuple[dict[str, Any], ...] = (
    {"type": "WordPiece"},
    {"merges": [["a", "b"]]},
    {"byte_fallback": False},
    {"vocab": ["a"]},
    {"vocab": {}},
)
FILE: list[dict[str, Any]] = [
    {"model": ...},
    {"model": "BPE"},
    {"normalizer": {"type": "NFC"}},
    {"pre_tokenizer": {"type": "Whitespace"}},
    {"added_tokens": [{"id": 3, "content": "<|end|>"}]},
]
MERGES: tuple[Any, ...] = ({"a": "b"}, ["a b"], [[1, 2]], [[["a"], ["b"]]], [["a", "b", "c"]], [])
STRANGE_MERGES: tuple[Any, ...] = (
    [["a", "z"]],
    [["b", "a"]],
    [["ab", "c"], ["a", "b"]],
)  # of or to an unknown token, before its parts
DAMAGE: list[tuple[Tokenizer, str, dict[str, Any]]] = [
    *((CHARS, "tokens", {token: ...}) for token in MISSING),
    *((CHARS, "tokens", {"b": id}) for id in IDS),
    *((CHARS, "tokens", change) for change in TOKENS),
    *((CHARS, "model", change) for change in MODEL),
    *((CHARS, "file", change) for change in FILE),
    *((ABC, "model", {"merges": merges}) for merges in MERGES + STRANGE_MERGES),
    *((AB, "tokens", {"ab": ..., wrong: 2}) for wrong in ("ab cd", "ab\n", "\ud800a", "<0x4a>", "x" * 300)),
    (CLASSIC_ABC, "file", {"normalizer": None}),
    (CLASSIC_ABC, "tokens", {"ab": 3}),
]
NO_JSON = ["", "{", "[" * 100_000, '{"model": 1, "model": 2}', "\0", "9" * 5000, "[{}]", "{}"]


@pytest.mark.parametrize(("tokenizer", "part", "changes"), DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(tokenizer: Tokenizer, part: str, changes: dict[str, Any]) -> None:
    file = json.loads(tokenizer.to_json())
    place = {"file": file, "model": file["model"], "tokens": file["model"]["vocab"]}[part]
    for name, value in changes.items():
        if value is ...:
            del place[name]
        else:
            place[name] = value
    with pytest.raises(ModelError, match=r"^invalid tokenizer\.json: [^\n]+$"):
        from_json(json.dumps(file))


@pytest.mark.parametrize("text", NO_JSON)
def test_what_is_no_json_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ModelError, match=r"^invalid tokenizer\.json: [^\n]+$"):
        from_json(text)


@given(st.data())
def test_a_file_cut_anywhere_is_refused(data: st.DataObject) -> None:
    text = CharTokenizer.of("abc").to_json()
    with pytest.raises(ModelError):
        from_json(text[: data.draw(st.integers(0, len(text) - 3))])


def test_the_library_is_not_imported() -> None:
    code = "import sys, afterword.text.encoded; print('tokenizers' in sys.modules)"
    assert finished([sys.executable, "-c", code], fresh=True).stdout == b"False\n"


@given(st.text(st.sampled_from(SAMPLE.replace("\0", "")), max_size=20), st.sampled_from([*TOKENIZERS, CLASSIC]))
def test_a_token_starts_in_the_character_that_its_first_byte_is_of(text: str, tokenizer: Tokenizer) -> None:
    origins = [place for place, one in enumerate(text) for _ in tokenizer.normalise(one)]
    before, expected = b"", []
    for id in tokenizer.encode(text).tolist():
        expected.append(origins[len(before.decode(errors="ignore"))])
        before += tokenizer.spelling(id)
    assert tokenizer.starts(text).tolist() == expected
