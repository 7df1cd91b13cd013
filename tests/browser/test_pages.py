"""What is the same for every page that stands in one file, with the text's characters as text, on any screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from afterword.inspection.gates_page import gates_html
from afterword.scoring.surprises import Summary, Surprise
from afterword.scoring.surprises_page import surprises_html
from tests.browser.chromium import Tab
from tests.cases import cases
from tests.inspection.test_gates import TEXT, made

CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
SURPRISING = "Friends, Romans,\n</b><script>alert(1)</script>&amp;\n\tcountrymen \u05d0\u202e\n" * 12
UNNAMED = """[...document.querySelectorAll("button, input, textarea, [role=dialog]")].filter(one =>
    !(one.textContent.trim() || one.ariaLabel || one.labels?.[0]?.textContent.trim())).map(one => one.outerHTML)"""
# Pages, and what of them is written on a shade: elements, and their classes, or null for those that they have.
SHADED = {
    **dict.fromkeys(("gates", "long", "plain"), "'#text b:first-child', ['s12', 'p12', 'n12', 'g12', 's6', 'n6', '']"),
    "surprises": "'li b, mark, td, th, .soft', null",
    **cases("SHADED"),
}


def surprises() -> Iterator[Surprise]:
    for at, text in enumerate(SURPRISING):
        line, begun = SURPRISING.count("\n", 0, at), SURPRISING.rfind("\n", 0, at) + 1
        yield Surprise(text, at, line + 1, at - begun + 1, at % 41 / 4, (("<b>", 0.5), ("\n", 0.3), (" ", 0.004)))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, model = tmp_path_factory.mktemp("pages"), made(hidden_size=20)
    text = Summary("<i>text", 10**6)
    list(text.watch(surprises()))
    pages = {
        "gates": gates_html(model.gates(TEXT * 3), "book: 2 × 20 LSTM, 5,341 parameters; held: l0.forget=0.5"),
        "long": gates_html(model.gates(TEXT * 20)),
        "plain": gates_html(made(hidden_size=20, cell="rnn").gates(TEXT * 3)),
        "surprises": surprises_html([text], "a model").replace("<html", "<html data-ready=1"),
        **{name: page(folder) for name, page in cases("PAGES").items()},
    }
    for name, content in pages.items():
        (folder / f"{name}.html").write_text(content, encoding="utf-8")
    return folder


def open_file(tab: Tab, path: Path) -> Tab:
    tab.call("Page.navigate", url="about:blank")
    tab.complaints.clear()
    tab.requests.clear()
    tab.open(f"file://{path}")
    tab.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))")
    return tab


@pytest.mark.parametrize("name", SHADED)
def test_a_page_asks_for_nothing_can_be_read_in_both_themes_and_fits_a_phone(
    tab: Tab, files: Path, theme: str, name: str
) -> None:
    open_file(tab, files / f"{name}.html")
    paper = tab.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) > 384) == (theme == "light")
    assert {address.partition(":")[0] for address in tab.requests} <= {"file", "blob"}
    assert len([address for address in tab.requests if address.startswith("file")]) == 1
    if name in ("gates", "long", "plain"):
        tab.run("move(3); move(12, true); find()")
    for width in (320, 390):
        with tab.phone(width):
            assert tab.widths == [width, width]
    assert tab.run(UNNAMED) == []
    assert tab.run(f"{CONTRAST}({SHADED[name]})") >= 4.5
    assert tab.complaints == []


def test_the_page_of_surprises_shades_each_character_and_shows_what_was_expected(tab: Tab, files: Path) -> None:
    opened = open_file(tab, files / "surprises.html")
    shown = SURPRISING.replace("\n", "↵").replace("\t", "→\t").replace("\u202e", "<202E>")
    assert opened.run("[...document.querySelectorAll('li b')].map(b => b.textContent).join('')") == shown
    assert opened.text("h2") == "<i>text"
    assert opened.run("document.scripts.length") == 0

    strength = "getComputedStyle(document.querySelectorAll('li b')[{}]).backgroundColor"
    shades = [opened.run(strength.format(at)) for at in range(41)]  # the more bits, the stronger
    assert shades[0] == shades[1] == "rgba(0, 0, 0, 0)"
    assert len(set(shades)) == 13
    assert len(set(shades[32:])) == 1  # 8 bits and more

    after = "getComputedStyle(document.querySelector({!r}), '::after').content"
    place = "li:nth-child(2) b:nth-child(7)"
    assert opened.run(after.format(place)) == "none"
    opened.hover(place)
    assert opened.run(after.format(place)) == r'"5.8 bits; expected\a <b> 50%\a ↵ 30%"'
    opened.mouse("mouseMoved", (1, 1))
    opened.run("document.querySelector('tr:last-child a').focus()")  # a link of the table leads to its character
    opened.press("Enter")
    opened.until(f"{after.format('b:target')}.includes('10.0 bits')")
    opened.until(
        "(box => 0 < box.top && box.top < innerHeight)(document.querySelector('b:target').getBoundingClientRect())"
    )
