"""Laws of reading: what is no text is refused or replaced and counted, and what has come is there at once."""

from __future__ import annotations

import os
from functools import partial
from io import BufferedIOBase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import TextError
from afterword.text import decoding
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import Document
from tests.reading import read_text

REPLACE = Decoding(encoding_errors="replace")
EUROS = "“Prices” – 5 €, ä\n"


def opened(place: Path | int) -> BufferedIOBase:
    return open(place, "rb")


def piped(content: bytes) -> Document:
    """A document that comes through a pipe."""
    read, write = os.pipe()
    os.write(write, content)
    os.close(write)
    return Document("pipe", partial(opened, read))


def file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


INVALID = [
    ("utf-8", b"a\xffb\0c\xc3\xa9\xe6\x97d\xef\xbf\xbd\r\n\xe6", "a�b�cé�d�\n�", "4 invalid places"),
    ("cp1252", b"a\x81\x80\0", "a�€�", "2 invalid places"),
    ("utf-16", "\ufeffaé\n".encode("utf-16-le") + b"\x00\xd8b\0c", "aé\n�b�", "2 invalid places"),
    ("gb18030", "日".encode("gb18030") + b"\xff" + "本".encode("gb18030"), "日�本", "1 invalid place"),
    ("utf-8", b"nothing wrong \xef\xbf\xbd", "nothing wrong �", ""),
]


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_what_is_no_text_is_replaced_and_its_places_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(decoding, "READ_AT_ONCE", size)
    for encoding, content, text, places in INVALID:
        path = file(tmp_path / "log", content)
        found, notes = read_text([path], Decoding(encoding=encoding, encoding_errors="replace"))
        assert found == text
        assert [note for note in notes if "U+FFFD" in note] == (
            [f"replaced {places} with U+FFFD (�) in {path}"] if places else []
        )


@given(st.binary(), st.sampled_from(["utf-8", "latin-1", "cp1252", "shift_jis", "utf-16-le"]), st.integers(1, 9))
def test_replacing_reads_what_python_reads_with_its_own_replacement(content: bytes, encoding: str, size: int) -> None:
    document = Document("bytes", lambda: piped(b"x".ljust(2, b"\0" if "16" in encoding else b"x") + content).open())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "unmarked_utf_16", lambda head: None)
        reader = Reader(Decoding(encoding=encoding, encoding_errors="replace"), size)
        text = "".join(reader.pieces(document))
    start = "x" if "16" in encoding else "xx"
    expected = start + content.decode(encoding, "replace").replace("\0", "�")
    assert text == expected.replace("\r\n", "\n").replace("\r", "\n")


def test_a_document_that_is_read_twice_is_counted_once(tmp_path: Path) -> None:
    document = Document("log", partial(opened, file(tmp_path / "log", b"a\xffb\xff")))
    reader = Reader(REPLACE)
    assert list(reader.text([document])) == list(reader.text([document])) == ["a�b�"]
    assert reader.notes.lines() == ["replaced 2 invalid places with U+FFFD (�) in log"]


def test_in_a_folder_a_log_with_a_bad_byte_is_text_where_it_is_replaced_and_other_data_is_not(tmp_path: Path) -> None:
    log = file(tmp_path / "a.log", b"one line and \xff\n" * 9)
    file(tmp_path / "data", bytes(range(256)) * 9)
    text, notes = read_text([tmp_path], REPLACE)
    assert text.count("one line and �\n") == 9
    assert notes == [
        f"skipped (not text): {tmp_path / 'data'}",
        f"replaced 9 invalid places with U+FFFD (�) in {log}",
    ]
    with pytest.raises(TextError, match=r"without text files: it has only a\.log \(not utf-8 text\) and data \(not"):
        read_text([tmp_path])


def advice(tmp_path: Path, content: bytes, how: Decoding | None = None) -> str:
    path = file(tmp_path / "text", content)
    with pytest.raises(TextError) as caught:
        read_text([path], how or Decoding())
    return str(caught.value).removeprefix(f"{path} ")


def test_the_encoding_that_is_named_to_try_is_one_that_reads_the_text(tmp_path: Path) -> None:
    content = EUROS.encode("cp1252")
    assert "is not utf-8 at byte 0: try encoding= cp1252, common on Windows," in advice(tmp_path, content)
    assert read_text([tmp_path / "text"], Decoding(encoding="cp1252"))[0] == EUROS
    assert "cp1252" not in advice(tmp_path, b"?\x81\x81")
    unmarked = advice(tmp_path, EUROS.encode("utf-16-le"), Decoding(encoding="utf-16"))
    assert unmarked == "has no byte order mark: try encoding= utf-16-le"
    for encoding in ("utf-16-le", "utf-16-be"):
        says = f"looks like UTF-16 without a byte order mark: try encoding= {encoding}"
        for how in (Decoding(), REPLACE, Decoding(encoding="cp1252")):
            assert advice(tmp_path, EUROS.encode(encoding), how) == says
        assert read_text([tmp_path / "text"], Decoding(encoding=encoding))[0] == EUROS


def test_where_the_text_is_utf_8_up_to_a_bad_byte_no_other_encoding_is_named(tmp_path: Path) -> None:
    says = advice(tmp_path, "é".encode() + b"\xff")
    assert says == "is not utf-8 at byte 2: encoding_errors= replace puts � in its place"
    assert "give the file's encoding=" in advice(tmp_path, b"\x81", Decoding(encoding="cp1252"))


def test_a_pipe_gives_what_has_come_without_waiting_for_more() -> None:
    read, write = os.pipe()
    pieces = Reader(Decoding()).pieces(Document("pipe", partial(opened, read)))
    for line in ("P\n", "é\n", "x" * 5000 + "\n"):  # PK begins a ZIP archive
        os.write(write, line.encode())
        text = ""
        while len(text) < len(line):
            text += next(pieces)
        assert text == line
    os.close(write)
    assert list(pieces) == []


def test_a_pipe_is_not_copied_to_the_disk_to_be_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", None)
    with piped(b"a\nb").open() as stream:
        monkeypatch.setattr("sys.stdin", type("Input", (), {"buffer": stream}))
        assert read_text(["-"])[0] == "a\nb"
        assert not stream.closed
