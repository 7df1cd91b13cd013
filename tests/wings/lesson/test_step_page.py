"""The page of one step in a real browser: its numbers, its sliders, what follows from them, keys, and any text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import afterword
from tests.browser.chromium import Tab
from tests.inspection.test_gates import TEXT, made

MODEL = made(hidden_size=20)
CELLS = "now.map(({state}) => Array.from(state.cell[%d]))"


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
    set_value = f"slider.value = {value}; slider.dispatchEvent(new Event('input', {{ bubbles: true }}))"
    tab.run(f"(slider => {{ {set_value}; }})(document.querySelector('[data-gate={gate}] input'))")


def choose_unit(tab: Tab, name: str) -> str:
    tab.run(f"$('unit').value = '{name}'; $('unit').dispatchEvent(new Event('change'))")
    return str(tab.run("$('unit').value"))


def test_stepping_through_a_text(tab: Tab, tmp_path: Path) -> None:
    """Somebody looks at the numbers of steps, moves a gate, steps, chooses units, plays, and types a text of theirs."""
    trace, page = MODEL.gates(TEXT), open_page(tab, afterword.step_page(MODEL, TEXT, "a model"), tmp_path)
    for layer, unit, t in ((0, 3, 0), (0, 7, 12), (1, 4, 25), (1, 19, len(TEXT) - 1)):
        page.run(f"chooseUnit({layer}, {unit}); move({t})")
        at = (t, layer, unit)
        expected = {"old": trace.before[at], "kept": trace.kept[at], "added": trace.added[at], "cell": trace.cell[at]}
        expected |= {"tanh": np.tanh(trace.cell[at]), "hidden": trace.hidden[at]}
        assert numbers(page) == pytest.approx(expected, abs=0.011)
        sliders = "[...$('gates').children].map(e => [e.dataset.gate, +e.querySelector('input').value])"
        gates = {gate: float(getattr(trace, gate)[at]) for gate in ("forget", "input", "candidate", "output")}
        assert dict(page.run(sliders)) == pytest.approx(gates, abs=1e-3)
        assert f"character {t}: " in page.run("$('live').textContent")
    likeliest = round(100 * float(np.exp(trace.log_probabilities[-1]).max()))
    assert page.text("#expected div").split("\n")[-1] == f"{likeliest} %"

    page.run("chooseUnit(0, 7); move(12)")  # to move a gate changes this step, and all that follow
    move_slider(page, "forget", 0)
    found = numbers(page)
    assert found["kept"] == 0
    assert found["cell"] == pytest.approx(found["added"], abs=0.011)
    assert page.text("[data-gate=forget] span:last-child") == f"was {trace.forget[12, 0, 7]:.2f}"
    page.until("now.length === T")
    cells = np.array(page.run(CELLS % 0))
    np.testing.assert_allclose(cells[:12], trace.cell[:12, 0], atol=1e-3)
    assert not np.allclose(cells[13], trace.cell[13, 0], atol=1e-3)
    assert page.run("document.querySelector('#expected .soft').textContent").startswith("was ")
    page.press("ArrowRight")
    assert page.text("[data-gate=forget] span:last-child").startswith("σ(")  # it was moved at one character
    page.press("Escape")
    np.testing.assert_allclose(np.array(page.run(CELLS % 0)), trace.cell[:, 0], atol=1e-3)
    assert page.run("$('release').disabled")

    page.run("move(0)")
    page.press("ArrowRight")
    page.click("#next")
    assert page.run("S.at") == 2
    page.click("#previous")
    assert page.run("S.at") == 1
    page.click("#text b:nth-child(9)")
    assert page.run("S.at") == 8
    page.run("chooseUnit(0, 0)")
    page.press("ArrowUp")
    assert page.run("$('unit').value") == "l1.u19"
    page.click("#units button:last-child")
    assert page.run("$('unit').value") == "l0.u0"
    assert [choose_unit(page, name) for name in ("l1.u5", "l9.u5")] == ["l1.u5", "l1.u5"]
    page.run("move(T - 3)")
    page.press(" ")
    page.until("$('play').textContent === 'play'")  # at the end
    assert page.run("S.at === T - 1")
    page.run("move(0); play()")
    assert page.text("#play") == "stop"
    page.click("#play")
    assert page.run("(at => new Promise(done => setTimeout(() => done(S.at === at), 2 * EVERY)))(S.at)")
    assert page.run("[...document.querySelectorAll('button')].filter(b => !b.title).length") == 0

    page.run("document.querySelector('section details').open = true; $('own').focus(); $('own').select()")
    page.type("Reena ate")
    assert page.run("[T, S.at, now.length > 0]") == [9, 0, True]
    page.press("ArrowRight")  # moves the caret, not the step
    assert page.run("S.at") == 0
    page.run("$('own').select()")
    page.press("Backspace")
    assert page.run("T") == 0
    assert page.complaints == []


def test_a_gate_that_is_held_from_the_start_is_a_model_that_holds_it(tab: Tab, tmp_path: Path) -> None:
    """No slider reaches the boundary token before the text, whose cell state of 0 no forget gate changes."""
    content = afterword.step_page(MODEL, TEXT)
    for gate, value in (("forget", 0), ("forget", 1), ("output", 0)):
        page = open_page(tab, content, tmp_path)
        page.run("chooseUnit(0, 3); move(0)")
        page.click("#holds")
        move_slider(page, gate, value)
        page.until("now.length === T")
        if gate == "forget":
            held = MODEL.hold(f"l0.u3.{gate}={value}").gates(TEXT)
            np.testing.assert_allclose(np.array(page.run(CELLS % 1)), held.cell[:, 1], atol=2e-3)
        assert gate == "forget" or page.run("now.every(({ state }) => state.hidden[0][3] === 0)")


def test_an_address_chooses_a_unit_and_a_stretch(tab: Tab, tmp_path: Path) -> None:
    page = open_page(tab, afterword.step_page(MODEL, TEXT), tmp_path, "#cell:l1.u7:5")
    assert page.run("[name(S.layer, S.unit), S.at]") == ["l1.u7", 5]
    page.run("location.hash = '#0-9:3'")
    page.until("S.at === 3")
    apart = page.run("[judged(series('cell', S.layer, S.unit), 0, 9), ...unitsFor('cell', 0, 9)].map(one => one.apart)")
    assert apart[0] == max(apart)
    assert page.complaints == []
