"""Laws of a Word document with a changed text: what was not changed stays."""

from __future__ import annotations

import base64
import io
import json
import random
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import docx
import pytest
from docx.enum.section import WD_SECTION
from docx.oxml import parse_xml
from lxml import etree

from afterword.text.markup import WORD, text_of
from afterword.text.word_documents import changed

READER = "afterword.text.word_documents:changed"
NAMESPACE = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
INSERTED = '<w:r><w:t xml:space="preserve">She was </w:t></w:r><w:ins w:id="1" w:author="A"><w:r><w:rPr><w:i/></w:rPr>'
INSERTED += '<w:t>boldly</w:t></w:r></w:ins><w:del w:id="2" w:author="A"><w:r><w:delText> not</w:delText></w:r></w:del>'
LINK = '<w:hyperlink w:anchor="a"><w:r><w:t>He went boldly, &amp; &lt;far&gt;.</w:t></w:r></w:hyperlink>'
MOVED = '<w:moveFrom w:id="3" w:author="A"><w:r><w:t>gone </w:t></w:r></w:moveFrom><w:r><w:t>Read boldly.</w:t></w:r>'


def runs(document: Any) -> None:
    paragraph = document.add_paragraph("She ran ")
    paragraph.add_run("boldly").bold = True
    paragraph.add_run(" on, and on.")


def comment(document: Any) -> None:
    paragraph = document.add_paragraph()
    document.add_comment(paragraph.add_run("She spoke boldly."), "Why?", "A")


def header(document: Any) -> None:
    document.sections[0].header.paragraphs[0].text = "At the top"
    document.add_paragraph("A page boldly laid out.", style="Quote")


def table(document: Any) -> None:
    document.add_table(2, 2).cell(0, 0).text = "in a cell"
    document.add_paragraph("After it, boldly.")


def breaks(document: Any) -> None:
    for text in ("One\tboldly\nafter a tab", "", "", "Three"):
        document.add_paragraph(text)


def sections(document: Any) -> None:
    document.add_paragraph("The first section ends boldly.")
    document.add_section(WD_SECTION.NEW_PAGE)
    document.add_paragraph("The second.")


def numbered(document: Any) -> None:
    for text in ("Go boldly", "Stay"):
        document.add_paragraph(text, style="List Number")


def marked_up(xml: str) -> Callable[[Any], None]:
    def add(document: Any) -> None:
        document.add_paragraph("Before.")
        document._body._element.insert(1, parse_xml(f"<w:p {NAMESPACE}>{xml}</w:p>"))

    return add


MADE: dict[str, Callable[[Any], None]] = {
    one.__name__: one for one in (runs, comment, header, table, breaks, sections, numbered)
}
MADE |= {"insertion": marked_up(INSERTED), "link": marked_up(LINK), "moved": marked_up(MOVED)}
ODT = """<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" office:version="1.3"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"
 office:mimetype="application/vnd.oasis.opendocument.text"><office:body><office:text><text:h>Notes</text:h>
<text:p>Said boldly<text:note
 text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body>
<text:p>A footnote.</text:p></text:note-body></text:note>, she said.
<office:annotation><dc:creator>A</dc:creator>
<text:p>A comment.</text:p></office:annotation></text:p></office:text></office:body></office:document>"""


def made(name: str) -> bytes:
    document, written = docx.Document(), io.BytesIO()
    document.add_heading("A title")
    MADE[name](document)
    document.save(written)
    return written.getvalue()


def with_text(content: bytes, text: str) -> bytes:
    return base64.b64decode(changed(json.dumps(text).encode() + b"\n" + content, Counter()))


def parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {one: archive.read(one) for one in archive.namelist()}


def read(content: bytes) -> str:
    return text_of("afterword.text.markup:word", content)["text"]


def canonical(xml: bytes) -> str:
    text: str = etree.tostring(etree.fromstring(xml), method="c14n").decode()
    return text.replace(' xml:space="preserve"', "")


def check_only_change(content: bytes, found: bytes, before: str, after: str) -> None:
    """Check that `found` is the document `content` but for one word."""
    old, new = parts(content), parts(found)
    main, other = (canonical(one.pop(WORD)) for one in (old, new))
    assert main.count(before) == 1
    assert other == main.replace(before, escape(after))
    assert new == old
    assert list(new) == list(old)


def check_one_word(content: bytes) -> None:
    check_only_change(content, with_text(content, read(content).replace("boldly", "<coldly>")), "boldly", "<coldly>")


@pytest.mark.parametrize("name", MADE)
def test_one_word_changes_and_all_else_is_equal(name: str) -> None:
    check_one_word(made(name))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_same_holds_for_documents_of_libreoffice(tmp_path: Path) -> None:
    if (office := shutil.which("soffice")) is None:
        pytest.skip("there is no LibreOffice: apt-get install libreoffice-writer")
    for name in MADE:
        (tmp_path / f"{name}.docx").write_bytes(made(name))
    (tmp_path / "notes.fodt").write_text(ODT)
    files = [str(one) for one in tmp_path.iterdir()]
    command = [office, f"-env:UserInstallation=file://{tmp_path}/user", "--convert-to", "docx", "--outdir"]
    subprocess.run([*command, str(tmp_path / "out"), *files], check=True, capture_output=True)
    found = sorted((tmp_path / "out").iterdir())
    assert len(found) == len(files)
    for file in found:
        check_one_word(file.read_bytes())


@pytest.mark.parametrize("name", MADE)
def test_any_change_gives_a_document_with_that_text_or_none_at_all(name: str) -> None:
    draw, content = random.Random(name), made(name)
    old, text, refused = parts(content), read(content), 0
    for _ in range(60):
        at, to = sorted(draw.choices(range(len(text) + 1), k=2))
        at, to = (at, at) if draw.random() < 0.4 else (at, min(to, at + draw.randrange(1, 20)))
        new = text[:at] + draw.choice(["", "", "word", " & so", "\n", "a\nb", "\tx\n"]) + text[to:]
        if not new.strip():
            continue
        if not (found := with_text(content, new)):
            refused += 1
            continue
        assert [*map(str.split, read(found).split("\n"))] == [*map(str.split, f"{new.strip()}\n".split("\n"))]
        assert {**parts(found), WORD: b""} == {**old, WORD: b""}
        docx.Document(io.BytesIO(found))
    assert refused <= 6


def test_a_new_paragraph_is_like_the_one_before_and_a_deleted_one_leaves_the_others() -> None:
    content = made("numbered")
    text = read(content)
    added = docx.Document(io.BytesIO(with_text(content, text.replace("boldly\n", "boldly\nNow\n"))))
    assert [(one.text, one.style.name) for one in added.paragraphs[1:]] == [
        *((one, "List Number") for one in ("Go boldly", "Now", "Stay"))
    ]
    fewer = docx.Document(io.BytesIO(with_text(content, text.replace("A title\n", ""))))
    assert [(one.text, one.style.name) for one in fewer.paragraphs] == [
        *((one, "List Number") for one in ("Go boldly", "Stay"))
    ]


def test_a_note_and_a_comment_stay_in_their_paragraph_and_a_new_one_has_the_font_of_its_last_words() -> None:
    document, written = docx.Document(), io.BytesIO()
    paragraph = document.add_paragraph("It was night.")
    document.add_comment(paragraph.runs[0], "Why?", "A")
    paragraph.runs[0].italic = True
    document.add_paragraph("")
    document.save(written)
    found = docx.Document(io.BytesIO(with_text(written.getvalue(), "It was night.\nIt rained.\n\tMore.\n")))
    first, second, third = found.paragraphs[:3]
    assert [one.text for one in (first, second, third)] == ["It was night.", "It rained.", "\tMore."]
    assert [any("comment" in one.tag for one in each._p.iter()) for each in (first, second, third)] == [
        True,
        False,
        False,
    ]
    assert second.runs[0].italic


def test_what_a_deleted_paragraph_has_besides_its_text_moves_to_the_next() -> None:
    document, written = docx.Document(), io.BytesIO()
    document.add_comment(document.add_paragraph("It was night.").runs[0], "Why?", "A")
    document.add_paragraph("It rained.")
    document.save(written)
    (left,) = docx.Document(io.BytesIO(with_text(written.getvalue(), "It rained.\n"))).paragraphs
    assert left.text == "It rained."
    assert any(one.tag.endswith("}commentReference") for one in left._p.iter())


def test_entities_are_not_expanded_and_nothing_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    secret = f'<!DOCTYPE d [<!ENTITY a SYSTEM "file://{tmp_path}/secret.txt">]>'.encode()
    many = "".join(f'<!ENTITY x{k + 1} "{f"&x{k};" * 10}">' for k in range(9))
    bomb = f'<!DOCTYPE d [<!ENTITY x0 "boom">{many}]>'.encode()
    for doctype, entity in ((secret, b"&a;"), (bomb, b"&x9;")):
        old = parts(made("runs"))
        start, _, rest = old[WORD].partition(b"?>")
        main = start + b"?>" + doctype + rest.replace(b"She ran ", b"She ran " + entity)
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for name, content in (old | {WORD: main}).items():
                archive.writestr(name, content)
        given = json.dumps(read(written.getvalue()).replace("boldly", "coldly")).encode() + b"\n" + written.getvalue()
        found = text_of(READER, given)
        if found.get("text", "").strip():
            main = parts(base64.b64decode(found["text"]))[WORD]
            assert entity in main
            assert main.count(b"boom") <= 1
            assert b">secret" not in main


def test_without_the_package_the_fault_is_that_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "afterword.text.word_documents")
    monkeypatch.setitem(sys.modules, "lxml", None)
    assert text_of(READER, b'"text"\n' + made("runs")) == {"fault": "unread"}
