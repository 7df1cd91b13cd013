"""The page of a trace in a real browser: choose a gate, hover, select, find, theme, keyboard, and in a frame."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from afterword.inspection.gates_page import framed, gates_html
from afterword.inspection.trace import Trace, named_units, openness
from afterword.model.network.holding import GATES_AND_STATES
from afterword.text.characters import CharTokenizer
from tests.browser.chromium import Tab
from tests.inspection.test_gates import TEXT, made
from tests.processes import until

HOSTILE = "</script><b>&amp;\"'\u2028<!-- ☃"
LEVELS = "[...document.querySelectorAll('#text b')].map(b => Number((/\\bs(\\d+)/.exec(b.className) ?? [0, 0])[1]))"
PAINTED = "[...document.querySelectorAll('#text b')].map(b => /\\bp(\\d+)/.test(b.className))"
ALIKE = "[...document.querySelectorAll('#alike button')].map(b => b.innerText.match(/^(\\d+):.* (\\d+) %$/s).slice(1))"


def planted() -> tuple[Trace, np.ndarray]:
    """Return a trace with a unit, l1.u4, that is on in every "Reena" and nowhere else, and where that is."""
    trace = made(hidden_size=20).gates(TEXT * 3)
    inside = np.zeros(len(trace.tokens), bool)
    for found in re.finditer("Reena", trace.text):
        inside[slice(*found.span())] = True
    trace.cell[:, 1, 4] = np.where(inside, 2.0, -0.2)
    trace.output[:, 1, 4] = 0.9
    trace.hidden[:, 1, 4] = 0.9 * np.tanh(trace.cell[:, 1, 4])
    return trace, inside


def open_page(tab: Tab, content: str, folder: Path) -> Tab:
    path = folder / "gates.html"
    path.write_text(content, encoding="utf-8")
    tab.complaints.clear()
    tab.open(f"file://{path}")
    return tab


def assert_same_values(page: Tab, trace: Trace, part: str) -> None:
    """What the page has read for all units is what the trace holds, but for the rounding of its bytes."""
    values = f"D.layers.map((layer, k) => layer.units.map((_, row) => Array.from(series('{part}', k, row))))"
    for layer, (found, chosen) in enumerate(zip(page.run(values), trace.shown_units(), strict=True)):
        assert np.abs(np.array(found) - getattr(trace, part)[:, layer, chosen].T).max() < 0.01, part


def test_reading_the_gates(theme: str, tab: Tab, tmp_path: Path) -> None:
    """Somebody reads the text, points at the map, moves through it by keys, selects, and looks for similar places."""
    trace, inside = planted()
    page = open_page(tab, gates_html(trace, "a model"), tmp_path)
    for part in GATES_AND_STATES:
        assert_same_values(page, trace, part)
    assert page.run("document.getElementById('text').textContent").replace("↵", "") == trace.text
    levels, expected = page.run(LEVELS), np.minimum(12, np.round(np.round(trace.bits * 256) / 256 / 8 * 12))
    assert np.abs(np.array(levels) - expected).max() <= 1  # half a level may be rounded either way
    assert (np.array(levels) == expected).mean() > 0.9
    summary = page.text("#summary")
    gates = [gate for layer in openness(trace) for gate in layer.gates.values()]
    assert all(f"{gate.mean:.2f}" in summary and f"{len(gate.open)} of 20" in summary for gate in gates)

    page.hover("#map", 0.501, 0.5)
    t = page.run("[...document.querySelectorAll('#text b')].findIndex(one => one.matches('.hover'))")
    row = page.run("sorted[Math.floor((parseFloat(map.style.height) * .5 - top0) / rowHeight)]")
    unit, said = int(trace.shown_units()[0][row]), page.text("#here")
    assert f"character {t} " in said
    assert f"l0.u{unit}" in said
    assert f"{trace.forget[t, 0, unit]:.1f}"[:2] in said
    page.hover("h1")
    assert "character 0 " in page.text("#here")
    page.hover("#text b:nth-child(13)")  # and over the text what was expected
    _, probabilities = trace.likeliest(1)
    said = page.text("#here")
    assert f"surprise {trace.bits[12]:.1f} bits" in said
    assert f"{round(float(probabilities[12, 0]) * 100)} %" in said

    page.run("chooseUnit(0, 3); move(25)")
    unit = int(trace.shown_units()[0][3])
    numbers = [float(n.replace("−", "-")) for n in re.findall(r"−?\d+\.\d+$", page.text(".sum"), re.MULTILINE)]
    assert numbers == pytest.approx(
        [getattr(trace, part)[25, 0, unit] for part in ("kept", "added", "cell")], abs=0.016
    )
    held = [float(n.replace("−", "-")) for n in re.findall(r"(?:held|dropped) (−?[\d.]+)", page.text("#bars"))]
    before, kept = trace.before[25, 0, unit], trace.kept[25, 0, unit]
    assert held == pytest.approx([before, before - kept], abs=0.016)

    drawn = page.run("document.getElementById('map').toDataURL()")
    page.click("#part button[data-value=output]")
    assert page.run("S.part") == page.run("document.querySelector('#part [aria-pressed=true]').innerText") == "output"
    assert page.run("document.getElementById('map').toDataURL()") != drawn
    page.press("g")
    assert page.run("S.part") == "cell"
    page.click("#layer button[data-value='1']")
    assert page.text("#labels") == "all 20 units of l1"
    page.press("l")
    assert page.run("S.layer") == 0

    page.press("Home")
    for _ in range(3):
        page.press("ArrowRight")
    for _ in range(4):
        page.press("ArrowRight", shift=True)
    assert page.run("[S.from, S.to, document.querySelectorAll('#text b.in').length]") == [3, 7, 5]
    assert page.text("#stretch") == "5 characters selected"
    page.press("Escape")
    assert page.run("[S.from, S.to, document.getElementById('clear').disabled]") == [-1, -1, True]
    page.press("Home")
    page.press("End", shift=True)
    page.press("f")
    assert "leave a part out" in page.text("#foundhead")  # there is nothing to compare all of it with
    page.click("#clear")
    assert page.run("[S.from, S.to, document.querySelectorAll('#text b.in').length]") == [-1, -1, 0]
    page.press("End")
    assert page.run("S.at === T - 1")
    first = page.run("S.unit")
    page.press("ArrowDown")
    assert page.run("S.unit") != first
    assert "character" in page.run("document.getElementById('live').textContent")  # what a screen reader is told

    # Places like this one, and the unit that is on in a stretch alone.
    page.run("move(20)")
    page.press("l")
    page.press("s")
    apart = np.linalg.norm(trace.hidden[:, 1] - trace.hidden[20, 1], axis=1)
    mean, rows = apart.sum() / (len(apart) - 1), page.run(ALIKE)
    assert len(rows) == 14
    assert [apart[int(t)] / mean for t, _ in rows] == pytest.approx([int(near) / 100 for _, near in rows], abs=0.02)
    assert max(apart[int(t)] for t, _ in rows) < np.sort(apart)[15] + 0.02 * mean
    page.click("#alike button")
    assert page.run("S.at") == int(rows[0][0])
    places = [one.start() for one in re.finditer("Reena", trace.text)]
    page.click("#part button[data-value=hidden]")
    page.drag(f"#text b:nth-child({places[0] + 1})", f"#text b:nth-child({places[0] + 5})")
    page.click("#find")
    assert page.text("#found button").startswith("l1.u4 above")
    assert "100 % here" in page.text("#found button")
    alike = page.run("[...document.querySelectorAll('#alike button')].map(b => Number(b.innerText.split(':')[0]))")
    assert {*places[1:]} & {*alike}
    page.click("#found button")
    assert page.run("[S.layer, D.layers[1].units[S.unit], S.paint]") == [1, 4, "unit"]
    assert page.run(PAINTED) == inside.tolist()
    page.click("#part button[data-value=forget]")
    page.click("#found button[title^='colour the text']")
    assert page.run("S.part") == "cell"
    assert page.run(PAINTED) == inside.tolist()
    assert page.complaints == []


def test_an_address_chooses_a_part_a_unit_and_a_character(tab: Tab, tmp_path: Path) -> None:
    trace, inside = planted()
    page = open_page(tab, gates_html(trace), tmp_path)
    address, first = page.run("location.href"), page.run("name(S.layer, S.unit)")
    there = int(inside.argmax())
    for hash, part, paint, unit, at in (
        ("", "forget", "surprise", None, 0),
        ("#output:7", "output", "mean", None, 7),
        ("#cell:l1.u7:5", "cell", "unit", "l1.u7", 5),
        ("#output:l0.u3", "output", "unit", "l0.u3", 0),
        ("#cell:0-999999:2", "cell", "mean", None, 2),
        (f"#input:{there}-{there + 4}:{there}", "input", "unit", "l1.u4", there),  # whose cell is on there
    ):
        page.call("Page.navigate", url="about:blank")
        page.open(address + hash)
        found = page.run("[S.part, S.paint, name(S.layer, S.unit), S.at]")
        assert found == [part, paint, unit or first, at], hash
    assert page.complaints == []


def test_a_long_text_shows_the_moving_units_or_the_named_ones(tab: Tab, tmp_path: Path) -> None:
    model = made(hidden_size=80)
    trace = model.gates(TEXT * 15)
    page = open_page(tab, gates_html(trace), tmp_path)
    assert page.text("#labels") == "48 of the 80 units of l0"
    found = page.run("[0, 1].map(layer => Array.from({length: T}, (_, t) => mean('cell', layer, t)))")
    np.testing.assert_allclose(np.array(found).T, trace.means("cell"), atol=1e-4)
    open_page(tab, gates_html(trace, named=named_units(["l1.u7"], model.config)), tmp_path)
    assert page.text("#labels") == "1 of the 80 units of l1"
    assert page.run("name(S.layer, S.unit)") == "l1.u7"
    assert page.complaints == []


def test_any_text_is_shown_as_text(tab: Tab, tmp_path: Path) -> None:
    model = made(CharTokenizer.of(HOSTILE))
    page = open_page(tab, gates_html(model.gates(HOSTILE), about="<i>model</i>"), tmp_path)
    assert page.run("D.tokens.join('')") == HOSTILE
    assert page.text("#about") == "<i>model</i>"
    assert page.run("document.querySelectorAll('#text b').length") == len(HOSTILE)
    assert page.complaints == []


def test_a_plain_recurrent_network_shows_its_hidden_state_alone(tab: Tab, tmp_path: Path) -> None:
    trace = made(hidden_size=20, cell="rnn").gates(TEXT)
    page = open_page(tab, gates_html(trace, "a plain network"), tmp_path)
    assert_same_values(page, trace, "hidden")
    assert not re.search("forget|memory|kept|gate", page.text("body"))
    for key in "gplpfs":
        page.press(key)
    page.run("location.hash = '#hidden:l1.u7:5'")
    page.until("S.at === 5")
    page.run("location.hash = '#forget:3'")  # which it does not have
    page.press("ArrowRight")
    assert page.run("[S.part, S.paint, name(S.layer, S.unit), S.at]") == ["hidden", "unit", "l1.u7", 6]
    assert page.complaints == []


# The page inside another one, as in a notebook: it fits whatever room it gets, and when.

# The frame is sandboxed, so nobody sees inside: the page itself answers how large its parts are.
ANSWERS = """<script>addEventListener("message", event => requestAnimationFrame(() => event.source.postMessage({
  room: document.getElementById("frame").clientWidth, ready: "ready" in document.documentElement.dataset,
  map: map.getBoundingClientRect().toJSON(), column: S.width, characters: T, units: sorted.length,
  wide: document.documentElement.scrollWidth > document.documentElement.clientWidth }, "*")))</script></body>"""
FRAME = framed(gates_html(made(hidden_size=20).gates(TEXT * 3)).replace("</body>", ANSWERS))
ASK = """new Promise(done => {
  setTimeout(done, 300);  // where it is not listening yet
  addEventListener("message", event => done(event.data), { once: true });
  // in a frame that the outer page draws, because only then does the browser see that the inner one is shown
  requestAnimationFrame(() => document.querySelector("iframe").contentWindow.postMessage("how large?", "*"));
})"""


def opened(tab: Tab, content: str, folder: Path) -> Tab:
    path = folder / "outer.html"
    path.write_text(f"<!doctype html><html data-ready=1><body>{content}", encoding="utf-8")
    tab.complaints.clear()
    tab.open(f"file://{path}")
    return tab


def wait_until_filled(tab: Tab, least: int = 1, most: int = 10_000) -> None:
    """Wait until the map is as wide as its columns, of a width that fits its room, and as high as its rows."""
    tab.until("document.readyState === 'complete' && !!document.querySelector('iframe')")

    def is_filled() -> bool:
        found = tab.run(ASK)
        if not found or not found["ready"] or not least <= found["room"] <= most:
            return False
        column = max(4, min(20, found["room"] // found["characters"]))
        wide = min(found["room"], found["characters"] * column)
        box = found["map"]
        return bool(found["column"] == column and box["width"] == wide > 0 and box["height"] >= 280)

    until(is_filled)


@pytest.mark.parametrize("how", ["in the page", "by a script"])
def test_the_map_fills_the_frame_however_often_it_is_loaded(tab: Tab, tmp_path: Path, how: str) -> None:
    inside = FRAME
    if how == "by a script":  # as a notebook does
        text = json.dumps(inside).replace("</", "<\\/")
        inside = f"<div id=cell></div><script>setTimeout(() => {{ cell.innerHTML = {text} }}, 20)</script>"
    for _ in range(3):
        wait_until_filled(opened(tab, inside, tmp_path))
    assert tab.run("document.querySelector('iframe').offsetHeight") == 760
    assert tab.complaints == []


def test_a_frame_that_is_shown_or_resized_later_is_filled_then(tab: Tab, tmp_path: Path) -> None:
    opened(tab, f"<div id=cell style='display: none'>{FRAME}</div>", tmp_path)
    tab.run("new Promise(done => setTimeout(done, 300))")  # nothing to wait for: it is drawn only once it is shown
    tab.run("cell.style.display = 'block'")
    wait_until_filled(tab)
    for width in (600, 900):
        tab.run(f"document.querySelector('iframe').style.width = '{width}px'")
        wait_until_filled(tab, width - 100, width)
    assert tab.complaints == []
