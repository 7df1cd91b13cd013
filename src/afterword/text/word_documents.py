"""Write a changed text into a Word document: what the change does not touch stays as it is.

A word takes the formatting of the one that it replaces, also within a tracked insertion. A new paragraph takes that of
the one before it. What a deleted paragraph has besides its text, such as a note or a picture, moves to the next one: a
writer who sees the text alone does not know that it is there.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from difflib import SequenceMatcher
from itertools import accumulate, takewhile
from typing import Any

from lxml import etree

from afterword.text.markup import LEFT_OUT, OFFICE, WORD, Package, word

LINES, WORDS = re.compile(".*\n|.+"), re.compile(r"\w+|\W")
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
PARAGRAPH, RUN, TEXT, *PROPERTIES = (W + name for name in ("p", "r", "t", "pPr", "rPr"))
DIVIDED = {PARAGRAPH, RUN, f"{W}hyperlink", f"{W}ins", f"{W}moveTo", f"{W}smartTag"}
"""Elements that are divided in two where a new paragraph begins in them."""
MARK = re.compile(W + "(bookmark|comment|perm|proofErr|move)")  # which may be in a paragraph or between two
FORMATTED = "(w:pPr | w:r[w:t] | w:ins/w:r[w:t])[last()]/w:rPr[not(w:ins or w:del)]"
"""The formatting of what is added at the end of a paragraph."""
Character = tuple[Any, int, str]
"""The element that a character is in, and its place in the text of that element."""


def changed(content: bytes, left_out: Counter[str]) -> str:
    """Return in base64 the document whose text is changed; "" if it cannot have that text.

    `content` is the new text as a line of JSON, followed by the document.
    """
    line, _, document = content.partition(b"\n")
    old, new = (f"{one.strip()}\n" for one in (word(document, left_out), json.loads(line)))
    package, written = Package(document), io.BytesIO()
    main = package.content(WORD)
    root = etree.fromstring(main, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    with suppress(ValueError, LookupError):  # if a change is impossible: the text is then not the new one
        _change(root, old, new)
    main = etree.tostring(root.getroottree(), encoding="UTF-8", standalone=True)
    with zipfile.ZipFile(written, "w") as archive:
        for one in package.infolist():
            archive.writestr(one, main if one.filename == WORD else package.content(one))
    found = word(written.getvalue(), Counter()).strip()
    is_new = [*map(str.split, found.split("\n"))] == [*map(str.split, new.strip().split("\n"))]
    return base64.b64encode(written.getvalue()).decode() if is_new else ""


def _change(root: Any, old: str, new: str) -> None:
    found, at = list(_characters(root)), -1
    raw = "".join(one for *_, one in found)
    characters = [found[at := raw.index(one, at + 1)] for one in old]  # without some white space
    for change in reversed([*_changes(old[:-1], new[:-1])]):  # from the end, so that places before stay as they are
        _edit(characters, *change)


def _characters(element: Any) -> Iterator[Character]:
    """Yield what `MarkupText` reads, with all of its white space."""
    if (name := etree.QName(element).localname) not in LEFT_OUT:
        yield from ((element, at, one) for at, one in enumerate(re.sub("[\t\r\n]", " ", element.text or "")))
        for child in element:
            yield from _characters(child)
            yield from ((element, -1, " ") for _ in child.tail or "")
        yield from ((element, -1, one) for one in OFFICE.get(name, ""))


def _changes(old: str, new: str, parts: re.Pattern[str] = LINES) -> Iterator[tuple[int, int, str]]:
    """Yield what changes from `old` to `new`, by words: start and end in `old`, and the text that replaces it.

    Lines are compared one by one if there are as many. Lines that are added begin with the end of the one before.
    """
    before, after = parts.findall(old), parts.findall(new)
    ends = [0, *accumulate(map(len, before))]
    for kind, low, high, start, stop in SequenceMatcher(None, before, after).get_opcodes():
        at, to, put = ends[low], ends[high], "".join(after[start:stop])
        if kind == "replace" and parts is LINES:
            lines = zip(before[low:high], after[start:stop], strict=True)
            for line, other in lines if high - low == stop - start else [(old[at:to], put)]:
                yield from ((at + begin, at + end, word) for begin, end, word in _changes(line, other, WORDS))
                at += len(line)
        elif kind != "equal":
            is_added = kind == "insert" and old[:at].endswith("\n") and put.endswith("\n")
            yield (at - 1, to - 1, f"\n{put[:-1]}") if is_added else (at, to, put)


def _edit(characters: Sequence[Character], low: int, high: int, put: str) -> None:
    """Replace some characters by a text."""
    gone, after = characters[low:high], characters[high][0]
    beside = [*gone, *((one, at + 1, "") for one, at, _ in characters[max(0, low - 1) : low]), characters[high]]
    text, place = next(((one, at) for one, at, _ in beside if one.tag == TEXT), (None, 0))
    if put and after.tag == PARAGRAPH and (text is None or (put[0] == "\n" and not gone)):
        run = etree.SubElement(after, RUN)  # after notes and marks, which stay in that paragraph
        run.extend(map(deepcopy, after.xpath(FORMATTED, namespaces={"w": W[1:-1]})))
        text, place = etree.SubElement(run, TEXT), 0
    for element, at, _ in reversed(gone):
        if element.tag == TEXT:
            _write(element, element.text[:at] + element.text[at + 1 :])
        elif element.tag != PARAGRAPH:
            element.getparent().remove(element)
    for paragraph in [one for one, *_ in reversed(gone) if one.tag == PARAGRAPH]:
        _join(paragraph)
    if put:
        _put(text, place, put)


def _put(text: Any, at: int, put: str) -> None:
    """Insert a text into a `t`. A line end divides the paragraph."""
    content = text.text or ""
    for one in re.split("([\t\n])", content[:at] + put + content[at:]):
        if one == "\n":
            text = _divided(text)
        elif one == "\t":
            text.addnext(etree.Element(f"{W}tab"))
            text.getnext().addnext(text := etree.Element(TEXT))
        else:
            _write(text, one)


def _write(text: Any, content: str) -> None:
    text.text = content
    text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")


def _divided(text: Any) -> Any:
    """Divide the paragraph after a `t`, and return a new `t` with which the second one begins."""
    new = second = etree.Element(TEXT)
    while text.tag != PARAGRAPH:
        first = text.getparent()
        if first.tag not in DIVIDED:
            raise ValueError("a paragraph cannot begin here")
        copy = etree.Element(first.tag, first.attrib)
        copy.extend([*(deepcopy(one) for one in first if one.tag in PROPERTIES), second, *text.itersiblings()])
        text, second = first, copy
    second.attrib.clear()  # a paragraph's identifier is its own
    etree.strip_elements(text, f"{W}sectPr")  # a section ends with the second
    text.addnext(second)
    return new


def _join(one: Any) -> None:
    """Join a paragraph with the next."""
    other = next((two for two in one.itersiblings() if not MARK.match(two.tag)), None)
    if other is None or other.tag != PARAGRAPH or any(two.find(f".//{W}sectPr") is not None for two in (one, other)):
        raise ValueError("no paragraph to join")
    kept = one if any(one.itertext(TEXT)) else other
    content = [*one, *takewhile(lambda two: two is not other, one.itersiblings()), *other]
    one[:] = [two for two in content if two.tag not in PROPERTIES or two.getparent() is kept]
    other.getparent().remove(other)
