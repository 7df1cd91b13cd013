"""Documents that are damaged, encrypted, or made to harm: each gets one line, or its text and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterword.text import markup
from tests.reading import read_text
from tests.text.test_formats import BOOK, MANIFEST, ODT, PACKAGE, refusal, word, zipped


def test_a_damaged_one_gets_a_line(tmp_path: Path) -> None:
    path = word(tmp_path / "novel.docx")
    path.write_bytes(path.read_bytes()[:-200])
    assert refusal(path).startswith("is a damaged Word document (File is not a zip file)")
    zipped(path, {"[Content_Types].xml": "", "word/document.xml": "<w:p>"})
    assert refusal(path).startswith("is a damaged Word document (")
    assert refusal(zipped(tmp_path / "a.epub", {**BOOK, "OEBPS/book.opf": "<x/>"} | {"META-INF/container.xml": "<x/>"}))
    for name in BOOK:
        if name.startswith("OEBPS/text"):
            files = {one: content for one, content in BOOK.items() if one != name}
            assert "is a damaged EPUB book" in refusal(zipped(tmp_path / "b.epub", files))


def test_damage_in_the_compressed_part_gets_a_line(tmp_path: Path) -> None:
    content = word(tmp_path / "novel.docx").read_bytes()
    begin = content.index(b"word/document.xml") + len("word/document.xml")
    (path := tmp_path / "a.docx").write_bytes(content[:begin] + b"\xff" * 9 + content[begin + 9 :])
    assert refusal(path).startswith("is a damaged Word document (Error -3 while decompressing data")
    strange = bytearray(
        zipped(tmp_path / "b.docx", {"word/document.xml": "<x/>", "[Content_Types].xml": ""}).read_bytes()
    )
    for at in (0, strange.index(b"PK\x01\x02") + 2):
        strange[at + 8] = 99
    (tmp_path / "b.docx").write_bytes(strange)
    assert "is a damaged Word document (" in refusal(tmp_path / "b.docx")


def test_an_encrypted_one_gets_a_line(tmp_path: Path) -> None:
    path = word(tmp_path / "novel.docx")
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags of every file in it
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    path.write_bytes(content)
    assert refusal(path) == "is an encrypted Word document: save it without a password"
    locked = "<encryption><CipherReference URI='OEBPS/text/one.xhtml'/></encryption>"
    book = zipped(tmp_path / "a.epub", {**BOOK, "META-INF/encryption.xml": locked})
    assert "is an encrypted EPUB book" in refusal(book)
    manifest = MANIFEST.replace("/>", "><manifest:encryption-data/></manifest:manifest>")
    odt = zipped(tmp_path / "a.odt", {**ODT, "META-INF/manifest.xml": manifest, "content.xml": "\1\2"})
    assert "is an encrypted OpenDocument text" in refusal(odt)


WORD = '<w:document xmlns:w="w"><w:body><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:body></w:document>'


@pytest.mark.parametrize("entity", ['SYSTEM "file:///etc/hostname"', '"&b;&b;&b;"', '"text"'])
def test_no_entity_is_expanded(tmp_path: Path, entity: str) -> None:
    head = f'<!DOCTYPE x [<!ENTITY a {entity}><!ENTITY b "bbbb">]>'
    path = zipped(tmp_path / "a.docx", {"[Content_Types].xml": "", "word/document.xml": head + WORD.format("x&a;y")})
    assert read_text([path])[0] == "xy\n"


def test_what_is_unpacked_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "MOST", 100_000)
    pages = {f"OEBPS/text/{name}.xhtml": "<html><body><p>" + "a" * 60_000 for name in ("one", "two b")}
    word = {"[Content_Types].xml": "", "word/document.xml": WORD.format("a" * 10**7)}
    for reader, content, what in (
        ("word", zipped(tmp_path / "a.docx", word).read_bytes(), "it unpacks to more than 100,000 bytes"),
        ("epub", zipped(tmp_path / "a.epub", BOOK | pages).read_bytes(), "it unpacks to more than 100,000 bytes"),
        ("page", b"<p>a" * 50_000, "more than 100,000 bytes"),
    ):
        assert markup.text_of(f"afterword.text.markup:{reader}", content) == {"fault": "damaged", "why": what}


def test_deep_nesting_is_no_recursion(tmp_path: Path) -> None:
    (page := tmp_path / "a.html").write_text("<div>" * 100_000 + "text", encoding="utf-8")
    assert len(read_text([page])[0]) <= len("text\n")
    deep = WORD.format("<w:p>" * 100_000 + "text" + "</w:p>" * 100_000)
    path = zipped(tmp_path / "a.docx", {"[Content_Types].xml": "", "word/document.xml": deep})
    assert read_text([path])[0] == "text\n"


def test_a_path_out_of_the_book_is_not_read(tmp_path: Path) -> None:
    path = PACKAGE.replace("text/one.xhtml", "../../../../etc/hostname")
    assert "is a damaged EPUB book" in refusal(zipped(tmp_path / "a.epub", {**BOOK, "OEBPS/book.opf": path}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", "<html><body>x" + "<b> </b>" * 200_000 + "y"),
        ("a.rtf", "{\\rtf1 x" + "\\trowd " * 200_000 + "y}"),
    ],
    ids=["spaces", "tables"],
)
@pytest.mark.timeout(30)
def test_many_spaces_or_tables_without_an_end_are_read_in_linear_time(tmp_path: Path, name: str, content: str) -> None:
    (path := tmp_path / name).write_text(content, encoding="utf-8")
    assert read_text([path])[0].startswith("x")
