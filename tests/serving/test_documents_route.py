"""Laws of documents over HTTP: they are read as the command reads them, and refused in its words."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import docx
import pytest

from afterword.errors import TextError
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
