"""Texts, their parts and their labels, wherever the pieces of a file end."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import TextError
from afterword.text import decoding, documents
from afterword.text import lines as of_lines
from afterword.text.corpus import Corpus, TextSettings, read_corpus
from afterword.text.decoding import Decoding, Reader
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.lines import count_labels, whole_lines
from tests.reading import read_text

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
    assert (corpus.training_characters, corpus.validation_characters) == tuple(map(len, found.values()))
    assert corpus.characters == "".join(sorted(set(found["training"]) - set("\n" * bool(corpus.lines))))
    return found["training"], found["validation"]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def split(tmp_path: Path, content: str, seed: int = 0, **chosen: Any) -> tuple[str, str]:
    path = write(tmp_path / "text", content)
    with read_corpus([path], TextSettings(**{"validation": "0.1", **chosen}), seed) as corpus:
        return parts(corpus)


def test_newlines_and_the_mark_are_mended_wherever_the_pieces_fall(tmp_path: Path, piece: int) -> None:
    one = write(tmp_path / "one", codecs.BOM_UTF8 + "a\r\nb\rc\n\r\r\né日👩\r".encode())
    other = write(tmp_path / "other", "\r\n\ufeffx")
    text, notes = read_text([one, other])
    assert text == "a\nb\nc\n\n\né日👩\n\n\ufeffx"
    assert notes == [
        f"dropped the byte order mark of {one}",
        f"turned the CRLF and CR line ends of {one} and {other} into LF",
    ]


MARKED = ["read {path} as the UTF-16 or UTF-32 that its byte order mark says"]
NAMED = ("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8-sig", "gb18030", "utf-7")


def test_encodings_and_gzip_are_told_by_their_first_bytes_or_named(tmp_path: Path, piece: int) -> None:
    forms: list[tuple[bytes, str, str, list[str]]] = [
        ("é\n\u2028\x85\x0c日".encode(), "utf-8", "é\n\u2028\x85\x0c日", []),
        (gzip.compress(LONG.encode(), mtime=0), "utf-8", LONG, []),
        *((LONG.encode(name), "utf-8", LONG, MARKED) for name in ("utf-16", "utf-32")),
        *((("\ufeff" + LONG).encode(name), "utf-8", LONG, MARKED) for name in ("utf-16-be", "utf-32-be")),
        *(("Fußé\nn".encode(name), name, "Fußé\nn", []) for name in NAMED),
    ]
    for content, encoding, text, notes in forms:
        path = write(tmp_path / "text", content)
        assert read_text([path], Decoding(encoding=encoding)) == (text, [note.format(path=path) for note in notes])


def test_a_newline_goes_between_documents_that_lack_one(tmp_path: Path, piece: int) -> None:
    contents = ["", "a", "", "b\n", "\n", "c", ""]
    paths = [write(tmp_path / f"{number}", content) for number, content in enumerate(contents)]
    assert read_text(paths)[0] == "a\nb\n\nc"


def test_a_folder_gives_its_texts_in_order_and_says_what_it_skipped_and_why(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "b")
    write(tmp_path / "a" / "2.txt", "a2")
    write(tmp_path / "a" / "1.gz", gzip.compress(b"a1", mtime=0))
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
    write(tmp_path / "run" / "run.json", "{}")
    write(tmp_path / "run" / "model" / "README.md", "a run, and no text")
    text, notes = read_text([tmp_path])
    assert text == "a1\na2\n三\nb\n" + "é" * 100_000
    assert notes == [
        f"skipped (hidden): {tmp_path / '.git'} and {tmp_path / '.hidden'}",
        f"skipped (linked folder): {tmp_path / 'a' / 'loop'}",
        f"skipped (PNG image): {tmp_path / 'image'}",
        f"skipped (not a file): {tmp_path / 'itself'}, {tmp_path / 'nowhere'} and {tmp_path / 'pipe'}",
        f"skipped (Afterword model or run): {tmp_path / 'run'}",
        f"skipped (not utf-8 text): {tmp_path / 'zeros'}",
        f"read {tmp_path / 'a' / '3.txt'} as the UTF-16 or UTF-32 that its byte order mark says",
    ]


@given(st.lists(st.text("ab\n\u2028\x0c")))
def test_lines_end_at_newlines_alone_in_any_pieces(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = [line for some in whole_lines(pieces) for line in some]
    assert found == (text.removesuffix("\n").split("\n") if text else [])


class Input:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_can_be_read_again(monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]) -> None:
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


def parts_of(text: str, size: int, seed: int = 0, **settings: Any) -> tuple[str, str]:
    """Return the parts of a text that is in no file and comes in pieces of `size` bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "READ_AT_ONCE", size)
        patch.setattr(documents, "open", lambda path, mode: io.BytesIO(text.encode()), raising=False)
        patch.setattr(documents, "_kind", lambda source: "file")
        with read_corpus(["text"], TextSettings(**settings), seed) as corpus:
            return parts(corpus)


@settings(max_examples=20)
@given(st.text(min_size=64).filter(lambda text: len(set(text[:32])) > 1), st.floats(0.001, 0.5), st.integers(1, 99))
def test_the_last_share_of_the_characters_is_validation(text: str, share: float, size: int) -> None:
    text = text.replace("\0", "").replace("\r", "").replace("\ufeff", "").ljust(64, "x")
    if len(set(text[: len(text) // 2])) < 2:
        text = LONG + text
    training, validation = parts_of(text, size, validation=str(share))
    assert training + validation == text
    assert len(validation) == max(1, round(share * len(text)))


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


def test_a_validation_file_is_all_of_the_validation_and_lines_stay_whole(tmp_path: Path, piece: int) -> None:
    held_out = write(tmp_path / "held out", "\nЖ short\n\nlast")
    assert split(tmp_path, LONG, validation=str(held_out)) == (LONG, "\nЖ short\n\nlast")
    expected = (LONG + "end\n", "Ж short\nlast\n")
    assert split(tmp_path, LONG + "\nend", lines=True, validation=str(held_out)) == expected


def test_without_validation_all_of_the_text_is_the_training_part(tmp_path: Path) -> None:
    for lines in (False, True):
        assert split(tmp_path, LONG * 2 + "ж\n", validation=None, lines=lines) == (LONG * 2 + "ж\n", "")


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from([*LINES, *map(str.upper, LINES[:50])]), min_size=20),
    st.sampled_from(["1e-18", "0.1", "0.5", "0.99", "0.999999999999"]),
    st.integers(1, 99),
    st.integers(0, 2**64),
    st.booleans(),
)
def test_lines_keep_their_order_equal_ones_their_side_and_each_side_has_one(
    lines: list[str], share: str, size: int, seed: int, lowercase: bool
) -> None:
    lines += ["one", "other"]
    chosen: dict[str, Any] = {"lines": True, "validation": share, "lowercase": lowercase}
    both = parts_of("\n\n".join(lines), size, seed, **chosen)
    assert parts_of("\n".join(lines) + "\n\n", 1 << 20, seed, **chosen) == both
    training, validation = (part.splitlines() for part in both)
    assert training
    assert validation
    read = str.lower if lowercase else str
    assert not set(map(read, training)) & set(map(read, validation))
    assert Counter(training) + Counter(validation) == Counter(lines)
    assert [line for line in lines if line in training] == training
    assert [line for line in lines if line in validation] == validation


def test_about_the_share_of_the_lines_is_held_out_and_the_seed_says_which(tmp_path: Path) -> None:
    text = "\n".join(f"line {number}" for number in range(3000))
    first, second, again = (split(tmp_path, text, seed, lines=True)[1].splitlines() for seed in (1, 2, 1))
    assert 240 < len(first) < 360
    assert first == again
    assert set(first) != set(second)


def refused(sources: list[str | Path], **chosen: Any) -> str:
    with pytest.raises(TextError, match=r"^[^\n]+$") as caught:
        read_corpus(sources, TextSettings(**{"validation": "0.1", **chosen}))
    return str(caught.value)


def test_all_sources_are_looked_at_before_a_pipe_or_standard_input_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched, pipe, other = Input(b"text"), tmp_path / "pipe", tmp_path / "other"
    monkeypatch.setattr("sys.stdin", untouched)
    assert refused(["-", "gone"]) == "cannot read gone: No such file or directory"
    assert refused(["-"], validation="gone") == "cannot read gone: No such file or directory"
    assert refused(["-", "-"]) == "standard input can be read only once: name it once"
    assert untouched.buffer.tell() == 0
    os.mkfifo(pipe)
    other.symlink_to(pipe)
    assert refused([pipe, other]) == f"{other} can be read only once: name it once"
    assert refused([pipe], validation=str(pipe)) == f"{pipe} can be read only once: name it once"


def test_a_source_that_gives_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    write(tmp_path / "image", b"\xff\xd8\xff\xe0")
    cases: list[tuple[list[Any], str]] = [
        *(([missing], "cannot read ") for missing in ("", "new\nline", "nul\0")),
        (["-"], "standard input is closed"),
        ([], "missing text"),
        ([tmp_path], f"{tmp_path} is a folder without text files: it has only image (JPEG image)"),
        (["/dev/null"], "cannot read /dev/null: it is not a file, folder or pipe"),
    ]
    for sources, says in cases:
        assert refused(sources).startswith(says)


NUL, BAD = LONG + "\0", b"\xe9t\xe9" + b"a" * 100
INVALID: list[tuple[bytes, dict[str, Any], str]] = [
    *((b"a" * at + "é".encode() + BAD, {}, f"is not utf-8 at byte {at + 2}: ") for at in (0, 100, 5000)),
    (b"a" * 100 + "日".encode()[:2], {}, "is not utf-8 at byte 100:"),
    (NUL.encode(), {}, f"contains a NUL at byte {len(LONG)}, which is invalid in a text: "),
    (NUL.encode("utf-16"), {"encoding": "utf-16"}, "contains a NUL, which is invalid in a text: "),
    *((gzip.compress(LONG.encode(), mtime=0)[:cut], {}, "is a damaged gzip file: ") for cut in (3, 12, 50)),
    (LONG[:62].encode() + b"\n", {}, "has 63 characters; at least 64 are needed: give a longer text"),
    (b"", {"lines": True}, "has 0 characters; at least 64 are needed"),
    (b"a" * 100, {}, "has only one distinct character to train on"),
    (b"aA" * 50, {"lowercase": True}, "has only one distinct character to train on"),
]


def test_what_is_no_text_to_learn_from_is_refused(tmp_path: Path, piece: int) -> None:
    for content, chosen, says in INVALID:
        path = write(tmp_path / "text", content)
        assert refused([path], **chosen).startswith(f"{path} {says}")


def test_an_empty_validation_and_equal_lines_are_refused_and_a_text_that_is_named_twice_is_read_once(
    tmp_path: Path,
) -> None:
    path, empty = write(tmp_path / "text", "ab " * 21 + "\n"), write(tmp_path / "empty", "")  # the shortest text
    says = f"{empty} is empty: name a file with text to validate on"
    assert refused([path], validation=str(empty)) == says
    assert refused([path], lines=True).startswith("all lines are equal")
    with read_corpus([path], TextSettings()) as once, read_corpus([path, path], TextSettings()) as twice:
        assert (once.notes, twice.notes) == ([], [f"skipped (named twice): {path}"])
        assert twice.training_characters == once.training_characters


def test_a_late_fault_closes_what_was_spooled(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[io.IOBase] = []
    original = tempfile.TemporaryFile

    def remember() -> io.IOBase:
        kept.append(original())
        return kept[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", remember)
    monkeypatch.setattr("sys.stdin", Input(b"\xff" * 100))
    assert "standard input is not utf-8" in refused(["-"])
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


GOOD = "".join(f"{'ham' if k % 3 else 'Spam'}\tline {k}\n" for k in range(60))


def read(folder: Path, content: str, **settings: str | bool) -> EncodedCorpus:
    path = write(folder / "mail.txt", content)
    chosen = TextSettings(**{"labels": True, "validation": "0.1", **settings})  # type: ignore[arg-type]
    with read_corpus([path], chosen) as corpus:
        return encode(corpus, learn_tokenizer(corpus, chosen.vocabulary, chosen.lowercase), folder)


@pytest.mark.parametrize(("vocabulary", "lowercase"), [("char", True), ("words", False)])
def test_labels_of_the_training_part_are_counted_in_its_case(tmp_path: Path, vocabulary: str, lowercase: bool) -> None:
    found = read(tmp_path, GOOD, vocabulary=vocabulary, lowercase=lowercase)
    first = [line.partition("\t")[0] for line in found.texts("training")]
    assert found.labels == {label: first.count(label) for label in ("ham", "spam" if lowercase else "Spam")}
    assert sum(found.labels.values()) == found.documents < 60
    assert list(found.labels) == sorted(found.labels, key=lambda label: -found.labels[label])
    assert EncodedCorpus.open(tmp_path).labels == found.labels
    assert read(tmp_path, GOOD, labels=False, lines=True).labels == {}


@given(st.lists(st.tuples(st.sampled_from("aAb"), st.text("xy\t", min_size=1))), st.integers(1, 9), st.booleans())
def test_the_first_tab_ends_the_label_in_any_pieces(lines: list[tuple[str, str]], size: int, lowercase: bool) -> None:
    text = "".join(f"{label}\t{line}\n" for label, line in lines)
    names = [label.lower() if lowercase else label for label, _ in lines]
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert count_labels(pieces, lowercase) == {label: names.count(label) for label in names}


def test_a_line_that_is_not_labelled_is_named_by_its_number_in_its_file(tmp_path: Path) -> None:
    first, second = write(tmp_path / "first", GOOD), tmp_path / "second"
    for line, missing in (
        ("no label here", "tab: with labels= every line is a label, a tab and a text"),
        ("\tno label", "label before its tab"),
        *((f"{label}\t", "text after its tab") for label in ("ham", "new")),
        ("\t", "label before its tab"),
    ):
        write(second, f"\n{GOOD}{line}\n{GOOD}")  # an empty line is none
        for sources, validation in (([first, second], "0.1"), ([first], str(second))):
            says = refused([*sources], labels=True, validation=validation)
            assert says.startswith(f"{second}:62 has no {missing}")


def test_too_many_labels_are_refused_where_they_become_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_lines, "MOST", 3)
    read(tmp_path, f"{GOOD}egg\tone\nHAM\ttwo\n", lowercase=True)
    with pytest.raises(TextError, match=r"mail\.txt:62 has a new label; at most 3 different ones are allowed"):
        read(tmp_path, f"{GOOD}egg\tone\nHAM\ttwo\n")


@given(st.integers(1, 9), st.integers(200, 900))
def test_labels_that_come_second_are_told_to_be_swapped(kinds: int, number: int) -> None:
    lines = [(f"kind {k % kinds}", f"title {k}") for k in range(number)]
    with tempfile.TemporaryDirectory() as place:
        read(Path(place), "".join(f"{label}\t{text}\n" for label, text in lines))
        with pytest.raises(TextError, match=r"mail\.txt:[0-9]+: the label seems to come second, .*: swap the columns"):
            read(Path(place), "".join(f"{text}\t{label}\n" for label, text in lines))
