from __future__ import annotations

import codecs
import gzip
import io
import os
import tempfile
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import OptionError, TextError
from afterword.text import decoding, documents
from afterword.text.corpus import Corpus, TextSettings, parse_validation, read_corpus
from afterword.text.decoding import Decoding, Reader, read_text
from afterword.text.documents import check_sources
from afterword.text.lines import whole_lines
from afterword.text.vocabularies import vocabulary_asked_for

LONG = "The quick brown fox jumps over the lazy dog. Sphinx of black quartz, judge my vow!\n"
LINES = [f"line {number}" for number in range(200)]


@pytest.fixture(params=[1, 2, 7, 1 << 20], ids="pieces of {} bytes".format)
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The laws hold for pieces of any size."""
    size: int = request.param
    monkeypatch.setattr(decoding, "READ_AT_ONCE", size)
    return size


def parts(corpus: Corpus) -> tuple[str, str]:
    found = {"training": "", "validation": ""}
    for part, text in corpus.pieces():
        found[part] += text
    return found["training"], found["validation"]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def split(tmp_path: Path, content: str, seed: int = 0, **settings: object) -> tuple[str, str]:
    chosen: dict[str, Any] = {"validation": "0.1", **settings}
    with read_corpus([write(tmp_path / "text", content)], TextSettings(**chosen), seed) as corpus:
        training, validation = parts(corpus)
        assert (corpus.training_characters, corpus.validation_characters) == (len(training), len(validation))
        assert corpus.characters == "".join(sorted(set(training) - set("\n" * bool(corpus.lines))))
        return training, validation


# Reading


def test_newlines_and_the_mark_are_mended_wherever_the_pieces_fall(tmp_path: Path, piece: int) -> None:
    one = write(tmp_path / "one", codecs.BOM_UTF8 + "a\r\nb\rc\n\r\r\né日👩\r".encode())
    other = write(tmp_path / "other", "\r\n\ufeffx")
    text, notes = read_text([one, other])
    assert text == "a\nb\nc\n\n\né日👩\n\n\ufeffx"
    assert notes == [
        f"dropped the byte order mark of {one}",
        f"turned the CRLF and CR line ends of {one} and {other} into LF",
    ]


def test_a_clean_text_needs_no_note(tmp_path: Path, piece: int) -> None:
    assert read_text([write(tmp_path / "text", "é\n\u2028\x85\x0c日")]) == ("é\n\u2028\x85\x0c日", [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be", "utf-32-be"])
def test_utf_16_and_utf_32_are_told_by_their_mark(tmp_path: Path, piece: int, encoding: str) -> None:
    marked = LONG if encoding in ("utf-16", "utf-32") else "\ufeff" + LONG
    path = write(tmp_path / "text", marked.encode(encoding))
    assert read_text([path]) == (LONG, [f"read {path} as the UTF-16 or UTF-32 that its byte order mark says"])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "gb18030", "utf-7"])
def test_other_encodings_are_read_when_named(tmp_path: Path, piece: int, encoding: str) -> None:
    assert read_text([write(tmp_path / "text", "Fußé\nn".encode(encoding))], Decoding(encoding=encoding)) == (
        "Fußé\nn",
        [],
    )


def test_a_newline_goes_between_documents_that_lack_one(tmp_path: Path, piece: int) -> None:
    contents = ["", "a", "", "b\n", "\n", "c", ""]
    paths = [write(tmp_path / f"{number}", content) for number, content in enumerate(contents)]
    assert read_text(paths)[0] == "a\nb\n\nc"


def test_gzip_is_told_by_its_first_bytes(tmp_path: Path, piece: int) -> None:
    assert read_text([write(tmp_path / "text", gzip.compress(LONG.encode()))])[0] == LONG


def test_a_folder_gives_its_texts_in_order_and_says_what_it_skipped_and_why(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "b")
    write(tmp_path / "a" / "2.txt", "a2")
    write(tmp_path / "a" / "1.gz", gzip.compress(b"a1"))
    write(tmp_path / "a" / "3.txt", "三".encode("utf-16"))
    write(tmp_path / "c.txt", "é" * 100_000)
    write(tmp_path / ".git" / "config", "hidden")
    write(tmp_path / ".hidden", "hidden")
    write(tmp_path / "image", b"\x89PNG\r\n\x1a\n\0")
    write(tmp_path / "zeros", b"text\0")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    text, notes = read_text([tmp_path])
    assert text == "a1\na2\n三\nb\n" + "é" * 100_000
    assert notes == [
        f"skipped (hidden): {tmp_path / '.git'} and {tmp_path / '.hidden'}",
        f"skipped (linked folder): {tmp_path / 'a' / 'loop'}",
        f"skipped (PNG image): {tmp_path / 'image'}",
        f"skipped (not a file): {tmp_path / 'itself'}, {tmp_path / 'nowhere'} and {tmp_path / 'pipe'}",
        f"skipped (not utf-8 text): {tmp_path / 'zeros'}",
        f"read {tmp_path / 'a' / '3.txt'} as the UTF-16 or UTF-32 that its byte order mark says",
    ]


def test_lines_keep_their_numbers() -> None:
    def lines(*texts: str) -> list[str]:
        return [line for some in whole_lines(texts) for line in some]

    assert lines("a\n\nb\u2028\x0c\n") == ["a", "", "b\u2028\x0c"]
    assert lines("a", "\n", "\n") == ["a", ""]
    assert lines() == []
    assert lines("a", "b", "c\nd") == ["abc", "d"]


class Input:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_can_be_gone_through_again(
    monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr("sys.stdin", Input(pack(LONG.encode())))
    with read_corpus(["-"], TextSettings()) as corpus:
        assert corpus.sources == ["standard input"]
        assert "".join(parts(corpus)) == LONG == "".join(parts(corpus))


def test_a_pipe_is_read_once_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, kept = tmp_path / "pipe", tmp_path / "kept"
    kept.mkdir()
    os.mkfifo(pipe)
    monkeypatch.setattr("tempfile.tempdir", str(kept))
    writer = threading.Thread(target=pipe.write_text, args=(LONG,))
    writer.start()
    with read_corpus([pipe], TextSettings()) as corpus:
        writer.join()
        assert "".join(parts(corpus)) == LONG
    assert not list(kept.iterdir())


# Splitting a running text


@given(st.text(min_size=64).filter(lambda text: len(set(text[:32])) > 1), st.floats(0.001, 0.5))
def test_the_last_share_of_the_characters_is_validation(text: str, share: float) -> None:
    text = text.replace("\0", "").replace("\r", "").replace("\ufeff", "").ljust(64, "x")
    if len(set(text[: len(text) // 2])) < 2:
        text = LONG + text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_open", lambda path: io.BytesIO(text.encode()))
        patch.setattr(documents, "_kind", lambda source: "file")
        with read_corpus(["text"], TextSettings(validation=str(share))) as corpus:
            training, validation = parts(corpus)
            assert training + validation == text
            assert len(validation) == corpus.validation_characters == max(1, round(share * len(text)))
            assert corpus.characters == "".join(sorted(set(training)))


def test_the_parts_do_not_depend_on_the_pieces(tmp_path: Path, piece: int) -> None:
    text = LONG * 3 + "ж"
    assert split(tmp_path, text) == (text[:-25], text[-25:])


def test_a_validation_file_is_all_of_the_validation(tmp_path: Path, piece: int) -> None:
    held_out = write(tmp_path / "held out", "Ж short\n")
    assert split(tmp_path, LONG, validation=str(held_out)) == (LONG, "Ж short\n")


def test_a_validation_file_among_the_texts_is_not_learned_from(tmp_path: Path) -> None:
    write(tmp_path / "book" / "a.txt", LONG)
    held_out = write(tmp_path / "book" / "b.txt", "held out\n")
    (tmp_path / "link").symlink_to(held_out)
    for named, skipped in [
        ([tmp_path / "book"], held_out),
        ([tmp_path / "book" / "a.txt", tmp_path / "link"], tmp_path / "link"),
    ]:
        with read_corpus(named, TextSettings(validation=str(held_out))) as corpus:
            assert parts(corpus) == (LONG, "held out\n")
            assert corpus.training_characters == len(LONG)
            assert corpus.notes == [f"skipped (held out for validation): {skipped}"]
    with pytest.raises(TextError, match=r"b\.txt is all of the text: give another file for validation"):
        read_corpus([held_out], TextSettings(validation=str(held_out)))


def test_a_validation_file_in_lines_mode_keeps_lines_whole(tmp_path: Path, piece: int) -> None:
    held_out = write(tmp_path / "held out", "\nЖ short\n\nlast")
    expected = (LONG + "end\n", "Ж short\nlast\n")
    assert split(tmp_path, LONG + "\nend", lines=True, validation=str(held_out)) == expected


@pytest.mark.parametrize("lines", [False, True])
def test_without_validation_all_of_the_text_is_the_training_part(tmp_path: Path, piece: int, lines: bool) -> None:
    assert split(tmp_path, LONG * 2 + "ж\n", validation=None, lines=lines) == (LONG * 2 + "ж\n", "")


# Splitting lines


@given(st.lists(st.sampled_from(LINES), min_size=20), st.integers(0, 2**64), st.sampled_from(["0.1", "0.5", "0.99"]))
def test_lines_keep_their_order_and_equal_ones_their_side(lines: list[str], seed: int, share: str) -> None:
    lines += ["one", "other"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_open", lambda path: io.BytesIO("\n\n".join(lines).encode()))
        patch.setattr(documents, "_kind", lambda source: "file")
        with read_corpus(["text"], TextSettings(lines=True, validation=share), seed) as corpus:
            training, validation = (part.splitlines() for part in parts(corpus))
    assert training
    assert validation
    assert not set(training) & set(validation)
    assert Counter(training) + Counter(validation) == Counter(lines)
    assert [line for line in lines if line in training] == training
    assert [line for line in lines if line in validation] == validation


def test_about_the_share_of_the_lines_is_held_out_and_the_seed_says_which(tmp_path: Path) -> None:
    text = "\n".join(f"line {number}" for number in range(3000))
    first, second = (split(tmp_path, text, seed=seed, lines=True)[1].splitlines() for seed in (1, 2))
    assert 240 < len(first) < 360
    assert set(first) != set(second)
    assert split(tmp_path, text, seed=1, lines=True)[1].splitlines() == first


def test_the_lines_do_not_depend_on_the_pieces(tmp_path: Path, piece: int) -> None:
    assert split(tmp_path, "\n".join(LINES), lines=True) == split(tmp_path, "\n".join(LINES) + "\n\n", lines=True)
    assert sorted("".join(split(tmp_path, "\n".join(LINES), lines=True)).splitlines()) == sorted(LINES)


def test_lines_that_only_lower_case_makes_equal_stand_on_one_side(tmp_path: Path) -> None:
    text = "\n".join([*LINES, *map(str.upper, LINES)])
    training, validation = (part.lower().splitlines() for part in split(tmp_path, text, lines=True, lowercase=True))
    assert not set(training) & set(validation)


@pytest.mark.parametrize("share", ["1e-18", "0.999999999999"])
def test_each_side_gets_a_line_however_small_its_share(tmp_path: Path, share: str) -> None:
    training, validation = split(tmp_path, (LONG + "other\n") * 2, lines=True, validation=share)
    assert sorted([training, validation]) == sorted([LONG * 2, "other\n" * 2])


# What is refused, each in one line


def refused(sources: list[str | Path], **settings: object) -> str:
    chosen: dict[str, Any] = {"validation": "0.1", **settings}
    with pytest.raises((TextError, OptionError)) as caught:
        read_corpus(sources, TextSettings(**chosen))
    assert "\n" not in str(caught.value)
    return f"{'TextError' if isinstance(caught.value, TextError) else 'OptionError'}: {caught.value}"


@pytest.mark.parametrize("missing", ["gone", "", "new\nline", "nul\0"])
def test_a_missing_file_is_refused(tmp_path: Path, missing: str) -> None:
    assert refused([missing]).startswith("TextError: cannot read ")


def test_all_sources_are_looked_at_before_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = Input(b"text")
    monkeypatch.setattr("sys.stdin", untouched)
    assert refused(["-", "gone"]) == "TextError: cannot read gone: No such file or directory"
    assert refused(["-"], validation="gone") == "TextError: cannot read gone: No such file or directory"
    assert refused(["-", "-"]).startswith("TextError: standard input can be read only once")
    assert untouched.buffer.tell() == 0


def test_a_pipe_that_is_named_twice_is_refused_unread(tmp_path: Path) -> None:
    pipe, other = tmp_path / "pipe", tmp_path / "other"
    os.mkfifo(pipe)
    other.symlink_to(pipe)
    assert refused([pipe, pipe]) == f"TextError: {pipe} can be read only once: name it once"
    assert refused([pipe, other]) == f"TextError: {other} can be read only once: name it once"
    assert refused([pipe], validation=str(pipe)).startswith(f"TextError: {pipe} can be read only once")
    with pytest.raises(TextError, match="can be read only once"):
        check_sources([pipe, tmp_path, pipe])
    check_sources([pipe, tmp_path])


def test_a_closed_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert refused(["-"]).startswith("TextError: standard input is closed")


def test_no_source_a_device_and_a_folder_without_text_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "image", b"\xff\xd8\xff\xe0")
    assert refused([]).startswith("TextError: missing text")
    only = "it has only image (JPEG image)"
    assert refused([tmp_path]) == f"TextError: {tmp_path} is a folder without text files: {only}"
    assert refused(["/dev/null"]) == "TextError: cannot read /dev/null: it is not a file, folder or pipe"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "text", LONG)
    path.chmod(0)
    assert refused([path]) == f"TextError: cannot read {path}: Permission denied"


@pytest.mark.parametrize("before", [0, 100, 5000])
def test_invalid_bytes_are_refused_with_their_place(tmp_path: Path, piece: int, before: int) -> None:
    path = write(tmp_path / "text", b"a" * before + "é".encode() + b"\xe9t\xe9" + b"a" * 100)
    assert refused([path]).startswith(f"TextError: {path} is not utf-8 at byte {before + 2}: ")


def test_a_text_that_ends_in_half_a_character_is_refused(tmp_path: Path, piece: int) -> None:
    path = write(tmp_path / "text", b"a" * 100 + "日".encode()[:2])
    assert f"{path} is not utf-8 at byte 100:" in refused([path])


def test_nul_bytes_are_refused_with_their_place(tmp_path: Path, piece: int) -> None:
    path = write(tmp_path / "text", LONG.encode() + b"\0")
    assert refused([path]).startswith(
        f"TextError: {path} contains a NUL at byte {len(LONG)}, which is invalid in a text: "
    )
    write(path, (LONG + "\0").encode("utf-16"))
    assert refused([path], encoding="utf-16").startswith(
        f"TextError: {path} contains a NUL, which is invalid in a text: "
    )


def test_utf_16_without_its_mark_is_told_how_to_be_read(tmp_path: Path) -> None:
    path = write(tmp_path / "text", LONG.encode("utf-16-le"))
    assert "encoding= utf-16-le" in refused([path])
    assert "encoding= utf-16-le" in refused([path], encoding="utf-16")
    assert read_text([path], Decoding(encoding="utf-16-le"))[0] == LONG


@pytest.mark.parametrize("cut", [3, 12, 50])
def test_a_damaged_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "text.gz", gzip.compress(LONG.encode())[:cut])
    assert refused([path]).startswith(f"TextError: {path} is a damaged gzip file: ")


@pytest.mark.parametrize("lines", [False, True])
def test_a_text_under_64_characters_is_refused(tmp_path: Path, lines: bool) -> None:
    path = write(tmp_path / "text", LONG[:62] + "\n")
    needed = "at least 64 are needed: give a longer text"
    assert refused([path], lines=lines) == f"TextError: {path} has 63 characters; {needed}"
    write(path, "")
    assert refused([path], lines=lines) == f"TextError: {path} has 0 characters; {needed}"
    with read_corpus([write(path, "ab " * 21 + "\n")], TextSettings()):
        pass


@pytest.mark.parametrize(("text", "settings"), [("a" * 100, {}), ("aA" * 50, {"lowercase": True})])
def test_one_distinct_character_is_refused(tmp_path: Path, text: str, settings: dict[str, object]) -> None:
    path = write(tmp_path / "text", text)
    assert refused([path], **settings).startswith(f"TextError: {path} has only one distinct character to train on")


def test_lines_that_are_all_equal_are_refused(tmp_path: Path) -> None:
    assert refused([write(tmp_path / "text", LONG * 3)], lines=True).startswith("TextError: all lines are equal")


def test_an_empty_validation_file_is_refused(tmp_path: Path) -> None:
    path, empty = write(tmp_path / "text", LONG), write(tmp_path / "empty", "")
    assert (
        refused([path], validation=str(empty)) == f"TextError: {empty} is empty: name a file with text to validate on"
    )


@pytest.mark.parametrize("validation", ["0", "1", "1.5", "-0.1", "nan", "inf"])
def test_a_share_that_cannot_be_is_refused(validation: str) -> None:
    assert refused(["gone"], validation=validation).startswith("OptionError: validation must be a fraction above 0 and")


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "rot13", "", "nul\0", "two words\n"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    assert refused(["gone"], encoding=encoding).startswith("OptionError: unknown encoding ")


@pytest.mark.parametrize("vocabulary", ["word", "", "char:", "byte:5", "classic:1", "Char"])
def test_an_unknown_vocabulary_is_refused(vocabulary: str) -> None:
    says = f"OptionError: vocabulary must be char, byte, bpe:N or words, not {vocabulary}"
    assert refused(["gone"], vocabulary=vocabulary) == says


@pytest.mark.parametrize("size", ["", "0", "-5", "1e3", "65537", "9" * 5000, "²", "1000 ", "many"])
def test_a_number_of_tokens_that_cannot_be_is_refused(size: str) -> None:
    message = refused(["gone"], vocabulary=f"bpe:{size}")
    assert message.startswith("OptionError: vocabulary bpe:N needs a number up to 65,536, as in bpe:1000, not bpe:")


def test_a_vocabulary_is_a_kind_and_a_number() -> None:
    found = [
        (kind.kind, argument) for kind, argument in map(vocabulary_asked_for, ("char", "byte", "classic", "bpe:1000"))
    ]
    assert found == [("char", ""), ("byte", ""), ("classic", ""), ("bpe", "1000")]


def test_validation_is_a_share_or_a_file() -> None:
    assert parse_validation("0.05") == 0.05
    assert parse_validation("held.txt") == Path("held.txt")
    assert parse_validation(None) == 0
    with pytest.raises(OptionError):
        parse_validation("2")


def test_a_late_fault_closes_what_was_spooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[io.IOBase] = []
    original = tempfile.TemporaryFile

    def remember() -> io.IOBase:
        kept.append(original())
        return kept[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", remember)
    monkeypatch.setattr("sys.stdin", Input(b"\xff" * 100))
    with pytest.raises(TextError):
        read_corpus(["-"], TextSettings())
    assert [file.closed for file in kept] == [True]


def endless() -> Iterator[str]:
    for _ in range(64):
        yield "ab" * (1 << 19)


def test_memory_does_not_grow_with_a_text_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "text", lambda reader, documents: endless())
    monkeypatch.setattr(documents, "_kind", lambda source: "file")
    tracemalloc.start()
    try:
        with read_corpus(["text"], TextSettings()) as corpus:
            assert sum(len(text) for _, text in corpus.pieces()) == 64 << 20
        assert tracemalloc.get_traced_memory()[1] < 48e6
    finally:
        tracemalloc.stop()


def test_a_run_among_the_texts_is_no_text(tmp_path: Path) -> None:
    write(tmp_path / "book.txt", "The text that is meant. " * 10)
    write(tmp_path / "run" / "run.json", "{}")
    write(tmp_path / "run" / "model" / "README.md", "Not meant. " * 10)
    with read_corpus([tmp_path], TextSettings()) as corpus:
        assert "".join(text for _, text in corpus.pieces()) == "The text that is meant. " * 10


def test_the_first_characters_can_be_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("été\n" * 100_000, encoding="utf-8")
    whole, _ = read_text([path])
    for most in (0, 1, 5, 300_001, 400_000, 10**9):
        assert read_text([path], most=most)[0] == whole[:most]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("".join(f"The {k}th line of this book.\n" for k in range(20)))
    with read_corpus([path], TextSettings()) as once:
        pass
    with read_corpus([path, tmp_path, path], TextSettings()) as corpus:
        assert corpus.training_characters == once.training_characters
        assert any("named twice" in note for note in corpus.notes)
