"""The page that `export --html` writes, in a real browser: from a disk, in a frame, by mouse and keyboard."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest

from afterword.model.folder.saved import load_model
from afterword.wings.export.browser import PageSettings, write_html
from tests.bases.small import base_of
from tests.browser import test_laws
from tests.browser.chromium import Tab
from tests.browser.test_laws import computed
from tests.browser.test_serve_page import drop, set_field
from tests.text.test_word_documents import MADE
from tests.text.test_word_documents import made as made_document
from tests.text.test_word_documents import read as read_document
from tests.tiny import save_tiny

place = test_laws.place  # a folder with the scripts
VALUE = "document.getElementById('area').value"
IS_QUIET = "!document.getElementById('stop')"
SETTINGS = {"seed": 5, "max_tokens": 60, "offersByThemselves": False, "unit": "characters"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    write_html(load_model(save_tiny(folder / "tiny", mixed=True)), folder / "book.html", PageSettings())
    write_html(load_model(save_tiny(folder / "names", lines=True)), folder / "names.html", PageSettings())
    labels = base_of("abcdgo\t\n", lines=True).model
    labels = dataclasses.replace(labels, weights={name: 4 * weight for name, weight in labels.weights.items()})
    labels.about["labels"] = {"good": 3, "bad": 2}
    write_html(labels, folder / "labels.html", PageSettings(title="<b>Labels"))
    tell = """<script>setInterval(() => afterword?.generate({ maxTokens: 20 }).then(({ tokens }) => parent.postMessage(
        `${afterword.kernel} ${tokens}`, "*")), 100)</script>"""
    heard = "<script>onmessage = ({ data }) => (document.body.dataset.written = data)</script>"
    told = (folder / "book.html").read_text(encoding="utf-8")
    told = re.sub("<meta http-equiv[^>]*>", "", told).replace("</body>", f"{tell}</body>")
    inside = f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(told)}"></iframe>'
    (folder / "frame.html").write_text(f"<!doctype html><body>{heard}{inside}", encoding="utf-8")
    return folder


def open_page(tab: Tab, path: Path) -> Tab:
    """A page as somebody finds it who was never there, but for settings."""
    tab.call("Page.navigate", url="about:blank")
    tab.complaints.clear()
    tab.open(f"file://{path}")
    tab.forget()
    tab.run(f"localStorage['afterword.settings{path}'] = {json.dumps(json.dumps(SETTINGS))}")
    tab.run("localStorage['afterword.face'] = 'all'")
    tab.requests.clear()
    tab.open(f"file://{path}")
    tab.run("document.getElementById('area').focus()")
    return tab


def written(tab: Tab, button: str = "#write") -> str:
    before = tab.run(VALUE)
    tab.click(button)
    tab.until(f"{IS_QUIET} && {VALUE} && {VALUE} !== {json.dumps(before)}")
    return str(tab.run(VALUE))


def generated(tab: Tab, prompt: str = "") -> str:
    """What the engine of the page writes."""
    asked = {"prompt": prompt, "seed": 5, "maxTokens": 60}
    return str(tab.run(f"afterword.generate({json.dumps(asked)}).then(({{ text }}) => text)"))


def test_an_exported_page(theme: str, tab: Tab, files: Path) -> None:
    """Somebody opens a page from a disk, which asks for nothing; writes, shades, stops, copies, and comes again."""
    page = open_page(tab, files / "book.html")
    first = written(page)
    assert first.startswith(generated(page))
    assert not first[60:] or first[60:].isalpha()  # it ends with a word
    assert page.run("afterword.kernel") == "wasm"
    assert {address.partition(":")[0] for address in page.requests} == {"file", "blob"}  # the page and its worker
    policy = page.run("document.querySelector('[http-equiv]').content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy
    assert "http" not in policy

    page.click("#shade")
    page.until(f"{IS_QUIET} && [...CSS.highlights.values()].reduce((sum, one) => sum + one.size, 0) > 10")
    page.click("#copy")
    assert page.until("document.getElementById('told').innerText") == "Copied"

    set_field(page, "seed", 6)
    second = written(page, "#another")
    page.until("localStorage[`afterword.text${location.pathname}`]?.includes('revisions')")
    page.open(page.run("location.href"))
    assert page.run(VALUE) == second
    page.until("document.querySelectorAll('.tree button').length >= 2")
    page.run("document.querySelector('.tree button:not(.on)').click()")
    assert page.run(VALUE) == first
    set_field(page, "length", 100_000)
    page.run("document.getElementById('area').focus()")
    page.press("Enter", control=True, shift=True)
    page.until(f"{VALUE}.length > {len(first) + 20}")
    page.press("Escape")
    page.until(IS_QUIET)

    assert "stored only in this browser" in page.text("#kept")
    page.click("#clear")
    page.until("!!document.querySelector('dialog')")
    page.run("document.querySelectorAll('dialog button')[1].click()")
    page.until(f"{VALUE} === ''")
    page.open(page.run("location.href"))
    assert page.run(VALUE) == ""
    assert page.run("localStorage['afterword.text']") is None  # of the server's page
    assert page.complaints == []


def test_without_workers_the_page_itself_runs_the_model(tab: Tab, files: Path) -> None:
    text = written(open_page(tab, files / "book.html"))
    script = tab.call("Page.addScriptToEvaluateOnNewDocument", source="delete globalThis.Worker")["identifier"]
    try:
        assert written(open_page(tab, files / "book.html")) == text
        assert not any(address.startswith("blob") for address in tab.requests)
    finally:
        tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_the_page_opens_texts_and_word_documents_and_saves_their_text(tab: Tab, files: Path) -> None:
    page = open_page(tab, files / "book.html")
    page.click("#face-simple")
    page.run("HTMLAnchorElement.prototype.click = function () { window.named = this.download; }")
    page.run("URL.createObjectURL = blob => { window.saved = blob; return 'data:,'; }")
    opened = {name: (made_document(name), read_document(made_document(name))) for name in MADE}
    for name, (content, text) in {"plain.txt": (b"A night.\r\nA day.\n", "A night.\nA day.\n"), **opened}.items():
        drop(page, "#view", name if name.endswith(".txt") else f"{name}.docx", content)
        page.until(f"document.querySelector('dialog') || {VALUE} === {json.dumps(text)}")
        if page.run("!!document.querySelector('dialog')"):
            page.click("dialog button:nth-of-type(2)")
        page.until(f"{VALUE} === {json.dumps(text)}")
        page.run("window.saved = null")
        page.click("#save")
        page.until("window.saved && window.named.endsWith('.txt')")
        assert page.run("window.saved.text()") == text
    for name, content in {"notes.docx": b"PK\x03\x04 and more", "cut.docx": made_document("runs")[:3000]}.items():
        drop(page, "#view", name, content)
        page.until(f"document.querySelector('#said').innerText.startsWith('{name} is not a Word document, or')")
    assert page.run(VALUE) == text
    assert page.complaints == []


def test_a_model_of_lines_writes_line_after_line_and_one_of_labels_what_follows_a_label(tab: Tab, files: Path) -> None:
    first = written(open_page(tab, files / "names.html"))
    assert first.endswith("\n")
    assert written(tab) == first * 2
    open_page(tab, files / "labels.html")
    assert tab.run("[document.title, document.querySelector('h1').textContent]") == ["<b>Labels"] * 2
    assert tab.run("[...document.querySelectorAll('#label option')].map(one => one.value)") == ["", "good", "bad"]
    texts = []
    for label in ("good", "bad"):
        set_field(tab, "label", label)
        texts.append(written(tab))
        assert texts[-1].startswith(generated(tab, f"{label}\t"))
        tab.click("#undo")
    assert texts[0] != texts[1]


def test_a_page_works_in_a_sandboxed_frame(tab: Tab, files: Path) -> None:
    tab.complaints.clear()
    tab.call("Page.navigate", url=f"file://{files / 'frame.html'}")
    tab.until("document.body?.dataset.written")
    assert tab.run("document.body.dataset.written") == "wasm 20"
    assert tab.complaints == []


def test_a_text_of_an_exported_page_ends_with_a_sentence_however_its_tokens_come(place: Path) -> None:
    script = """(async () => {
      globalThis.requestAnimationFrame = done => setTimeout(done, 1);
      const frame = () => new Promise(requestAnimationFrame);
      const { handle, stream } = await import("/static/local.js");
      const ends = async (together, body) => {
        const generate = async ({ onToken, maxTokens }) => {
          const tokens = [..."He saw a place. She left, and he did."].slice(0, maxTokens);
          for (const [k, text] of tokens.entries()) {
            onToken({ text, logProbability: -1 });
            if (k % together === together - 1) await frame().then(frame);
          }
          return { finishReason: "length" };
        };
        handle({ model: { generate }, numbers: [], own: {}, wrote: () => {} });
        let text = "";
        for await (const { choices } of stream(body, new AbortController().signal)) text += choices[0].text;
        return text;
      };
      const found = [];
      const lengths = [{ max_tokens: 9, finish_sentence: true }, { max_tokens: 30, sentences: 1 }];
      for (const together of [1, 2, 3, 100])
        for (const length of lengths) found.push(await ends(together, { prompt: "No. ", seed: 1, ...length }));
      return found;
    })()"""
    shutil.copy(str(resources.files("afterword.wings.export").joinpath("web", "local.js")), place / "static")
    assert computed(place, script) == ["He saw a place."] * 8
