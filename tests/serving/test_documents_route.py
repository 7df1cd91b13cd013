"""Laws of documents over HTTP: they are read as the command reads them, and refused in its words."""

from __future__ import annotations

import base64
import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import docx
import pytest

from afterword.errors import TextError
from afterword.text.markup import WORD
from tests.reading import read_text
from tests.serving.server import Serving, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving("english") as found:
        yield found


def novel() -> bytes:
    document, written = docx.Document(), io.BytesIO()
    document.add_heading("One")
    document.add_paragraph("Reena read & slept.")
    document.add_table(1, 1).cell(0, 0).text = "in a table"
    document.add_paragraph("Then she woke.")
    document.save(written)
    return written.getvalue()


FILES = {
    "novel.docx": novel(),
    "cut.docx": novel()[:3000],
    "page.html": "<p>naïve<p>text".encode(),
    "latin.md": "naïve".encode("latin-1"),
    "old.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
    "book.pdf": b"%PDF-1.7 \0",
    "wide.txt": "naïve".encode("utf-16"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_document_is_read_or_refused_as_by_the_command(
    server: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(FILES[name])
    found = server.post("/v1/documents", {"name": name, "document": base64.b64encode(FILES[name]).decode()})
    with contextlib.suppress(TextError):
        text, notes = read_text([name])
        assert found.json == {"text": text, "notes": notes}
        return
    with pytest.raises(TextError) as refused:
        read_text([name])
    assert (found.status, found.error.split(": ")[0]) == (400, str(refused.value).split(": ")[0])


def zipped(**files: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


REFUSED = {
    "the changes do not fit into a.docx: they add or join paragraphs": (
        novel(),
        "One\nReena read & slept. Then she woke.",
    ),
    "a.docx is a damaged Word document (": (zipped(a=b"not a document"), "text"),
    "a.docx is a damaged Word document (File is not a zip file": (b"a text", "text"),
    "a.docx is a damaged Word document (it unpacks to more than": (zipped(**{WORD: bytes(60_000_000)}), "text"),
}


@pytest.mark.parametrize("says", REFUSED)
def test_what_cannot_be_changed_is_refused_in_a_sentence(server: Serving, says: str) -> None:
    content, text = REFUSED[says]
    body = {"name": "a.docx", "document": base64.b64encode(content).decode(), "text": text}
    found = server.post("/v1/documents", body)
    assert (found.status, found.error[: len(says)]) == (400, says)
    assert "\n" not in found.error


def test_a_document_gets_a_changed_text_and_keeps_its_other_parts(server: Serving, tmp_path: Path) -> None:
    (old := tmp_path / "a.docx").write_bytes(novel())
    text = read_text([old])[0].replace("slept", "wept\nand wept")
    body = {"name": "a.docx", "document": base64.b64encode(novel()).decode(), "text": text}
    (new := tmp_path / "b.docx").write_bytes(base64.b64decode(server.post("/v1/documents", body).json["document"]))
    assert read_text([new])[0] == text
    assert docx.Document(str(new)).tables[0].cell(0, 0).text == "in a table"
