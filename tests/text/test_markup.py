"""Documents with markup are read as their text, with a note of what was left out."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from afterword.errors import TextError
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.decoding import Decoding, Reader
from tests.reading import read_text

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


def zipped(path: Path, files: Mapping[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
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


def stored(path: Path) -> Path:
    """Write the archive anew, with its media type first and not compressed, as both formats ask for."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return path


def open_document(path: Path, content: str = CONTENT) -> Path:
    media = {"mimetype": "application/vnd.oasis.opendocument.text"}
    return stored(zipped(path, {**media, "META-INF/manifest.xml": MANIFEST, "content.xml": content}))


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


HOUSE = "The House\n\nOne bold word, and another."
FORMATS: dict[str, tuple[Callable[[Path], Path], str, str]] = {  # by name: how it is made, its text, what is left out
    "a.docx": (word, "Chapter I\nIt was a dark night.\tAnd\nlate.\n\nThe end.\n", "1 table"),
    "a.odt": (
        open_document,
        "Chapter I\nIt was a dark night.\n\nOne\ntwo\tthree.\n",
        "1 note and 1 picture and 1 table",
    ),
    "a.epub": (
        lambda path: stored(zipped(path, BOOK)),
        "I\n\nFirst\xa0page, with a word.\n\n\nRoses é\nViolets\n",
        "1 note",
    ),
    "a.html": (
        lambda path: written(path, PAGE),
        f"{HOUSE}\nA new line.\n\nbread\nbutter\n\na  b\n  c\n\ncafé\n",
        "1 picture and 1 table",
    ),
    "a.md.gz": (
        lambda path: written(path, gzip.compress(MARKDOWN.encode())),
        f"{HOUSE}\n\nbread\nbutter\n\nRoses\nViolets\n",
        "1 table",
    ),
    "a.rtf": (
        lambda path: written(path, RTF),
        "It was a dark night.\nCafé — one.\n The end.\n",
        "1 note and 1 table",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_document_is_read_as_its_text_also_as_a_stream(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, text, without = FORMATS[name]
    path = make(tmp_path / name)
    assert read_text([path]) == (text, [f"read the text of {path}, without {without}"])
    if not name.endswith("md.gz"):  # which only its name tells
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
        assert read_text(["-"])[0] == text


@pytest.mark.parametrize(("name", "source"), [("a.html", PAGE), ("a.md", MARKDOWN)])
def test_the_source_of_pages_and_markdown_is_kept_if_asked_for(tmp_path: Path, name: str, source: str) -> None:
    (path := tmp_path / name).write_text(source, encoding="utf-8")
    assert read_text([path], Decoding(markup="keep")) == (source, [])


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
    (tmp_path / "a.md").write_text(MARKDOWN, encoding="utf-8")
    (tmp_path / "novel.rtf").write_bytes(RTF)
    (tmp_path / "a.html").write_text(PAGE, encoding="utf-8")
    stored(zipped(tmp_path / "book.epub", BOOK))
    kinds = {
        "a.md": "a Markdown text",
        "a.html": "an HTML page",
        "novel.rtf": "a rich text",
        "book.epub": "an EPUB book",
    }
    for name, kind in kinds.items():
        with pytest.raises(TextError, match=rf"is {kind}.*pip install 'afterword\[documents\]'"):
            read_text([tmp_path / name])
    word(tmp_path / "novel.docx")
    assert read_text([tmp_path / "novel.docx"])[0].startswith("Chapter I\n")  # Python itself reads XML


def test_text_around_comments_and_instructions_is_kept(tmp_path: Path) -> None:
    (page := tmp_path / "a.html").write_text("<html><body>a <!-- no --> b<?no?>c<!-- no --><p>d", encoding="utf-8")
    assert read_text([page])[0] == "a bc\n\nd\n"
    path = open_document(tmp_path / "novel.odt", CONTENT.replace("dark", "da<!-- no -->r<?no?>k"))
    assert "It was a dark night." in read_text([path])[0]


def test_one_process_parses_all_documents_of_a_reader_and_ends_with_it(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.md").write_text(MARKDOWN, encoding="utf-8")
    (tmp_path / "c.txt").write_text("text\n", encoding="utf-8")
    reader = Reader(Decoding())
    list(reader.read([tmp_path / "c.txt"]))
    assert reader._parser._process is None  # a text needs none
    list(reader.read([tmp_path]))
    process = reader._parser._process
    assert process is not None
    assert process.poll() is None
    list(reader.read([tmp_path / "a.md"]))
    assert reader._parser._process is process
    del reader
    assert process.returncode is not None


def test_another_process_parses_after_one_was_killed(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(MARKDOWN, encoding="utf-8")
    reader = Reader(Decoding())
    found = list(reader.read([tmp_path / "a.md"]))
    process = reader._parser._process
    assert process is not None
    process.kill()
    process.wait()
    assert list(reader.read([tmp_path / "a.md"])) == found
