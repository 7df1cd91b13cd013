"""The page of a trace in a real browser: choose a gate, hover, select, find, theme, keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from afterword.inspection.gates_page import gates_html
from afterword.inspection.trace import Trace, named_units, openness
from afterword.model.network.holding import GATES_AND_STATES
from afterword.text.characters import CharTokenizer
from tests.browser.chromium import Tab
from tests.inspection.test_gates import TEXT, made

MODEL = made(hidden_size=20)
LONG = made(hidden_size=80)
HOSTILE = "</script><b>&amp;\"'\u2028<!-- ☃"


@pytest.fixture(scope="module")
def trace() -> Trace:
    return MODEL.gates(TEXT * 3)


@pytest.fixture
def opened(tab: Tab, trace: Trace, tmp_path: Path) -> Iterator[Tab]:
    yield open_page(tab, gates_html(trace, "a model"), tmp_path)
    assert tab.complaints == []


def open_page(tab: Tab, content: str, folder: Path) -> Tab:
    path = folder / "gates.html"
    path.write_text(content, encoding="utf-8")
    tab.complaints.clear()
    tab.requests.clear()
    tab.open(f"file://{path}")
    return tab


def assert_same_values(tab: Tab, trace: Trace, part: str) -> None:
    """What the page has read for all units is what the trace holds, but for the rounding of its bytes."""
    values = f"D.layers.map((layer, k) => layer.units.map((_, row) => Array.from(series('{part}', k, row))))"
    for layer, (found, chosen) in enumerate(zip(tab.run(values), trace.shown_units(), strict=True)):
        assert np.abs(np.array(found) - getattr(trace, part)[:, layer, chosen].T).max() < 0.01, part


def test_reading_the_gates(theme: str, opened: Tab, trace: Trace) -> None:
    """Somebody reads the text, points at the map, moves through it by keys, selects, and looks for similar places."""
    assert opened.run("document.getElementById('text').textContent").replace("↵", "") == trace.text
    levels = opened.run(
        "[...document.querySelectorAll('#text b')].map(b => Number((/\\bs(\\d+)/.exec(b.className) ?? [0, 0])[1]))"
    )
    expected = np.minimum(12, np.round(np.round(trace.bits * 256) / 256 / 8 * 12))
    assert np.abs(np.array(levels) - expected).max() <= 1  # half a level may be rounded either way
    assert (np.array(levels) == expected).mean() > 0.9
    summary = opened.text("#summary")
    gates = [gate for layer in openness(trace) for gate in layer.gates.values()]
    assert all(f"{gate.mean:.2f}" in summary and f"{len(gate.open)} of 20" in summary for gate in gates)

    opened.hover("#map", 0.501, 0.5)
    t = opened.run("[...document.querySelectorAll('#text b')].findIndex(one => one.matches('.hover'))")
    unit = int(
        trace.shown_units()[0][opened.run("sorted[Math.floor((parseFloat(map.style.height) * .5 - top0) / rowHeight)]")]
    )
    said = opened.text("#here")
    assert f"character {t} " in said
    assert f"l0.u{unit}" in said
    assert f"{trace.forget[t, 0, unit]:.1f}"[:2] in said
    opened.hover("h1")
    assert "character 0 " in opened.text("#here")
    opened.hover("#text b:nth-child(13)")  # and over the text what was expected
    _, probabilities = trace.likeliest(1)
    said = opened.text("#here")
    assert f"surprise {trace.bits[12]:.1f} bits" in said
    assert f"{round(float(probabilities[12, 0]) * 100)} %" in said

    drawn = opened.run("document.getElementById('map').toDataURL()")
    opened.click("#part button[data-value=output]")
    assert opened.run("S.part") == "output"
    assert opened.run("document.querySelector('#part [aria-pressed=true]').innerText") == "output"
    assert opened.run("document.getElementById('map').toDataURL()") != drawn
    opened.press("g")
    assert opened.run("S.part") == "cell"
    opened.click("#layer button[data-value='1']")
    assert opened.text("#labels") == "all 20 units of l1"
    opened.press("l")
    assert opened.run("S.layer") == 0

    for _ in range(3):
        opened.press("ArrowRight")
    assert opened.run("S.at") == 3
    for _ in range(4):
        opened.press("ArrowRight", shift=True)
    assert opened.run("[S.from, S.to]") == [3, 7]
    assert opened.text("#stretch") == "5 characters selected"
    assert opened.run("document.querySelectorAll('#text b.in').length") == 5
    opened.press("Escape")
    assert opened.run("[S.from, S.to]") == [-1, -1]
    assert opened.run("document.getElementById('clear').disabled")
    opened.press("Home")
    opened.press("End", shift=True)
    opened.press("f")
    assert "leave a part out" in opened.text("#foundhead")  # there is nothing to compare all of it with
    opened.click("#clear")
    assert opened.run("[S.from, S.to, document.querySelectorAll('#text b.in').length]") == [-1, -1, 0]
    opened.press("End")
    assert opened.run("S.at === T - 1")
    first = opened.run("S.unit")
    opened.press("ArrowDown")
    assert opened.run("S.unit") != first
    assert "character" in opened.run("document.getElementById('live').textContent")  # what a screen reader is told

    opened.run("move(20)")
    opened.press("l")
    opened.press("s")
    apart = np.linalg.norm(trace.hidden[:, 1] - trace.hidden[20, 1], axis=1)
    mean = apart.sum() / (len(apart) - 1)
    rows = opened.run(
        "[...document.querySelectorAll('#alike button')].map(b => b.innerText.match(/^(\\d+):.* (\\d+) %$/s).slice(1))"
    )
    assert len(rows) == 14
    assert [apart[int(t)] / mean for t, _ in rows] == pytest.approx([int(near) / 100 for _, near in rows], abs=0.02)
    assert max(apart[int(t)] for t, _ in rows) < np.sort(apart)[15] + 0.02 * mean
    opened.click("#alike button")
    assert opened.run("S.at") == int(rows[0][0])


def test_the_numbers_of_the_page_are_the_traces(opened: Tab, trace: Trace) -> None:
    for part in GATES_AND_STATES:
        assert_same_values(opened, trace, part)
    unit = int(trace.shown_units()[0][3])
    opened.run("chooseUnit(0, 3); move(25)")
    numbers = [float(n.replace("−", "-")) for n in re.findall(r"−?\d+\.\d+$", opened.text(".sum"), re.MULTILINE)]
    expected = [getattr(trace, part)[25, 0, unit] for part in ("kept", "added", "cell")]
    np.testing.assert_allclose(numbers, expected, atol=0.016)
    assert numbers[0] + numbers[1] == pytest.approx(numbers[2], abs=0.011)
    held = [float(n.replace("−", "-")) for n in re.findall(r"(?:held|dropped) (−?[\d.]+)", opened.text("#bars"))]
    before, kept = trace.before[25, 0, unit], trace.kept[25, 0, unit]
    assert held == pytest.approx([before, before - kept], abs=0.016)


def test_an_address_chooses_a_part_a_unit_and_a_character(opened: Tab) -> None:
    page, first = opened.run("location.href"), opened.run("name(S.layer, S.unit)")
    for address, part, paint, unit, at in (
        ("", "forget", "surprise", None, 0),
        ("#output:7", "output", "mean", None, 7),
        ("#%3Cb%3E:x", "forget", "surprise", None, 0),
        ("#cell:l1.u7:5", "cell", "unit", "l1.u7", 5),
        ("#output:l0.u3", "output", "unit", "l0.u3", 0),
        ("#cell:l7.u3:5", "cell", "mean", None, 5),
        ("#forget:9-3", "forget", "mean", None, 9),
        ("#cell:0-999999:2", "cell", "mean", None, 2),
    ):
        opened.call("Page.navigate", url="about:blank")
        opened.open(page + address)
        assert opened.run("[S.part, S.paint, S.at]") == [part, paint, at], address
        assert opened.run("name(S.layer, S.unit)") == (unit or first), address


def test_a_stretch_finds_the_unit_that_is_on_there_alone(tab: Tab, trace: Trace, tmp_path: Path) -> None:
    """A unit is planted that is on in every "Reena" and nowhere else: it is found, and so are the other places."""
    hidden, output, cell = trace.hidden.copy(), trace.output.copy(), trace.cell.copy()
    places = [m.start() for m in re.finditer("Reena", trace.text)]
    inside = np.zeros(len(trace.tokens), bool)
    for place in places:
        inside[place : place + 5] = True
    cell[:, 1, 4] = np.where(inside, 2.0, -0.2)
    output[:, 1, 4] = 0.9
    hidden[:, 1, 4] = 0.9 * np.tanh(cell[:, 1, 4])
    planted = Trace(**{**trace.__dict__, "hidden": hidden, "output": output, "cell": cell})
    open_page(tab, gates_html(planted), tmp_path)
    tab.press("g")  # forget, input, candidate, output, cell, hidden
    tab.click("#part button[data-value=hidden]")
    tab.drag(f"#text b:nth-child({places[0] + 1})", f"#text b:nth-child({places[0] + 5})")
    tab.click("#find")
    assert tab.text("#found button").startswith("l1.u4 above")
    assert "100 % here" in tab.text("#found button")
    alike = tab.run("[...document.querySelectorAll('#alike button')].map(b => Number(b.innerText.split(':')[0]))")
    assert set(places[1:]) & set(alike)
    tab.click("#found button")
    assert tab.run("[S.layer, D.layers[1].units[S.unit], S.paint]") == [1, 4, "unit"]
    painted = "[...document.querySelectorAll('#text b')].map(b => /\\bp(\\d+)/.test(b.className))"
    assert tab.run(painted) == inside.tolist()
    tab.click("#part button[data-value=forget]")
    tab.click("#found button[title^='colour the text']")
    assert tab.run("S.part") == "cell"
    assert tab.run(painted) == inside.tolist()
    page = tab.run("location.href")
    tab.call("Page.navigate", url="about:blank")
    tab.open(f"{page}#input:{places[0]}-{places[0] + 4}:{places[0]}")  # of the unit whose cell is on in that stretch
    assert tab.run("[S.part, S.paint, name(S.layer, S.unit), S.at]") == ["input", "unit", "l1.u4", places[0]]


def test_a_long_text_shows_the_moving_units_or_the_named_ones(tab: Tab, tmp_path: Path) -> None:
    trace = LONG.gates(TEXT * 15)
    open_page(tab, gates_html(trace), tmp_path)
    assert tab.text("#labels") == "48 of the 80 units of l0"
    found = tab.run("[0, 1].map(layer => Array.from({length: T}, (_, t) => mean('cell', layer, t)))")
    np.testing.assert_allclose(np.array(found).T, trace.means("cell"), atol=1e-4)
    open_page(tab, gates_html(trace, named=named_units(["l1.u7"], LONG.config)), tmp_path)
    assert tab.text("#labels") == "1 of the 80 units of l1"
    assert tab.run("name(S.layer, S.unit)") == "l1.u7"
    assert tab.complaints == []


def test_any_text_is_shown_as_text(tab: Tab, tmp_path: Path) -> None:
    model = made(CharTokenizer.of(HOSTILE))
    open_page(tab, gates_html(model.gates(HOSTILE), about="<i>model</i>"), tmp_path)
    assert tab.run("D.tokens.join('')") == HOSTILE
    assert tab.text("#about") == "<i>model</i>"
    assert tab.run("document.querySelectorAll('#text b').length") == len(HOSTILE)
    assert tab.complaints == []


def test_a_plain_recurrent_network_shows_its_hidden_state_alone(tab: Tab, tmp_path: Path) -> None:
    trace = made(hidden_size=20, cell="rnn").gates(TEXT * 3)
    opened = open_page(tab, gates_html(trace, "a plain network"), tmp_path)
    assert_same_values(opened, trace, "hidden")
    assert opened.text("h1") == "What the hidden state does"
    assert opened.run("[...document.querySelectorAll('#part button')].map(b => b.innerText)") == ["hidden"]
    for word in ("forget", "memory", "kept", "gate"):
        assert word not in opened.text("body")
    for key in "gplpfs":
        opened.press(key)
    opened.run("location.hash = '#hidden:l1.u7:5'")
    opened.until("S.at === 5")
    assert opened.run("[S.paint, name(S.layer, S.unit)]") == ["unit", "l1.u7"]
    opened.run("location.hash = '#forget:3'")  # which it does not have
    opened.press("ArrowRight")
    assert opened.run("[S.part, S.at]") == ["hidden", 6]
    assert opened.complaints == []
