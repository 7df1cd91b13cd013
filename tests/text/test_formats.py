"""Laws of the table of formats: each is read or refused, whatever its name, and a new one is added in one place."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import TextError
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.decoding import Decoding, Reader
from afterword.text.formats import ARCHIVE, FORMATS, HEAD, Format
from afterword.wording import listed_names, with_article
from tests.processes import finished
from tests.reading import read_text
from tests.test_docs import ROOT

docx = pytest.importorskip("docx")
pytest.importorskip("striprtf")

OPEN = "urn:oasis:names:tc:opendocument:xmlns"
CONTENT = f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="{OPEN}:office:1.0" xmlns:text="{OPEN}:text:1.0" xmlns:table="{OPEN}:table:1.0"
 xmlns:draw="{OPEN}:drawing:1.0"><office:body><office:text>
<text:h text:outline-level="1">Chapter I</text:h><text:p>It was <text:span>a dark</text:span> night<text:note><text:p>
Not so dark.</text:p></text:note>.</text:p><text:p/><table:table><table:table-row/></table:table>
<text:p>One<text:line-break/>two<text:tab/>three.<draw:frame/></text:p></office:text></office:body>
</office:document-content>"""
MANIFEST = "<manifest:manifest xmlns:manifest='urn:oasis:names:tc:opendocument:xmlns:manifest:1.0'/>"
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="b" href="text/two%20b.xhtml"/><item id="a" href="text/one.xhtml"/><item id="n" href="nav.xhtml"/></manifest>
<spine><itemref idref="a"/><itemref idref="n" linear="no"/><itemref idref="b"/></spine></package>"""
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
    "<rootfile full-path='OEBPS/book.opf'/></rootfiles></container>",
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/text/one.xhtml": "<?xml version='1.0' encoding='utf-8'?><html xmlns='http://www.w3.org/1999/xhtml'><head>"
    "<title>no</title></head><body><h2>I</h2><p>First&nbsp;page,\nwith a <i>word</i>.</p><aside>A note.</aside></body>",
    "OEBPS/text/two b.xhtml": "<html><body><div class='stanza'><div>Roses é</div><div>Violets</div></div></body>",
    "OEBPS/nav.xhtml": "<html><body><p>contents</p></body></html>",
}
PAGE = """<!DOCTYPE html><html><head><title>no</title><style>p {}</style></head><body><nav>no</nav><h1>The   House</h1>
<p>One <b>bold</b> word,
and another.<br>
A new line.<script>no()</script><!-- no --></p><table><tr><td>no</td></tr></table><ul><li>bread<li>butter</ul>
<pre>a  b
  c</pre><p>caf&eacute;<img src="http://example.com/x.png"></p></body></html>"""
MARKDOWN = """---
title: no
---
# The House

One *bold* word,
and another.

- bread
- butter

| no | no |
| -- | -- |
| no | no |

Roses\\
Violets
"""
RTF = rb"""{\rtf1\ansi{\fonttbl\f0 Times;}{\info{\title no}}
\f0 It was {\b a dark} night.{\footnote no}\par Caf\'e9 \u8212? one.\par
\trowd\cellx100 no\cell\row The end.\par}"""


ODT = {"mimetype": "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml": MANIFEST, "content.xml": CONTENT}


def zipped(path: Path, files: Mapping[str, str]) -> Path:
    """Write an archive; its media type is not compressed, as formats ask for that begin with it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return path


def word(path: Path) -> Path:
    document = docx.Document()
    document.add_heading("Chapter I", 1)
    paragraph = document.add_paragraph("It was a ")
    paragraph.add_run("dark").bold = True
    paragraph.add_run(" night.\tAnd")
    paragraph.add_run().add_break()
    paragraph.add_run("late.")
    document.add_paragraph("")
    document.add_table(2, 2).cell(0, 0).text = "no"
    document.add_paragraph("The end.")
    document.save(str(path))
    return path


REPLACE = Decoding(encoding_errors="replace")
HOUSE = "The House\n\nOne bold word, and another."
READ: dict[str, tuple[Any, str, str]] = {  # what a document has in it, its text, and what is left out
    "Word document": (word, "Chapter I\nIt was a dark night.\tAnd\nlate.\n\nThe end.\n", "1 table"),
    "OpenDocument text": (
        ODT,
        "Chapter I\nIt was a dark night.\n\nOne\ntwo\tthree.\n",
        "1 note and 1 picture and 1 table",
    ),
    "EPUB book": (BOOK, "I\n\nFirst\xa0page, with a word.\n\n\nRoses é\nViolets\n", "1 note"),
    "HTML page": (
        PAGE.encode(),
        f"{HOUSE}\nA new line.\n\nbread\nbutter\n\na  b\n  c\n\ncafé\n",
        "1 picture and 1 table",
    ),
    "Markdown text": (MARKDOWN.encode(), f"{HOUSE}\n\nbread\nbutter\n\nRoses\nViolets\n", "1 table"),
    "rich text document (RTF)": (RTF, "It was a dark night.\nCafé — one.\n The end.\n", "1 note and 1 table"),
}
REFUSED: dict[str, Any] = {  # others are their signature and something
    "Excel workbook": {"[Content_Types].xml": "", "xl/workbook.xml": ""},
    "PowerPoint presentation": {"ppt/a.xml": "", "[Content_Types].xml": ""},
    "ZIP archive": {"a.txt": "b"},
    "tar archive": b"name".ljust(257, b"\0") + b"ustar\0",
}
each_read = pytest.mark.parametrize("kind", [one for one in FORMATS if one.reader], ids=lambda kind: kind.name)


def sample(kind: Format, place: Path) -> bytes:
    """Return a small file of that format; `place` is a folder."""
    made = READ[kind.name][0] if kind.reader else REFUSED.get(kind.name, kind.signature + b"\0\xe2\xff")
    if isinstance(made, bytes):
        return made
    path = zipped(place / "sample", made) if isinstance(made, dict) else made(place / "sample")
    content: bytes = path.read_bytes()
    path.unlink()
    return content


def refusal(path: Path, how: Decoding | None = None) -> str:
    with pytest.raises(TextError) as caught:
        read_text([path], how)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{path} ")


@each_read
def test_a_document_is_read_as_its_text_whatever_its_name(
    kind: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, (_, text, without) = sample(kind, tmp_path), READ[kind.name]
    names = [f"a{end}" for ending in kind.endings for end in (ending.upper(), f"{ending}.gz")]
    if kind.signature or kind.then:  # others only their names tell
        names += ["a", "a.txt", "a.pdf"]
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert read_text(["-"])[0] == text
    for name in names:
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    paths = [tmp_path / name for name in names]
    assert read_text(paths) == (
        text * len(paths),
        [f"read the text of {listed_names(map(str, paths))}, without {without}"],
    )


@each_read
def test_half_of_a_document_gets_one_line(kind: Format, tmp_path: Path) -> None:
    content, path = sample(kind, tmp_path), tmp_path / f"a{kind.endings[0]}"
    path.write_bytes(content[: len(content) // 2] + b"\xff" * kind.is_text)
    if kind.is_text:
        assert refusal(path).startswith("is not utf-8 at byte ")
    elif kind.name.startswith("rich text"):  # which is read as far as it goes
        assert read_text([path])[0].startswith("It was a")
    else:
        assert refusal(path).startswith(f"is a damaged {kind.name} (")


def test_another_file_is_refused_with_what_to_do_whatever_its_name(tmp_path: Path) -> None:
    for kind in [one for one in FORMATS if not one.reader]:
        content, says = sample(kind, tmp_path), f"is {with_article(kind.name)}, not plain text: {kind.advice}"
        for name in ("a", "a.md", "a.pdf" if kind is ARCHIVE else "a.docx", "a.txt.gz"):
            (path := tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
            for how in (Decoding(), REPLACE, Decoding(encoding="latin-1"), Decoding(markup="keep")):
                assert refusal(path, how) == says
            only = f"is a folder without text files: it has only {name} ({kind.name})"
            assert refusal(tmp_path, REPLACE).endswith(only)
            path.unlink()


ADDED = """
import json, sys
from afterword.text import formats
page = dict(reader=formats.MARKUP + "page", extra="verse", is_text=True)
formats.FORMATS += (formats.Format("poem", b"<poem", endings=(".poem",), **page), formats.Format("film", b"FILM"))

from afterword.serving.app import ROUTES
from afterword.serving.http.openapi import api_document
from tests.reading import read_text
from tests.test_docs import generated

text, notes = read_text(sys.argv[1:])
over_http = api_document(ROUTES, "")["components"]["schemas"]["DocumentRequest"]["properties"]["name"]
print(json.dumps([text, notes, generated().commands(), generated().formats(), over_http]))
"""


def test_a_format_is_added_in_one_place(tmp_path: Path) -> None:
    for name, content in (("a.poem", "<p>Roses</p>"), ("b", "<poem><p>Violets</p></poem>"), ("c", "FILM and more")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    printed = finished([sys.executable, "-c", ADDED, str(tmp_path)], cwd=ROOT, fresh=True)
    assert printed.returncode == 0, printed.stderr.decode()
    text, notes, commands, table, over_http = json.loads(printed.stdout)
    assert text == "Roses\nViolets\n"
    read = f"read the text of {tmp_path / 'a.poem'} and {tmp_path / 'b'}"
    assert notes == [f"skipped (film): {tmp_path / 'c'}", read]
    assert "read .html, .md and .poem as text" in commands
    assert "\n| poem | `.poem` | `afterword[verse]` | read as its text" in table
    assert ".poem" in over_http["x-endings"]


def test_a_package_that_says_late_what_it_is_goes_by_its_name(tmp_path: Path) -> None:
    """LibreOffice writes the list of types last; in a long text, that is far from the beginning."""
    noise = random.Random(1).randbytes(HEAD + 1000).hex()
    body = f"<d><p><t>{noise}</t></p></d>"
    path = zipped(tmp_path / "novel.docx", {"word/document.xml": body, "[Content_Types].xml": ""})
    assert read_text([path]) == (f"{noise}\n", [f"read the text of {path}"])
    assert read_text([tmp_path]) == (f"{noise}\n", [f"read the text of {path}"])
    zipped(path, {"a.txt": "b"})
    assert refusal(path).startswith("is a damaged Word document (")
    assert refusal(path.rename(tmp_path / "a.zip")) == f"is a ZIP archive, not plain text: {ARCHIVE.advice}"


def test_neither_tab_stops_nor_what_was_moved_away_are_text(tmp_path: Path) -> None:
    stops, moved = "<pPr><tabs><tab/></tabs></pPr>", "<moveFrom><r><t>gone </t></r></moveFrom>"
    files = {"[Content_Types].xml": "", "word/document.xml": f"<d><p>{stops}{moved}<r><t>a</t><tab/></r></p></d>"}
    assert read_text([zipped(tmp_path / "a.docx", files)])[0] == "a\n"


def test_the_source_of_pages_and_markdown_is_kept_if_asked_for(tmp_path: Path) -> None:
    for name, source in (("a.html", PAGE), ("a.md", MARKDOWN)):
        (tmp_path / name).write_text(source, encoding="utf-8")
        assert read_text([tmp_path / name], Decoding(markup="keep")) == (source, [])


def test_a_plain_text_with_the_name_of_a_document_is_read_and_noted(tmp_path: Path) -> None:
    (path := tmp_path / "novel.DOCX").write_text("It was a dark night.\n", encoding="utf-8")
    assert read_text([path]) == ("It was a dark night.\n", [f"read {path} as plain text, which it is despite its name"])


def test_a_corpus_reads_documents_and_a_folder_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(MARKDOWN * 3, encoding="utf-8")
    word(tmp_path / "b.docx")
    zipped(tmp_path / "c.docx", {"[Content_Types].xml": "", "word/document.xml": "<x>"})
    with read_corpus([tmp_path], TextSettings()) as corpus:
        text = "".join(text for _, text in corpus.pieces())
    assert text.startswith("The House\n\n")
    assert text.endswith("The end.\n")
    assert f"skipped (damaged Word document): {tmp_path / 'c.docx'}" in corpus.notes


def test_without_the_extra_one_line_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    for name in ("lxml", "striprtf", "markdown_it"):
        (tmp_path / "none" / f"{name}.py").write_text(f"raise ModuleNotFoundError(name={name!r})", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "none")
    contents = {
        "a Markdown text": ("a.md", MARKDOWN.encode()),
        "an HTML page": ("a.html", PAGE.encode()),
        "a rich text": ("novel.rtf", RTF),
        "an EPUB book": ("book.epub", zipped(tmp_path / "book", BOOK).read_bytes()),
    }
    for kind, (name, content) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TextError, match=rf"is {kind}.*pip install 'afterword\[documents\]'"):
            read_text([tmp_path / name])
    word(tmp_path / "novel.docx")
    assert read_text([tmp_path / "novel.docx"])[0].startswith("Chapter I\n")  # Python itself reads XML


def test_text_around_comments_and_instructions_is_kept(tmp_path: Path) -> None:
    (page := tmp_path / "a.html").write_text("<html><body>a <!-- no --> b<?no?>c<!-- no --><p>d", encoding="utf-8")
    assert read_text([page])[0] == "a bc\n\nd\n"
    path = zipped(tmp_path / "novel.odt", ODT | {"content.xml": CONTENT.replace("dark", "da<!-- no -->r<?no?>k")})
    assert "It was a dark night." in read_text([path])[0]


def test_one_process_parses_all_documents_of_a_reader_and_ends_with_it_or_is_replaced(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.md").write_text(MARKDOWN, encoding="utf-8")
    (tmp_path / "c.txt").write_text("text\n", encoding="utf-8")
    reader = Reader(Decoding())
    list(reader.read([tmp_path / "c.txt"]))
    assert reader._parser._process is None  # a text needs none
    found = list(reader.read([tmp_path]))
    process = reader._parser._process
    assert process is not None
    assert process.poll() is None
    assert list(reader.read([tmp_path])) == found
    assert reader._parser._process is process
    process.kill()
    process.wait()
    assert list(reader.read([tmp_path])) == found
    another = reader._parser._process
    assert another is not None
    del reader
    assert another.returncode is not None
