"""Documents made to take time or memory: each kind, attacked in each way, gets its text or one line, in seconds."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from afterword.errors import TextError
from afterword.text import markup, parser
from tests.reading import read_text
from tests.text.test_formats import BOOK, zipped

pytest.importorskip("lxml")
pytest.importorskip("striprtf")

ENTITIES = "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 10))
BOMB = f'<!DOCTYPE x [<!ENTITY a0 "lol">{ENTITIES}]>'
MEDIA = {".odt": "application/vnd.oasis.opendocument.text", ".epub": "application/epub+zip"}
SPINE = "<package><manifest><item id='a' href='a.html'/></manifest><spine>{}</spine></package>"
ONCE = "<itemref idref='a'/>"
Attack = Callable[[int], str]


def attributes(size: int) -> str:
    return "<p " + " ".join(f'a{k}="1"' for k in range(size // 10)) + ">text</p>"


ELEMENTS: dict[str, Attack] = {
    "attributes": attributes,
    "elements": lambda size: "<b/>" * (size // 4),
    "nesting": lambda size: "<b>" * (size // 7) + "text" + "</b>" * (size // 7),
    "an attribute": lambda size: f"<p a='{'a' * size}'>text</p>",
    "spaces": lambda size: "<b> </b>" * (size // 8),
    "entities": lambda size: "&#160;" * (size // 6),
    "comments": lambda size: "<!---->" * (size // 7),
}
PAGES: dict[str, Attack] = {
    **ELEMENTS,
    "formatting": lambda size: "<p><font>" * (size // 9),
    "ends": lambda size: "<a>" * 300 + "</b>" * (size // 4),
    "quotes": lambda size: "<a '" * (size // 4),
    "angles": lambda size: "<" * size,
}
MARKDOWN: dict[str, Attack] = {
    "attributes": attributes,
    "quotes": lambda size: "> " * size,
    "lists": lambda size: "".join(" " * k + "- a\n" for k in range(int(size**0.5))),
    "brackets": lambda size: "[" * size,
    "links": lambda size: "[a](b" * (size // 5),
    "emphasis": lambda size: "*a **b " * (size // 7),
    "code": lambda size: "".join("`" * k + " " for k in range(int(size**0.5))),
    "references": lambda size: "".join(f"[a{k}]: x\n" for k in range(size // 10)) + "[b]" * (size // 10),
    "tables": lambda size: "|a" * 1000 + "\n" + "|-" * 1000 + "\n" + "a\n" * (size // 2),
    "escapes": lambda size: "\\" * size,
}
RICH: dict[str, Attack] = {
    "groups": lambda size: "{" * size,
    "links": lambda size: "{\\field{\\*\\fldinst{" * (size // 19),
    "fonts": lambda size: "{\\fonttbl " + "\\f1\\fcharset0 " * (size // 14) + "}",
    "tables": lambda size: "\\trowd " * (size // 7) + "\\row ",
    "notes": lambda size: "{\\footnote " * (size // 11),
    "a word": lambda size: "\\" + "a" * size,
    "pictures": lambda size: "\\pict " + "\\bin1" * (size // 5),
}
CASES = [
    *((ending, attack) for ending in (".html", ".epub") for attack in PAGES),
    *((ending, attack) for ending in (".docx", ".odt") for attack in (*ELEMENTS, "bomb", "expansion")),
    *((".epub", attack) for attack in ("bomb", "expansion", "spine", "package")),
    *((".md", attack) for attack in MARKDOWN),
    *((".rtf", attack) for attack in RICH),
]
SIZES = {".md": 2_000_000, ".rtf": 10_000_000}
FEW = [(".html", "attributes"), (".epub", "attributes"), (".epub", "package"), (".docx", "elements"), (".docx", "bomb")]
FEW += [(".odt", "expansion"), (".md", "quotes"), (".rtf", "notes")]


def attacked(ending: str, attack: str, size: int = 0) -> bytes:
    """Return a document with that ending, attacked in that way, of about `size` bytes or what is usual."""
    size = size or SIZES.get(ending, 40_000_000)
    if ending == ".md":
        return MARKDOWN[attack](size).encode()
    if ending == ".rtf":
        return b"{\\rtf1 " + RICH[attack](size).encode() + b"}"
    if ending == ".html":
        return b"<html><body>" + PAGES[attack](size).encode()
    package, body, entities = SPINE.format(ONCE), "text", ""
    if attack == "spine":
        package = SPINE.format(ONCE * (size // len(ONCE)))
    elif attack == "package":
        package = f"<package>{'<item/>' * (size // 7)}</package>"
    elif attack == "bomb":
        body = "a" * 100_000_000
    elif attack == "expansion":
        package, body, entities = f"{BOMB}<package>&a9;</package>", "&a9;", BOMB
    else:
        body = PAGES[attack](size)
    container = "<container><rootfiles><rootfile full-path='b.opf'/></rootfiles></container>"
    files = {
        ".docx": {"[Content_Types].xml": "", "word/document.xml": f"{entities}<d>{body}</d>"},
        ".odt": {"META-INF/manifest.xml": "<x/>", "content.xml": f"{entities}<d>{body}</d>"},
        ".epub": {"META-INF/container.xml": container, "b.opf": package, "a.html": f"<html><body>{body}"},
    }[ending]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        if ending in MEDIA:
            archive.writestr("mimetype", MEDIA[ending], zipfile.ZIP_STORED)
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def read_or_refused(path: Path) -> str:
    """Return the text of a document, or the error, in one line and without its name."""
    try:
        return read_text([path])[0]
    except TextError as error:
        message = str(error)
    assert "\n" not in message
    return message.removeprefix(f"{path} ")


@pytest.mark.parametrize(
    ("ending", "attack", "few"),
    [*((*one, True) for one in FEW), *(pytest.param(*one, False, marks=pytest.mark.slow) for one in CASES)],
)
@pytest.mark.timeout(100)
def test_it_gets_its_text_or_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, attack: str, few: bool
) -> None:
    monkeypatch.setattr(parser, "SECONDS", 1 if few else 2)  # so that the whole table takes two minutes
    size = (100_000 if ending == ".md" else 4_000_000) if few else 0
    (path := tmp_path / f"a{ending}").write_bytes(attacked(ending, attack, size))
    found = read_or_refused(path)
    assert not few or found in ("", "text\n") or found.startswith(("is a ", "is an ")), found[:99]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", "<html><body>text" + "<b> </b>" * 100_000),
        ("a.html", "<html><body>" + "<div>" * 100 + "text" + "<div>" * 100_000),
        ("a.rtf", "{\\rtf1 text" + "\\trowd " * 100_000 + "}"),
        ("a.docx", "<w:p>" * 100_000 + "text" + "</w:p>" * 100_000),
    ],
    ids=range(4),
)
@pytest.mark.timeout(30)
def test_long_and_deep_ones_are_read_in_linear_time(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    if name.endswith(".docx"):
        zipped(path, word_with(content))
    else:
        path.write_text(content, encoding="utf-8")
    assert read_text([path])[0].strip() == "text"


@pytest.mark.parametrize("entity", ['SYSTEM "file:///etc/hostname"', '"&b;&b;&b;"', '"text"'])
def test_no_entity_is_expanded(tmp_path: Path, entity: str) -> None:
    head = f'<!DOCTYPE x [<!ENTITY a {entity}><!ENTITY b "bbbb">]>'
    assert read_text([zipped(tmp_path / "a.docx", word_with("x&a;y", head))])[0] == "xy\n"


def word_with(body: str, head: str = "") -> dict[str, str]:
    paragraph = f'<w:document xmlns:w="w"><w:body><w:p><w:r><w:t>{body}</w:t></w:r></w:p></w:body></w:document>'
    return {"[Content_Types].xml": "", "word/document.xml": head + paragraph}


def test_what_is_unpacked_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "MOST", 100_000)
    pages = {f"OEBPS/text/{name}.xhtml": "<html><body><p>" + "a" * 60_000 for name in ("one", "two b")}
    for reader, content, what in (
        ("word", zipped(tmp_path / "a.docx", word_with("a" * 10**7)).read_bytes(), "it unpacks to more than"),
        ("epub", zipped(tmp_path / "a.epub", BOOK | pages).read_bytes(), "it unpacks to more than"),
        ("page", b"<p>a" * 50_000, "more than"),
    ):
        found = markup.text_of(f"afterword.text.markup:{reader}", content)
        assert found == {"fault": "damaged", "why": f"{what} 100,000 bytes"}


TOO_MUCH = "that needs more than {} s or {} GiB of memory to be read: save it as plain text (.txt) first"


def test_its_time_and_its_memory_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (rich := tmp_path / "a.rtf").write_bytes(attacked(".rtf", "links"))
    (book := tmp_path / "a.epub").write_bytes(attacked(".epub", "package", 20_000_000))
    with monkeypatch.context() as less:
        less.setattr(parser, "SECONDS", 0)
        assert read_or_refused(rich) == f"is a rich text document (RTF) {TOO_MUCH.format(0, 1)}"
    monkeypatch.setattr(parser, "MEMORY", 2**28)
    assert read_or_refused(book) == f"is an EPUB book {TOO_MUCH.format(10, 0)}"


def test_its_time_is_limited_where_the_processor_time_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "resource.py").write_text("raise ModuleNotFoundError", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "none")
    monkeypatch.setattr(parser, "PATIENCE", 1.0)
    (path := tmp_path / "a.rtf").write_bytes(attacked(".rtf", "links"))
    assert read_or_refused(path) == f"is a rich text document (RTF) {TOO_MUCH.format(10, 1)}"
    path.write_bytes(b"{\\rtf1 text}")
    assert read_or_refused(path) == "text\n"
