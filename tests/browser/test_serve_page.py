"""The page of `afterword serve` in a real browser: what a person does there, from an empty server to a phone."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from afterword.generation.sampling import FILTERS, Sampling
from afterword.language_model import LanguageModel
from afterword.operations.train import train
from afterword.text.unicode import visible
from tests.browser.chromium import Tab
from tests.inspection.test_gates import TEXT, made
from tests.processes import free_port
from tests.serving.server import Serving, serving
from tests.text.test_word_documents import check_only_change
from tests.text.test_word_documents import made as word_document

KEY = "a-key-that-is-long-enough"
HOSTILE = "</script><b onclick=x>&amp;\"'<img src=x onerror=document.title=1>"
SETTINGS = {"seed": 5, "offersByThemselves": False, "unit": "characters"}
ENDLESS = 1_000_000  # tokens, which take minutes
MOST_BYTES = 210_000  # of what is fetched before the page can be used

VALUE = "document.getElementById('area').value"
SAVED = "JSON.parse(localStorage.getItem('afterword.text'))"
OFFERS = "[...document.querySelectorAll('.offer .all')].map(e => e.innerText)"
IS_OFFERED = f"document.querySelector('.offers')?.ariaBusy === 'false' && {OFFERS}.length && {OFFERS}"
INSIDE = "document.getElementById('inside')?.contentDocument"
REQUESTED = """(() => { const real = fetch; window.asked = []; window.fetch = (path, options) => {
    if (path.endsWith("/v1/completions")) asked.push(JSON.parse(options.body));
    return real(path, options); }; })()"""
UNNAMED = """[...document.querySelectorAll("button, input, textarea, select")].filter(one => one.checkVisibility() &&
    !(one.textContent.trim() && one.tagName === "BUTTON" || one.ariaLabel || one.labels?.[0]?.textContent.trim()))
    .map(one => one.outerHTML)"""
SHADED = "[...CSS.highlights.values()].reduce((sum, one) => sum + one.size, 0)"
SEEN = """[...document.querySelectorAll("button, select, input, summary, [role=tab]")]
    .filter(one => one.checkVisibility()).map(one => one.id)"""
REACH = """(one => { one.dataset.reached = true; const hasRing = getComputedStyle(one).outlineStyle !== "none";
    return [one.tagName, !hasRing && !one.matches("body, iframe, #area")]; })(document.activeElement)"""
UNREACHED = """[...document.querySelectorAll("button, input, textarea, select, summary, [tabindex]")].filter(one =>
    one.checkVisibility() && !one.disabled && one.tabIndex >= 0 && !one.dataset.reached).map(one => one.outerHTML)"""
IS_QUIET = "!document.getElementById('stop')"


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    saved = made(hidden_size=20).saved
    saved.weights["output.bias"][saved.tokenizer.end] = -100  # a text that goes on until it is stopped,
    saved.weights["output.bias"][saved.tokenizer.encode("\n")] -= 2  # in lines long enough to point into
    return LanguageModel(saved)


@pytest.fixture(scope="module")
def models(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    model.save(folder / "story")
    made(hidden_size=12, lines=True, seed=3).save(folder / "rows")
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Serving]:
    with serving(models / "story", models / "rows", limits={"max_output": ENDLESS}) as found:
        yield found


@pytest.fixture
def page(tab: Tab, server: Serving) -> Iterator[Tab]:
    """The page with all of its buttons, where nothing may fail in silence, and nobody but the server be asked."""
    yield open_page(tab, server.url)
    assert tab.complaints == []
    assert {address.split("/")[2] for address in tab.requests if "//" in address} == {server.url.split("/")[2]}


def open_page(tab: Tab, address: str, face: str = "all") -> Tab:
    """The page as somebody finds it who was never there, but for a face and settings that make it write the same."""
    tab.call("Page.navigate", url=address + "/health")  # of the same origin, which keeps nothing on being left
    tab.forget()
    tab.run(f"localStorage['afterword.settings'] = {json.dumps(json.dumps(SETTINGS))}")
    tab.run(f"localStorage['afterword.face'] = '{face}'")
    tab.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
    tab.complaints.clear()
    tab.requests.clear()
    tab.open(address + "/")
    tab.run("document.getElementById('area').focus()")
    return tab


def again(tab: Tab) -> None:
    """Load the page anew."""
    tab.open(tab.run("location.href"))


def wrote(tab: Tab) -> str:
    """The text, once nobody writes any more."""
    tab.until(IS_QUIET)
    return str(tab.run(VALUE))


def go_to(tab: Tab, at: int) -> None:
    tab.run(f"document.getElementById('area').setSelectionRange({at}, {at})")


def write_on(tab: Tab, tokens: int) -> str:
    """Let the model write so many tokens at the cursor, and the rest of the last word; the text then."""
    before = tab.run(VALUE)
    set_field(tab, "length", tokens)
    tab.run("document.getElementById('area').focus()")
    tab.press("Enter", control=True, shift=True)
    tab.until(f"{VALUE} !== {json.dumps(before)}")
    return wrote(tab)


def click_character(tab: Tab, at: int) -> None:
    """Click on the character at `at`, which stands in the first line of the sheet."""
    x, y = tab.run(
        "(() => { const range = document.createRange(), text = document.querySelector('#layer .line').firstChild; "
        f"range.setStart(text, {at}); range.setEnd(text, {at + 1}); const r = range.getBoundingClientRect(); "
        "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    for kind, buttons in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
        tab.mouse(kind, (x, y), buttons)


def drop(tab: Tab, selector: str, name: str, content: str | bytes) -> None:
    """Drop a file on an element."""
    given = json.dumps(content) if isinstance(content, str) else f"new Uint8Array({[*content]})"
    tab.run(
        f"(() => {{ const data = new DataTransfer(); data.items.add(new File([{given}], "
        f"{json.dumps(name)})); document.querySelector({json.dumps(selector)}).dispatchEvent("
        "new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})); })()"
    )


def set_field(tab: Tab, id: str, value: object) -> None:
    """Give a field of the settings a value."""
    tab.run(  # at once, since the page draws its fields anew when something changes
        f"(field => {{ field.value = {json.dumps(value)}; "
        "for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind, {bubbles: true})); })"
        f"(document.getElementById({json.dumps(id)}))"
    )


def tab_through(tab: Tab) -> None:
    """Reach everything that one can press or change by the Tab key alone, and see each time where one is."""
    tab.run("document.querySelectorAll('[data-reached]').forEach(one => delete one.dataset.reached)")
    tab.run("(document.getElementById('face-simple').focus(), document.activeElement.blur())")
    for _ in range(200):
        tab.press("Tab")
        kind, is_lost = tab.run(REACH)
        if kind == "BODY" and not tab.run(UNREACHED):
            return
        assert not is_lost
    raise AssertionError(tab.run(UNREACHED))


def plain(shown: str) -> str:
    """A text that the page shows with signs for blanks and line ends."""
    return shown.translate({0x2423: " ", 0x21B5: "\n"})


def offered(tab: Tab) -> list[str]:
    """Ask for continuations by key; return them."""
    tab.press(" ", control=True)
    return [plain(one) for one in tab.until(IS_OFFERED)]


def alternatives(tab: Tab, at: int | None = None) -> list[str]:
    """Open the alternatives of a character by the mouse, or of the one at the cursor by key; return them."""
    if at is None:
        tab.press(".", control=True)
    else:
        click_character(tab, at)
    tab.until("document.querySelectorAll('.popup .row').length > 3")
    return [plain(one) for one in tab.run("[...document.querySelectorAll('.popup .row code')].map(e => e.innerText)")]


def score(tab: Tab, text: str, name: str = "a.txt") -> None:
    """Drop a file where texts are scored."""
    tab.click("#tab-score")
    tab.until("!!document.getElementById('score-text')")
    drop(tab, "#panel-score section", name, text)


def show_gates(tab: Tab) -> str:
    """Open the tab of the gates; return an expression for the characters of its page, once it is drawn."""
    tab.click("#tab-inside")
    tab.until(f"{INSIDE}?.documentElement?.dataset.ready")
    return f"[...{INSIDE}.querySelectorAll('#text b')].map(e => e.textContent)"


# What a person does.


def test_writing(theme: str, page: Tab, server: Serving, model: LanguageModel) -> None:
    """Somebody opens the page for the first time, and writes with the few buttons that it shows."""
    page.run("localStorage.removeItem('afterword.face')")
    again(page)
    sizes = "performance.getEntries().filter(one => !one.name.includes('/v1/')).map(one => one.decodedBodySize ?? 0)"
    assert 50_000 < sum(page.run(sizes)) <= MOST_BYTES
    few = ["models", "face-simple", "face-all", "theme", "write", "another", "undo", "redo", "new", "open", "save"]
    assert [one for one in page.run(SEEN) if one] == [*few, "wildness", "roughly", "rephrase", "ending"]

    # A sentence may begin with these words. The likeliest come while one types, and in place of one that stands there.
    begun = page.until("[...document.querySelectorAll('.words button')].map(e => e.innerText)")
    assert all(one[0].isalpha() and one.istitle() == begun[0].istitle() for one in begun)
    page.run("document.getElementById('area').focus()")
    page.type("Divya likes")
    found = model.next_words("Divya likes")
    expected = ["likes" * one.text[0].isalpha() + visible(one.text.lstrip(" ")) for one in found]  # with what was typed
    words = "[...document.querySelectorAll('.words button')].map(e => e.innerText)"
    page.until(f"{words}.join('|') === {json.dumps('|'.join(expected))}")
    page.press("2", alt=True)
    assert page.run(VALUE) == "Divya likes" + found[1].text
    page.press("z", control=True)
    page.type(" to eat.")
    go_to(page, 8)
    word = next(one.text for one in model.next_words("Divya ", 20) if one.text.isalpha())
    page.until(f"{words}[0] === {json.dumps(word)}")
    page.click(".words button")
    assert page.run(VALUE) == f"Divya {word} to eat."
    page.press("z", control=True)

    # Somewhat wilder, about this long, and another one, and another; the earlier ones are kept.
    assert page.run("document.getElementById('wildness').value") == "0.8"
    set_field(page, "wildness", 1.2)
    set_field(page, "roughly", "120")
    go_to(page, 19)
    page.run(REQUESTED)
    page.click("#write")
    page.until(f"{VALUE}.length > 40")
    first = wrote(page).removeprefix("Divya likes to eat.")
    asked = page.run("window.asked[0]")
    assert (asked["temperature"], asked["max_tokens"], asked["finish_sentence"]) == (1.2, 120, True)
    for _ in range(2):
        before = page.run(VALUE)
        page.click("#another")
        page.until(f"{IS_QUIET} && {VALUE} !== {json.dumps(before)} && {VALUE}.length > 40")
    page.until(f"{SAVED}?.text === {VALUE}")
    texts = [one["inserted"] for one in page.run(f"{SAVED}.revisions")[-3:]]
    assert texts[0] == first
    assert len(set(texts)) == 3
    page.type("!")  # which is not the model's
    page.until("document.getElementById('another').disabled")

    # All the buttons: what was chosen with the few stays chosen.
    page.click("#face-all")
    page.until("document.getElementById('steering')?.checkVisibility() && !!document.getElementById('temperature')")
    assert page.run("document.getElementById('temperature').value") == "1.2"
    assert {"offer", "line", "shading", "save-as", "tab-score", "reset"} <= set(page.run(SEEN))
    page.click("#tab-score")
    page.click("#face-simple")
    assert page.run("document.getElementById('area').checkVisibility()")

    # The theme is the system's until one is chosen.
    paper = "getComputedStyle(document.body).backgroundColor"
    own = page.run(paper)
    page.click("#theme")
    other = page.run(paper)
    assert (sum(map(int, re.findall(r"\d+", own))) > sum(map(int, re.findall(r"\d+", other)))) == (theme == "light")
    again(page)
    assert page.run(paper) == other
    assert not page.run("document.getElementById('steering').checkVisibility()")  # the page remembers who wants which


def test_words_in_grey_are_taken_by_tab_until_escape_gives_tab_back(
    theme: str, page: Tab, model: LanguageModel
) -> None:
    page.run("localStorage.setItem('afterword.settings', '{}'); localStorage.setItem('afterword.face', 'simple')")
    again(page)
    page.run("document.getElementById('area').focus()")
    page.type("Divya likes to")
    ghost = "document.getElementById('ghost').textContent"
    offered = page.until(ghost)
    likeliest = model.generate("Divya likes to", max_tokens=100, temperature=0, repetition_penalty=1, new_word_p=0).text
    assert likeliest.startswith(offered)
    ends = re.search(r"\W$", offered) or re.match(r"\W", likeliest[len(offered) :])
    assert ends or len(offered) == 100  # whole words, but for one without an end
    page.type(offered[0])  # what is typed goes along
    page.until(f"{ghost} === {json.dumps(offered[1:])}")
    page.press("Tab")
    taken = page.run(VALUE).removeprefix("Divya likes to")
    assert offered.startswith(taken)
    assert len(taken) > 1
    page.until(f"{ghost} !== ''")
    page.press("Escape")
    assert page.run(ghost) == ""
    page.press("Tab")
    assert page.run("document.activeElement.id") != "area"
    assert page.run(VALUE) == "Divya likes to" + taken
    page.run("document.getElementById('area').focus()")
    page.press(".", control=True)
    page.until("document.querySelectorAll('.popup .row').length > 3")
    assert "%" not in page.text("body")
    assert page.run(UNNAMED) == []
    page.press("Escape")
    go_to(page, 3)  # within a word
    page.run("new Promise(done => setTimeout(done, 1500))")  # twice the pause after which it would come
    assert page.run(ghost) == ""


def test_another_way_to_say_this_fits_to_both_sides_and_changes_nothing_else(page: Tab, model: LanguageModel) -> None:
    before, old, after = "Divya likes ", "to eat a fish", " and Reena is not fat."
    page.type(before + old + after)
    assert page.run("document.getElementById('rephrase').disabled")
    page.run(f"document.getElementById('area').setSelectionRange({len(before)}, {len(before + old)})")
    page.until("!document.getElementById('rephrase').disabled")
    page.click("#rephrase")
    ways = page.until(
        "(all => all.length > 2 && all)([...document.querySelectorAll('.popup .way')].map(e => e.textContent))"
    )
    fits = []
    for one in map(plain, ways[:-1] if ways[-1] == old else ways):
        costs = [found.bits for found in model.surprises(before + one + after)]
        end = len(before + one)
        fits.append(sum(costs[end:]) + sum(costs[len(before) : end]) * len(old) / len(one))
    assert fits == pytest.approx(sorted(fits), abs=0.1)
    other = next(k for k, one in enumerate(ways) if one != old)
    page.run(f"document.querySelectorAll('.popup .way')[{other}].click()")
    assert page.run(VALUE) == before + plain(ways[other]) + after
    page.press("z", control=True)
    assert page.run(VALUE) == before + old + after

    go_to(page, len(before))
    page.click("#ending")
    page.until("document.querySelectorAll('.popup .way').length > 0")
    page.press("Escape")
    assert page.run(VALUE) == before + old + after


def test_writing_with_all_the_buttons(page: Tab, model: LanguageModel) -> None:
    """Without a length it finishes the sentence; what it wrote is shaded; it writes in the midst, offers, and stops."""
    numbers = {field.name for field in dataclasses.fields(Sampling) if field.metadata["off"] is not None}
    shown = page.until("[...document.querySelectorAll('.number input[type=number]')].map(({id, title}) => [id, title])")
    assert {name for name, title in shown if title} == numbers > {*FILTERS}
    page.type("Divya likes")
    page.press("Enter", control=True, shift=True)
    page.until(f"{VALUE}.length > 500")
    text = wrote(page)
    assert text == str(model.generate("Divya likes", seed=5))

    levels = np.array([max(0, min(12, round(one.bits / 8 * 12))) for one in model.surprises(text)])
    shades = page.until(f"{SAVED}?.shades?.trim().length === {len(text) - 11} && {SAVED}.shades")
    assert np.abs([ord(one) - ord("A") for one in shades[11:]] - levels[11:]).max() <= 1
    assert page.run(SHADED) > 10
    page.click("#shade")
    page.until(f"{SAVED}?.shades.slice(1).indexOf(' ') < 0")
    shades = page.run(f"{SAVED}.shades")
    assert re.fullmatch(rf"[a-m ][a-m]{{10}}[A-M]{{{len(text) - 11}}}", shades)  # whose it is stays known
    assert np.abs([ord(one) - ord("a") for one in shades[1:11]] - levels[1:11]).max() <= 1
    page.click("#shading")
    page.until(f"{SHADED} === 0")

    go_to(page, 5)
    inserted = write_on(page, 12)
    caret = page.run("document.getElementById('area').selectionEnd")
    assert caret >= 17
    assert inserted[:5] + inserted[caret:] == text

    set_field(page, "length", ENDLESS)
    for stop, given in ((page.press, "Escape"), (page.type, "!"), (page.click, "#stop")):
        length = len(page.run(VALUE))
        page.click("#write")
        page.until(f"{VALUE}.length > {length + 20}")
        stop(given)
        text = wrote(page)
        assert page.run(f"new Promise(done => setTimeout(() => done({VALUE}), 200))") == text
        assert len(text) < ENDLESS

    go_to(page, len(text))
    page.type("\nReena is not fat. ")
    before = page.run(VALUE)
    offers = offered(page)
    assert 2 <= len(offers) <= 3  # two of three may be the same
    page.press("Tab")
    taken = page.run(VALUE).removeprefix(before)
    assert taken
    assert offers[0].startswith(taken)
    assert plain(page.run(OFFERS)[0]) == offers[0].removeprefix(taken)
    page.press("1", alt=True)
    assert page.run(VALUE) == before + offers[0]
    alternatives(page)  # which take the place of the continuations
    page.press("Escape")
    page.press("Tab")  # so nothing is inserted
    assert page.run("document.activeElement.id") != "area"
    assert page.run(VALUE) == before + offers[0]
    page.run("document.getElementById('area').focus()")
    first = offered(page)[0]
    page.type(first[0])  # what was offered goes along in it
    assert first[1:] in map(plain, page.run(OFFERS))
    page.press("Escape")
    assert page.run("document.querySelectorAll('.offer').length") == 0
    page.press("Tab")  # which then leaves the text
    assert page.run("document.activeElement.id") != "area"
    assert page.run(VALUE) == before + offers[0] + first[0]


def test_branching(theme: str, page: Tab) -> None:
    """Three endings are tried; the tree goes to any of them, a reload and a file keep them, and undo goes back."""
    page.type("Divya likes\n\té. ")
    texts = []
    for seed in (1, 2, 3):
        set_field(page, "seed", seed)
        texts.append(write_on(page, 10))
        page.press("z", control=True)
    found = "[...document.querySelectorAll('.tree [data-revision]')].map(e => e.dataset.revision)"
    page.until(f"{found}.length >= 4")  # where we are, too
    reached = set()
    for revision in page.run(found):
        page.run(f"document.querySelector('.tree [data-revision=\"{revision}\"]')?.click()")
        page.until(f"document.querySelector('.tree [aria-current=true]')?.dataset.revision === '{revision}'")
        reached.add(page.run(VALUE))
    assert reached == {"Divya likes\n\té. ", *texts}
    page.run("document.querySelector('.tree .fork, .tree button').click()")  # where all of them fork
    page.until(f"{VALUE}.startsWith('Divya likes\\n') && {VALUE}.length < {min(map(len, texts))}")

    set_field(page, "seed", 4)
    written = write_on(page, 20)
    page.type("Reena")
    again(page)  # at once
    page.run("document.getElementById('area').focus()")
    seen = [page.run(VALUE)]
    while not page.run("document.getElementById('undo').disabled"):
        page.press("z", control=True)
        seen.append(page.run(VALUE))
    assert seen[:2] == [written + "Reena", written]
    assert seen[-2:] == ["Divya likes\n\té. ", ""]
    for key in ["Z"] * (len(seen) - 2):
        page.press(key, control=True, shift=True)
    page.press("y", control=True)
    assert page.run(VALUE) == written + "Reena"

    page.run("URL.createObjectURL = blob => { window.saved = blob; return 'data:,'; }")
    page.run("HTMLAnchorElement.prototype.click = function () { window.named = this.download; }")
    page.run("(e => { e.value = 'txt'; e.dispatchEvent(new Event('change')); })(document.getElementById('save-as'))")
    page.click("#save")
    assert page.run("window.saved.text()") == written + "Reena"
    assert page.run("window.named").startswith("divya-likes-é")
    page.run("(e => { e.value = 'json'; e.dispatchEvent(new Event('change')); })(document.getElementById('save-as'))")
    page.click("#save")
    content = page.run("window.saved.text()")
    page.click("#new")
    page.until(f"{VALUE} === ''")  # at once, since a file holds all of it
    page.type("something else")
    for name, wrong, says in (
        ("a.json", '{"format": "other"}', "not a text saved"),
        ("a.bin", "a\0b", "contains a NUL at byte 1"),
    ):
        drop(page, "#view", name, wrong)
        page.until(f"document.getElementById('said').innerText.includes('{says}')")
    assert len(page.complaints) == 1  # the server's refusal
    page.complaints.clear()
    drop(page, "#view", "story.json", content)
    page.until("!!document.querySelector('dialog')")
    page.press("Escape")
    page.until("!document.querySelector('dialog')")
    assert page.run(VALUE) == "something else"  # nothing has changed it
    for name, dropped, text in (("a.txt", "one\r\ntwo", "one\ntwo"), ("story.json", content, written + "Reena")):
        drop(page, "#view", name, dropped)
        page.until("!!document.querySelector('dialog')")
        page.run("document.querySelectorAll('dialog button')[1].click()")
        page.until(f"{VALUE} === {json.dumps(text)}")
    page.press("z", control=True)
    assert page.run(VALUE) == written
    for encoding, said in (("utf-16", "utf-16le"), ("utf-16-be", "utf-16be"), ("cp1252", "windows-1252")):
        text = f"“Zoë” said\n{encoding} is read too"
        drop(page, "#view", "a.txt", text.encode(encoding))
        page.until("!!document.querySelector('dialog')")
        page.run("document.querySelectorAll('dialog button')[1].click()")
        page.until(f"{VALUE} === {json.dumps(text)}")
        page.until(f"document.getElementById('said').innerText.includes('read as {said}')")
    drop(page, "#view", "a.txt", "Zoë ".encode() + b"\xff")
    page.until("document.getElementById('said').innerText.includes('damaged UTF-8 after 4 characters')")


def test_choosing_among_alternatives(theme: str, page: Tab, model: LanguageModel) -> None:
    """What may come next is shown as the settings leave it; another character is picked, by mouse and by keys."""
    page.type("Divya likes")
    rows = "[...document.querySelectorAll('#next .row')].map(e => [e.querySelector('code').innerText, e.className])"
    piece = next(iter(model.stream("Divya likes", max_tokens=1, log_probabilities=3)))
    likeliest = [one.text.translate({0x20: "\u2423", 0x0A: "\u21b5"}) for one in piece.alternatives]
    page.until(
        f"{rows}.length > 8 && {rows}.slice(0, 3).map(([name]) => name).join() === {json.dumps(','.join(likeliest))}"
    )
    gone = f"{rows}.filter(([, kind]) => kind.includes('gone')).length"
    set_field(page, "top_k", 2)
    page.until(f"{gone} === {rows}.length - 2")
    page.click("#reset")
    page.until(f"{gone} < {rows}.length - 2")
    first = page.text("#next .row code")
    page.click("#next .row")
    assert page.run(VALUE) == "Divya likes" + plain(first)

    page.run("document.getElementById('hold').focus()")
    page.type("forget=1, l9.u1=0")
    page.press("Enter")
    assert "l9" in page.until("document.getElementById('hold-error').innerText")
    page.click(".chips li:nth-child(2) button")
    page.until("!document.getElementById('hold-error').innerText")
    page.until("document.querySelectorAll('#next .row').length > 8")
    assert page.run("JSON.parse(localStorage['afterword.settings']).hold") == ["forget=1"]
    page.complaints.clear()  # of the answer that refused l9
    page.click(".chips li button")
    page.run("document.getElementById('area').focus()")

    expected = "[...document.querySelectorAll('#next .row code')].slice(0, 6).map(e => e.innerText)"
    shown = "[...document.querySelectorAll('.popup .row code')].slice(0, 6).map(e => e.innerText)"
    for at in (0, 4, 12):
        go_to(page, at)
        alternatives(page)
        page.until(f"{shown}.join() === {expected}.join()")
        page.until("document.activeElement.classList.contains('row')")
        page.press("ArrowDown")
        assert page.run("[...document.querySelectorAll('.popup .row')].indexOf(document.activeElement)") == 1
        page.press("Escape")
        assert page.run("[document.activeElement.id, document.querySelector('.popup')]") == ["area", None]
    before = write_on(page, 24)
    text = before.split("\n")[0]
    found = alternatives(page, 8)
    piece = next(iter(model.stream(text[:8], max_tokens=1, log_probabilities=4)))
    assert found[:4] == [one.text for one in piece.alternatives]
    picked = next(k for k, one in enumerate(piece.alternatives) if one.text not in (text[8], "\n"))
    page.click(f".popup li:nth-child({picked + 1}) button")
    page.until(f"{VALUE}.length > 9 && {VALUE} !== {json.dumps(before)}")
    assert wrote(page).startswith(text[:8] + found[picked])
    page.until("document.querySelectorAll('.tree button').length >= 3")
    page.click(".tree button:not(.on)")
    assert page.run(VALUE) == before

    page.run("document.getElementById('area').focus()")
    page.type("\n" * 60)
    go_to(page, 4)  # which is out of view
    alternatives(page)
    page.until("document.activeElement.classList.contains('row')")
    assert page.run("(row => row.top > 0 && row.bottom < innerHeight)(document.activeElement.getBoundingClientRect())")


def test_scoring(theme: str, page: Tab, model: LanguageModel) -> None:
    """A text costs so many bits, its surprises are shaded and listed, and of lines the oddest come first."""
    text = "a" + "\N{PARTY POPPER}" * 30 + TEXT * 3 + "Zebra"
    score(page, text)
    page.until("!!document.getElementById('figures')")
    assert page.text("#figures .figure") == f"{model.score(text).bits_per_character:.3f}"
    assert page.run("[...document.querySelectorAll('#shaded .line')].map(e => e.textContent).join('\\n')") == text
    worst = max((one for one in model.surprises(text) if not one.unlearned), key=lambda one: one.bits)
    assert "listed: \N{PARTY POPPER}, Z" in page.text("#panel-score [aria-label=Surprises] > :last-child")
    assert f"line {worst.line}, column {worst.column}" in page.text("#most tbody tr")
    assert not re.search("<D[C-F]", page.text("#most"))  # half a character
    page.click("#most tbody button")
    assert f"{worst.bits:.1f} bits" in page.until("document.querySelector('#panel-score .popup')?.innerText")
    page.press("Escape")
    page.until("!document.querySelector('#panel-score .popup')")

    lines = ["Divya likes to eat.", "", "tttttttttttttt", " ", "", "Reena is not fat."]
    costs = [score.bits_per_character for score in model.score_lines(lines)]
    assert max(costs[1], costs[4]) > max(costs[0], costs[5])  # so the cost alone would list them first
    page.run("document.getElementById('score-text').select()")
    page.type("\n".join(lines))
    page.click("#score-lines")
    page.click("#score-it")
    page.until("!!document.getElementById('lines')")
    found = page.run("[...document.querySelectorAll('#lines tbody tr')].map(e => Number(e.cells[0].innerText) - 1)")
    assert found[:3] == sorted((0, 2, 5), key=lambda k: -costs[k])
    assert set(found[3:]) == {1, 3, 4}


def test_training(theme: str, tab: Tab, tmp_path: Path) -> None:
    """From an empty server to a text there are four clicks: english writes until one's own model can."""
    content = "".join(f"The {k}th line of this book, and no more.\n" for k in range(400))
    with serving("--train", tmp_path) as server:
        page = open_page(tab, server.url, "simple")
        assert [one for one in page.run(SEEN) if one][-1] == "train-file"
        assert not page.run("document.getElementById('area').checkVisibility()")
        assert page.run("document.getElementById('train').offsetHeight") < 200  # no gap within
        drop(page, "#train", "empty.txt", content)
        page.until("document.getElementById('train-name')?.value === 'empty'")
        drop(page, "#train", "blank.txt", " \n")
        page.until("document.querySelector('#train .error')?.innerText.startsWith('blank.txt is empty')")
        drop(page, "#train", "Größe (2).tar.md", f"# The *book*\n\n{content}")  # 1, or 2 with "Choose a file"
        page.until("document.getElementById('train').innerText.includes('; read the text of Größe (2).tar.md')")
        assert "about 5 minutes" in page.text("#expect")
        assert page.run("document.getElementById('train-start').getBoundingClientRect().bottom") < 900
        assert not re.search(r"LSTM|gram\b|%|Gates|learning|dropout", page.text("body"))  # nothing to set
        page.run("document.getElementById('train-start').focus()")
        page.press("Enter")  # 3
        page.until("document.getElementById('progress')?.innerText.includes('is being trained')")
        assert "you write with english" in page.text("#progress")
        page.until("document.activeElement.id === 'area'")  # the button that was pressed is gone
        stop = "document.getElementById('train-stop')?.getBoundingClientRect().toJSON()"
        before = page.run(stop)
        page.click("#write")  # 4, while it trains
        page.until(f"{VALUE}.length > 20")
        page.press("Escape")
        page.click("#train-another")
        page.until("document.getElementById('train')?.innerText.includes('one model is trained at a time')")
        page.click("#train-another")
        page.until("document.getElementById('models')?.value === 'Grosse-2-tar'")  # it can write now
        assert page.run(stop) == before
        page.click("#train-stop")
        page.until("document.getElementById('progress').innerText.includes('was stopped')")
        page.until("!document.getElementById('progress')")  # by itself
        assert not page.run("document.getElementById('train')")
        page.click("#train-more")
        page.until("!!document.getElementById('progress')?.innerText.match(/1[45] min left/)")  # the rest, and ten more
        page.click("#train-stop")
        page.until("document.getElementById('progress')?.innerText.includes('was stopped')")
        page.click("#face-all")
        page.click("#tab-watch")
        page.until("document.getElementById('run-state')?.innerText.startsWith('Stopped')")
        assert page.run("document.getElementById('run-resume').checkVisibility()")
        assert page.complaints == []


def test_a_run_is_watched(tab: Tab, tmp_path: Path) -> None:
    text = "".join(f"The {k}th line of this book, and no more.\n" for k in range(400))
    train(text=text, out=tmp_path / "book", steps=30, hidden_size=12, num_layers=1, on_progress=lambda progress: None)
    with serving("--run", tmp_path / "book") as server:
        open_page(tab, server.url)
        tab.click("#tab-watch")
        assert "Finished: step 30 of 30" in tab.until("document.getElementById('run-state')?.innerText")
        tab.until("document.querySelector('.chart .u-legend')?.innerText.includes('step30')")
        reports = [json.loads(line) for line in (tmp_path / "book/metrics.jsonl").read_text().splitlines()]
        best = min(one["validation"] for one in reports if one["validation"] is not None)
        assert tab.text("#panel-watch .figure") == f"{best / math.log(2):.3f}"
        assert len(tab.until("document.querySelector('figure .sample')?.innerText")) > 20
        assert not tab.run("document.getElementById('train')")
        assert tab.complaints == []


def test_a_phone(theme: str, tab: Tab, models: Path) -> None:
    """Somebody writes on a phone, at a server that stands behind a path and wants a key, which is asked for once."""
    with serving(models / "story", "--root-path", "/a/w", AFTERWORD_API_KEY=KEY) as server, tab.phone(390):
        address = f"{server.url}/a/w"
        tab.call("Page.navigate", url="about:blank")
        tab.requests.clear()
        tab.call("Page.navigate", url=address)
        tab.until("!!document.querySelector('dialog input')")
        tab.type("wrong-wrong")
        tab.press("Enter")
        tab.until("document.querySelector('dialog')?.innerText.includes('does not accept')")
        tab.type(KEY)
        tab.press("Enter")
        tab.until("document.documentElement.dataset.ready && !document.querySelector('dialog')")
        assert tab.run("sessionStorage['afterword.key/a/w']") == KEY
        assert KEY not in tab.run("JSON.stringify(localStorage)")
        tab.complaints.clear()  # of two answers that a key is needed
        tab.run("localStorage['afterword.face'] = 'all'")
        again(tab)
        assert not tab.run("document.querySelector('dialog') || document.getElementById('steering').open")
        tab.run("document.getElementById('area').focus()")
        tab.type("Divya likes to eat. " * 10)
        assert write_on(tab, 20).startswith("Divya ")
        tab.until("localStorage['afterword.text/a/w']?.includes('Divya ')")
        score(tab, TEXT)
        tab.until("!!document.getElementById('most')")
        show_gates(tab)
        for name in ("score", "inside", "write"):
            tab.click(f"#tab-{name}")
            assert tab.widths[0] <= 390
            assert tab.run(UNNAMED) == []
            tab_through(tab)
        assert [one for one in tab.requests if not one.startswith((address, "about:", "data:"))] == []
        assert tab.complaints == []


# What must not be lost, and what a text must not do.


def test_it_warns_where_the_browser_keeps_no_more(page: Tab) -> None:
    page.run("for (let n = 1 << 20, k = 0; n > 4;) try { localStorage[`f${k++}`] = 'x'.repeat(n); } catch { n >>= 1; }")
    page.type("more than there is room for " * 20)
    page.run("new Promise(done => setTimeout(done, 600))")  # in which it is saved
    again(page)
    assert page.run(VALUE) == "more than there is room for " * 20  # since the database has room
    page.run("(window.put = IDBObjectStore.prototype.put, 0)")
    page.run("IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaExceededError'); }")
    page.run("document.getElementById('area').focus()")
    page.type("and more")
    assert "storage is full" in page.until("document.querySelector('.notice')?.innerText")
    page.run("(IDBObjectStore.prototype.put = window.put, 0)")
    page.run("Object.keys(localStorage).filter(key => /^f\\d/.test(key)).forEach(key => delete localStorage[key])")
    page.type("!")
    page.until("!document.querySelector('.notice')")
    assert page.run(f"{SAVED}.text === {VALUE}")


def test_it_warns_where_another_tab_has_changed_the_text(page: Tab) -> None:
    page.type("mine")
    page.until(f"{SAVED}?.text === 'mine'")
    page.run("dispatchEvent(new StorageEvent('storage', {key: 'afterword.text', newValue: '{}'}))")
    page.until("!!document.querySelector('.notice')")
    page.type(" again")
    page.run("new Promise(done => setTimeout(done, 600))")  # in which it would have been saved
    assert page.run(f"{SAVED}.text") == "mine"
    page.run("document.querySelectorAll('.notice button')[1].click()")
    page.until(f"{SAVED}.text === 'mine again'")


def test_without_the_server_the_text_stays(tab: Tab, models: Path) -> None:
    with serving(models / "story", port=free_port()) as server:
        open_page(tab, server.url)
        tab.type("Divya ")
        server.process.send_signal(signal.SIGTERM)
        server.process.wait()
        tab.press("Enter", control=True, shift=True)
        assert "does not answer" in tab.until("document.querySelector('.notice')?.innerText")
        tab.type("and on")
        tab.until(f"{SAVED}?.text === 'Divya and on'")
        with serving(models / "story", port=server.port):
            tab.until("!document.querySelector('.notice')")
            assert len(write_on(tab, 10)) > len("Divya and on")


def test_any_text_is_shown_as_text(page: Tab) -> None:
    page.type(HOSTILE)
    write_on(page, 20)
    page.click("#shade")
    page.until(f"{SAVED}?.shades.slice(1).indexOf(' ') < 0")
    alternatives(page, 3)
    page.run("document.getElementById('area').focus()")
    page.press("z", control=True)
    offered(page)
    score(page, HOSTILE, "<b>.txt")
    page.until("!!document.getElementById('most')")
    assert page.run("document.querySelectorAll('b[onclick], img').length") == 0
    assert page.run("document.title") == "Afterword"
    assert page.complaints == []


def test_a_word_document_keeps_all_but_the_word_that_was_changed(tab: Tab, server: Serving) -> None:
    page = open_page(tab, server.url, "simple")
    content = word_document("insertion")
    drop(page, "#view", "novel.docx", content)
    page.until(f"{VALUE}.includes('boldly')")
    go_to(page, page.run(VALUE).index("boldly") + 2)
    page.until("document.querySelector('.words')?.innerText.includes('instead of boldly')")
    page.click(".words button")
    chosen = page.until(f"{VALUE}.match(/She was (\\S*)/)?.[1]")
    assert chosen != "boldly"
    page.until(f"{SAVED}?.text.includes({json.dumps(chosen)})")
    page.run("localStorage.clear()")  # as a crash of the browser may leave it
    again(page)
    assert f"She was {chosen}" in page.run(VALUE)
    page.run("URL.createObjectURL = blob => { window.saved = blob; return 'data:,'; }")
    page.run("HTMLAnchorElement.prototype.click = function () { window.named = this.download; }")
    page.click("#save")
    page.until("!!window.saved")
    assert page.run("window.named") == "novel.docx"
    saved = bytes(page.run("window.saved.arrayBuffer().then(one => [...new Uint8Array(one)])"))
    check_only_change(content, saved, "boldly", chosen)
    assert page.complaints == []
