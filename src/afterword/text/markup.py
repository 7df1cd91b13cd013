"""Documents with markup become their text: Word, OpenDocument, EPUB, RTF, HTML and Markdown.

Nothing is fetched, no entity is expanded, and what is unpacked is limited. Tables, pictures and notes are left out.
"""

from __future__ import annotations

import io
import lzma
import posixpath
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from afterword.text.documents import Notes, NotTextError, counted, with_article

MOST = 50_000_000  # bytes of a file, and of what is unpacked from it
ENDINGS = (".docx", ".odt", ".epub", ".rtf")  # of documents whose source is not text
SOURCES = {"HTML page": (".html", ".htm", ".xhtml"), "Markdown text": (".md", ".markdown")}  # their source is text too
OF_PACKAGES = zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, NotImplementedError
DAMAGED = *OF_PACKAGES, LookupError, StopIteration, SyntaxError, TypeError, ValueError
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
EMPTY_LINE, NEW_LINE, BREAK = "\x1d", "\x1e", "\x1f"  # of the first two, a page has at most one in a row

SPACES = "(?:(?<! ) +)?"  # all of a run of spaces: tried at its first one only, since there may be a million

NO_TEXT = "head script style template nav form button svg math noscript audio video instrText delText Fallback"
LEFT_OUT = {
    **dict.fromkeys((NO_TEXT + " annotation tracked-changes table-of-content forms").split(), ""),
    **dict.fromkeys(("table", "tbl"), "table"),
    **dict.fromkeys(("img", "image", "drawing", "pict", "frame"), "picture"),
    **dict.fromkeys(("aside", "note", "footnoteReference", "endnoteReference"), "note"),
}
"""The elements of all formats that are left out, and their names in the note."""
PARAGRAPHS = "p section article blockquote pre ul ol dl hr h1 h2 h3 h4 h5 h6 figcaption header footer main"
PAGE = {
    **dict.fromkeys(PARAGRAPHS.split(), EMPTY_LINE),
    **dict.fromkeys(("div", "li", "dt", "dd", "address"), NEW_LINE),
}
"""The characters before and after an element of a page."""
OFFICE = {**dict.fromkeys(("p", "h", "br", "cr", "line-break"), "\n"), "tab": "\t", "s": " ", "noBreakHyphen": "-"}
"""The characters after an element of another document."""


def kind_of(name: str, found: str, head: bytes) -> str | None:
    """Return the kind of the document `name`, if it has markup. `found` is what its first bytes, `head`, show."""
    ending = posixpath.splitext(name.lower().removesuffix(".gz"))[1]
    by_name = next((kind for kind, endings in SOURCES.items() if ending in endings), None)
    page = "HTML page" if re.match(rb"\s*<(!doctype html|html)\b", head, re.IGNORECASE) else None
    return (found if found in READERS else None) if found else by_name or page


def text_of(kind: str, content: bytes, name: str, notes: Notes) -> str:
    """Return the text of a document of that kind, and note what was left out. `SOURCES` must be in UTF-8.

    Raises NotTextError if it is damaged, encrypted or too large, or if the packages that read it are missing.
    """
    left_out = Counter[str]()
    try:
        if len(content) > MOST:
            raise ValueError(f"more than {MOST:,} bytes")
        text = READERS[kind](content, left_out)
    except ImportError:
        needs = "pip install 'afterword[documents]' to read it" + "; or give `markup` keep" * (kind in SOURCES)
        raise NotTextError(f"{name} is {with_article(kind)}: {needs}", kind) from None
    except DAMAGED as error:
        why = f"{str(error)[:80] or type(error).__name__}"
        raise NotTextError(f"{name} is a damaged {kind} ({why}): save it again", f"damaged {kind}") from None
    except RuntimeError:  # from zipfile, for a password
        raise NotTextError(f"{name} is an encrypted {kind}: save it without a password", f"encrypted {kind}") from None
    del left_out[""]
    listed = " and ".join(counted(number, what) for what, number in sorted((+left_out).items()))
    notes.changed(name, "read the text of {}" + (f", without {listed}" if listed else ""))
    text = re.sub("\r\n?", "\n", text).strip()
    return text and f"{text}\n"


def _word(content: bytes, left_out: Counter[str]) -> str:
    return _office(_Package(content).content("word/document.xml"), left_out)


def _open_document(content: bytes, left_out: Counter[str]) -> str:
    package = _Package(content)
    if b"encryption-data" in package.content("META-INF/manifest.xml"):
        raise RuntimeError
    return _office(package.content("content.xml"), left_out)


def _office(content: bytes, left_out: Counter[str]) -> str:
    return re.sub(rf"{SPACES}\n *", "\n", _read(_xml(content), left_out, {}, OFFICE))


def _epub(content: bytes, left_out: Counter[str]) -> str:
    """Return the text of the pages that the book's spine lists, in that order."""
    package = _Package(content)
    place = next(_xml(package.content("META-INF/container.xml")).iter("{*}rootfile")).get("full-path")
    book = _xml(package.content(place))
    pages = {item.get("id"): unquote(item.get("href")) for item in book.iter("{*}item")}
    names = [pages[one.get("idref")] for one in book.iter("{*}itemref") if one.get("linear") != "no"]
    paths = [posixpath.normpath(posixpath.join(posixpath.dirname(place), name)) for name in names]
    locked = "META-INF/encryption.xml"
    if locked in package.namelist() and any(path in unquote(package.content(locked).decode()) for path in paths):
        raise RuntimeError
    return "\n\n\n".join(_page(package.content(path), left_out).strip("\n") for path in paths)


def _rtf(content: bytes, left_out: Counter[str]) -> str:
    from striprtf.striprtf import rtf_to_text

    source = content.decode("ascii", "replace")
    for what, mark in (("table", r"\\trowd\b"), ("picture", r"\\pict\b"), ("note", r"\\footnote\b")):
        left_out[what] += len(re.findall(mark, source))
    last = max((row.end() for row in re.finditer(r"\\row\b", source)), default=0)  # a table without an end is text
    without_tables = re.sub(r"\\trowd\b.*?\\row\b", "", source[:last], flags=re.DOTALL) + source[last:]
    return str(rtf_to_text(re.sub(r"\{\\footnote\b[^{}]*\}", "", without_tables)))


def _page(content: bytes, left_out: Counter[str]) -> str:
    from lxml import etree

    root = etree.fromstring(content, etree.HTMLParser(encoding="utf-8", no_network=True)) if content.strip() else None
    return "" if root is None else _read(root, left_out, PAGE, {"br": BREAK})


def _markdown(content: bytes, left_out: Counter[str]) -> str:
    from markdown_it import MarkdownIt

    source = FRONT_MATTER.sub("", content.decode())
    return _page(MarkdownIt("commonmark").enable("table").render(source).encode(), left_out)


READERS: dict[str, Callable[[bytes, Counter[str]], str]] = {
    "Word document": _word,
    "OpenDocument text": _open_document,
    "EPUB book": _epub,
    "rich text document (RTF)": _rtf,
    "HTML page": _page,
    "Markdown text": _markdown,
}


class _Package(zipfile.ZipFile):
    """A ZIP file that unpacks at most `MOST` bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self._left = MOST

    def content(self, name: str) -> bytes:
        with self.open(name) as file:
            found = file.read(self._left + 1)
        self._left -= len(found)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {MOST:,} bytes")
        return found


def _xml(content: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))


def _read(root: Any, left_out: Counter[str], around: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return the text below `root`, with characters `around` and `after` some elements. Count what is left out."""
    from lxml import etree

    pieces, depth = list[str](), 0  # of nested elements in which white space counts
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        name = etree.QName(element).localname if isinstance(element.tag, str) else ""
        begins, skipped = event == "start", name == "" or name in LEFT_OUT
        depth += (name == "pre") * (1 if begins else -1)
        text = (element.tail if not begins else None if skipped else element.text) or ""
        pieces += ["" if begins else after.get(name, ""), around.get(name, "")]
        pieces.append(text if depth else re.sub(r"[ \t\r\n]+", " ", text))
        if begins and skipped:
            left_out[LEFT_OUT.get(name, "")] += 1
            walk.skip_subtree()
    gaps = re.compile(f"{SPACES}[{EMPTY_LINE}{NEW_LINE}][ {EMPTY_LINE}{NEW_LINE}]*")
    text = re.sub(f"{SPACES}{BREAK} *", "\n", "".join(pieces))
    return gaps.sub(lambda gap: "\n\n" if EMPTY_LINE in gap[0] else "\n", text)
