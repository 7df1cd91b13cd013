"""The readers of `formats.FORMATS`: documents with markup become their text.

Nothing is fetched, no entity is expanded, and what is unpacked is limited. Tables, pictures and notes are left out.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import lzma
import pkgutil
import posixpath
import re
import signal
import sys
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from urllib.parse import unquote
from xml.etree.ElementTree import XML
from xml.parsers import expat

from afterword.text.formats import MOST
from afterword.wording import count_of

OF_PACKAGES = zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, NotImplementedError
DAMAGED = *OF_PACKAGES, LookupError, StopIteration, SyntaxError, TypeError, ValueError, expat.ExpatError, RecursionError
PR_SET_PDEATHSIG = 1  # from linux/prctl.h
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
EMPTY_LINE, NEW_LINE, BREAK = "\x1d", "\x1e", "\x1f"  # of the first two, a page has at most one in a row

WORD = "word/document.xml"  # the main part of a Word document
SPACES = "(?:(?<! ) +)?"  # all of a run of spaces: tried at its first one only, since there may be a million

NO_TEXT = (
    "head script style template nav form button svg math noscript audio video instrText delText Fallback pPr moveFrom"
)
LEFT_OUT = {
    **dict.fromkeys((NO_TEXT + " annotation tracked-changes table-of-content forms").split(), ""),
    **dict.fromkeys(("table", "tbl"), "table"),
    **dict.fromkeys(("img", "image", "drawing", "pict", "frame"), "picture"),
    **dict.fromkeys(("aside", "note", "footnoteReference", "endnoteReference"), "note"),
}
"""The elements of all formats that are left out, and their names in the note."""
PARAGRAPHS = "p section article blockquote pre ul ol dl hr h1 h2 h3 h4 h5 h6 figcaption header footer main"
PAGE = dict.fromkeys(PARAGRAPHS.split(), EMPTY_LINE) | dict.fromkeys(["div", "li", "dt", "dd", "address"], NEW_LINE)
"""The characters before and after an element of a page."""
OFFICE = {**dict.fromkeys(("p", "h", "br", "cr", "line-break"), "\n"), "tab": "\t", "s": " ", "noBreakHyphen": "-"}
"""The characters after an element of another document."""


def answer(seconds: int, memory: int) -> None:
    """Answer each document on standard input with a line of JSON, within these limits where the system has any.

    On Linux, it ends with the thread that started it. Elsewhere, it first ends its document if that thread is killed.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_AS", memory)
    while line := sys.stdin.buffer.readline():
        reader, size = json.loads(line)
        _limit("RLIMIT_CPU", int(time.process_time()) + 1 + seconds)
        print(json.dumps(text_of(reader, sys.stdin.buffer.read(size))), flush=True)


def _limit(name: str, most: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        number = getattr(resource, name)
        resource.setrlimit(number, (most, resource.getrlimit(number)[1]))


def text_of(reader: str, content: bytes) -> dict[str, str]:
    """Return the `text` of a document and what was `left_out`, or why it cannot be read: see `parser.Parser.text_of`.

    `reader` is that of a `Format`: it takes the bytes, and a counter of what it leaves out. It raises ImportError if a
    package is missing, RuntimeError for an encrypted document, and one of `DAMAGED` for others that it cannot read.
    """
    left_out = Counter[str]()
    try:
        if len(content) > MOST:
            raise ValueError(f"more than {MOST:,} bytes")
        text = pkgutil.resolve_name(reader)(content, left_out)
    except ImportError:
        return {"fault": "unread"}
    except DAMAGED as error:
        return {"fault": "damaged", "why": str(error)[:80] or type(error).__name__}
    except RuntimeError:  # from zipfile, for a password
        return {"fault": "encrypted"}
    del left_out[""]
    listed = " and ".join(count_of(number, what) for what, number in sorted((+left_out).items()))
    text = re.sub("\r\n?", "\n", text).strip()
    return {"text": text and f"{text}\n", "left_out": listed}


def word(content: bytes, left_out: Counter[str]) -> str:
    return MarkupText(left_out, {}, OFFICE).read(Package(content).content(WORD))


def open_document(content: bytes, left_out: Counter[str]) -> str:
    package = Package(content)
    if b"encryption-data" in package.content("META-INF/manifest.xml"):
        raise RuntimeError
    return MarkupText(left_out, {}, OFFICE).read(package.content("content.xml"))


def epub(content: bytes, left_out: Counter[str]) -> str:
    """Return the text of the pages that the book's spine lists, in that order."""
    package = Package(content)
    place = next(XML(package.content("META-INF/container.xml")).iterfind(".//{*}rootfile")).attrib["full-path"]
    book = XML(package.content(place))
    pages = {item.get("id"): unquote(item.attrib["href"]) for item in book.iterfind(".//{*}item")}
    names = [pages[one.get("idref")] for one in book.iterfind(".//{*}itemref") if one.get("linear") != "no"]
    paths = [posixpath.normpath(posixpath.join(posixpath.dirname(place), name)) for name in names]
    locked = "META-INF/encryption.xml"
    if locked in package.namelist() and any(path in unquote(package.content(locked).decode()) for path in paths):
        raise RuntimeError
    return "\n\n\n".join(page(package.content(path), left_out).strip("\n") for path in paths)


def rtf(content: bytes, left_out: Counter[str]) -> str:
    from striprtf.striprtf import rtf_to_text

    source = content.decode("ascii", "replace")
    for what, mark in (("table", r"\\trowd\b"), ("picture", r"\\pict\b"), ("note", r"\\footnote\b")):
        left_out[what] += len(re.findall(mark, source))
    last = max((row.end() for row in re.finditer(r"\\row\b", source)), default=0)  # a table without an end is text
    without_tables = re.sub(r"\\trowd\b.*?\\row\b", "", source[:last], flags=re.DOTALL) + source[last:]
    return str(rtf_to_text(re.sub(r"\{\\footnote\b[^{}]*\}", "", without_tables)))


def page(content: bytes, left_out: Counter[str]) -> str:
    from lxml import etree

    page = MarkupText(left_out, PAGE, {"br": BREAK})
    reading = etree.HTMLParser(encoding="utf-8", no_network=True, target=page)
    return str(etree.fromstring(content, reading)) if content.strip() else ""


def markdown(content: bytes, left_out: Counter[str]) -> str:
    from markdown_it import MarkdownIt

    source = FRONT_MATTER.sub("", content.decode())
    return page(MarkdownIt("commonmark").enable("table").render(source).encode(), left_out)


class Package(zipfile.ZipFile):
    """A ZIP file that unpacks at most `MOST` bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self._left = MOST

    def content(self, name: str | zipfile.ZipInfo) -> bytes:
        with self.open(name) as file:
            found = file.read(self._left + 1)
        self._left -= len(found)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {MOST:,} bytes")
        return found


class MarkupText:
    """The text of the elements that are not left out, as a parser reads them.

    No tree is built, because libxml2 would need quadratic time for the attributes of one element, and much memory.
    """

    def __init__(self, left_out: Counter[str], around: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Put characters `around` and `after` some elements. Count what is left out."""
        self._left_out, self._around, self._after = left_out, around, after
        self._pieces, self._run = list[str](), list[str]()
        self.skipping = self._pre = 0  # nested elements that are left out, or in which white space counts

    def read(self, content: bytes) -> str:
        """Return the text of a document's XML."""
        self.parser = parser = expat.ParserCreate(namespace_separator="}")
        parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
        parser.CharacterDataHandler, parser.DefaultHandler = self.data, str  # which is for entities: none is expanded
        parser.Parse(content, True)
        return re.sub(rf"{SPACES}\n *", "\n", self.close())

    def start(self, tag: str, attributes: object) -> None:
        name = self._at(tag)
        if self.skipping or name in LEFT_OUT:
            self._left_out[LEFT_OUT.get(name, "")] += not self.skipping
            self.skipping += 1
        else:
            self._pieces.append(self._around.get(name, ""))
            self._pre += name == "pre"

    def end(self, tag: str) -> None:
        name = self._at(tag)
        if self.skipping:
            self.skipping -= 1
        else:
            self._pieces.append(self._after.get(name, "") + self._around.get(name, ""))
            self._pre -= name == "pre"

    def data(self, text: str) -> None:
        if not self.skipping:
            self._run.append(text)

    def _at(self, tag: str) -> str:
        """End a run of text, and return the local name of what ends it."""
        if self._run:
            text = "".join(self._run)
            self._run.clear()
            self._pieces.append(text if self._pre else re.sub(r"[ \t\r\n]+", " ", text))
        return tag[tag.find("}") + 1 :]

    def close(self) -> str:
        gaps = re.compile(f"{SPACES}[{EMPTY_LINE}{NEW_LINE}][ {EMPTY_LINE}{NEW_LINE}]*")
        text = re.sub(f"{SPACES}{BREAK} *", "\n", "".join(self._pieces))
        return gaps.sub(lambda gap: "\n\n" if EMPTY_LINE in gap[0] else "\n", text)
