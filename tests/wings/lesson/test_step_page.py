"""The page of one step in a real browser: its numbers, its sliders, what follows from them, keys, and any text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import afterword
from afterword.inspection.trace import Trace
from afterword.text.characters import CharTokenizer
from tests.browser.chromium import Tab
from tests.inspection.test_gates import TEXT, made

MODEL = made(hidden_size=20)
HOSTILE = "</script><b>&amp;\"'\u2028<!-- ☃"
CELLS = "now.map(({state}) => Array.from(state.cell[%d]))"


@pytest.fixture
def trace() -> Trace:
    return MODEL.gates(TEXT)


@pytest.fixture
def opened(tab: Tab, tmp_path: Path) -> Tab:
    return open_page(tab, afterword.step_page(MODEL, TEXT, "a model"), tmp_path)


def open_page(tab: Tab, content: str, folder: Path, address: str = "") -> Tab:
    path = folder / "step.html"
    path.write_text(content, encoding="utf-8")
    tab.call("Page.navigate", url="about:blank")
    tab.complaints.clear()
    tab.open(f"file://{path}{address}")
    return tab


def numbers(tab: Tab) -> dict[str, float]:
    """The numbers of the drawing."""
    parts = ("old", "kept", "added", "cell", "tanh", "hidden")
    return {part: float(tab.run(f"$('v-{part}').textContent").replace("−", "-")) for part in parts}


def move_slider(tab: Tab, gate: str, value: float) -> None:
    tab.run(
        f"(slider => {{ slider.value = {value}; slider.dispatchEvent(new Event('input', {{ bubbles: true }})); }})"
        f"(document.querySelector('[data-gate={gate}] input'))"
    )


def test_every_number_of_a_step_is_the_networks(opened: Tab, trace: Trace) -> None:
    for layer, unit, t in ((0, 3, 0), (0, 7, 12), (1, 4, 25), (1, 19, len(TEXT) - 1)):
        opened.run(f"chooseUnit({layer}, {unit}); move({t})")
        at = (t, layer, unit)
        expected = {"old": trace.before[at], "kept": trace.kept[at], "added": trace.added[at], "cell": trace.cell[at]}
        expected |= {"tanh": np.tanh(trace.cell[at]), "hidden": trace.hidden[at]}
        assert numbers(opened) == pytest.approx(expected, abs=0.011)
        shown = opened.run(
            "Object.fromEntries([...$('gates').children].map(e => [e.dataset.gate, +e.querySelector('input').value]))"
        )
        gates = {gate: float(getattr(trace, gate)[at]) for gate in ("forget", "input", "candidate", "output")}
        assert shown == pytest.approx(gates, abs=1e-3)
        assert f"character {t}: " in opened.run("$('live').textContent")
    expected_next = np.exp(trace.log_probabilities[-1]).max()
    assert opened.text("#expected div").split("\n")[-1] == f"{round(float(expected_next) * 100)} %"
    assert opened.complaints == []


def test_moving_a_gate_changes_this_step_and_all_that_follow(opened: Tab, trace: Trace) -> None:
    opened.run("chooseUnit(0, 7); move(12)")
    move_slider(opened, "forget", 0)
    found = numbers(opened)
    assert found["kept"] == 0
    assert found["cell"] == pytest.approx(found["added"], abs=0.011)
    network = f"was {trace.forget[12, 0, 7]:.2f}"
    assert opened.text("[data-gate=forget] span:last-child") == network
    opened.until("now.length === T")
    cells = np.array(opened.run(CELLS % 0))
    np.testing.assert_allclose(cells[:12], trace.cell[:12, 0], atol=1e-3)
    assert not np.allclose(cells[13], trace.cell[13, 0], atol=1e-3)
    assert opened.run("document.querySelector('#expected .soft').textContent").startswith("was ")
    opened.press("ArrowRight")
    assert opened.text("[data-gate=forget] span:last-child").startswith("σ(")  # it was moved at one character
    opened.press("Escape")
    np.testing.assert_allclose(np.array(opened.run(CELLS % 0)), trace.cell[:, 0], atol=1e-3)
    assert opened.run("$('release').disabled")


def test_a_gate_that_is_held_from_the_start_is_a_model_that_holds_it(tab: Tab, tmp_path: Path) -> None:
    page = afterword.step_page(MODEL, TEXT)
    for gate, value in (("forget", 0), ("forget", 1), ("input", 0.5), ("candidate", -1), ("output", 0)):
        opened = open_page(tab, page, tmp_path)
        opened.run("chooseUnit(0, 3); move(0)")
        opened.click("#holds")
        move_slider(opened, gate, value)
        opened.until("now.length === T")
        cells = np.array(opened.run(CELLS % 0))[:, 3]
        np.testing.assert_allclose(cells, own_cell(opened, gate, value), atol=1e-6)
        if gate == "output":
            assert opened.run("now.every(({ state }) => state.hidden[0][3] === 0)")
        # the boundary token is read before, where no slider reaches, with a cell state of 0 that no forget gate changes
        if gate == "forget":
            held = MODEL.hold(f"l0.u3.{gate}={value}").gates(TEXT)
            np.testing.assert_allclose(np.array(opened.run(CELLS % 1)), held.cell[:, 1], atol=2e-3)


def own_cell(tab: Tab, gate: str, value: float) -> list[float]:
    """The cell state of unit 3 by the page's own gates, one of which is held."""
    order = ["input", "forget", "candidate", "output"]
    sums = np.array(tab.run("now.map(({sums}) => Array.from(sums[0]).filter((_, k) => k % H === 3))"), float)
    i, f, g = (np.full(len(sums), value) if one == gate else known(one, sums[:, k]) for k, one in enumerate(order[:3]))
    cell, cells = float(tab.run("start.cell[0][3]")), []
    for t in range(len(sums)):
        cell = f[t] * cell + i[t] * g[t]
        cells.append(cell)
    return cells


def known(gate: str, sums: np.ndarray) -> np.ndarray:
    return np.asarray(np.tanh(sums) if gate == "candidate" else 1 / (1 + np.exp(-sums)))


def test_keys_and_buttons_step_choose_and_play(opened: Tab) -> None:
    opened.press("ArrowRight")
    opened.click("#next")
    assert opened.run("S.at") == 2
    opened.click("#previous")
    assert opened.run("S.at") == 1
    opened.click("#text b:nth-child(9)")
    assert opened.run("S.at") == 8
    opened.run("chooseUnit(0, 0)")
    opened.press("ArrowUp")
    assert opened.run("$('unit').value") == "l1.u19"
    opened.click("#units button:last-child")
    assert opened.run("$('unit').value") == "l0.u0"
    opened.run("$('unit').value = 'l1.u5'; $('unit').dispatchEvent(new Event('change'))")
    assert opened.run("[S.layer, S.unit]") == [1, 5]
    opened.run("$('unit').value = 'l9.u5'; $('unit').dispatchEvent(new Event('change'))")
    assert opened.run("$('unit').value") == "l1.u5"
    opened.press(" ")
    opened.until("S.at > 9")
    assert opened.text("#play") == "stop"
    opened.click("#play")
    at = opened.run("S.at")
    opened.run("new Promise(done => setTimeout(done, 2 * EVERY))")
    assert opened.run("S.at") == at
    opened.run("move(T - 2); play()")
    opened.until("$('play').textContent === 'play'")
    assert opened.run("S.at === T - 1")
    titles = opened.run("[...document.querySelectorAll('button')].filter(b => !b.title).length")
    assert titles == 0
    assert opened.complaints == []


def test_an_address_chooses_and_another_text_is_read(tab: Tab, tmp_path: Path) -> None:
    opened = open_page(tab, afterword.step_page(MODEL, TEXT), tmp_path, "#cell:l1.u7:5")
    assert opened.run("[name(S.layer, S.unit), S.at]") == ["l1.u7", 5]
    opened.run("location.hash = '#0-9:3'")
    opened.until("S.at === 3")
    area = opened.run("(v => judged(v, 0, 9))(series('cell', S.layer, S.unit))")
    assert area["apart"] == max(opened.run("unitsFor('cell', 0, 9).map(one => one.apart)"))
    cells = np.array(opened.run("Array.from(series('cell', S.layer, S.unit))"))
    here, elsewhere = cells[:10], cells[10:]
    apart = abs(here.mean() - elsewhere.mean()) / (here.std() + elsewhere.std())
    assert area["apart"] == pytest.approx(apart, abs=1e-3)
    opened.run("document.querySelector('section details').open = true; $('own').focus(); $('own').select()")
    opened.type("Reena ate")
    assert opened.run("[T, S.at, now.length > 0]") == [9, 0, True]
    opened.press("ArrowRight")  # moves the caret, not the step
    assert opened.run("S.at") == 0
    opened.run("$('own').select()")
    opened.press("Backspace")
    assert opened.run("T") == 0
    assert opened.complaints == []


def test_any_text_is_shown_as_text(tab: Tab, tmp_path: Path) -> None:
    model = made(CharTokenizer.of(HOSTILE))
    opened = open_page(tab, afterword.step_page(model, HOSTILE, "<i>model</i>"), tmp_path)
    assert opened.run("$('own').value") == HOSTILE
    assert opened.text("#about") == "<i>model</i>"
    assert opened.run("document.querySelectorAll('#text b').length") == len(HOSTILE)
    assert opened.complaints == []
