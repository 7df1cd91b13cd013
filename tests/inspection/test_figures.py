"""Figures for a paper, and the same story on a terminal."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from afterword.errors import OptionError, TextError
from afterword.inspection.figures import check_plot, gates_figure, write_figure
from afterword.inspection.terminal import _let_go, show
from afterword.inspection.trace import Trace, named_units
from afterword.text.characters import CharTokenizer
from tests.inspection.test_gates import TEXT, made

MODEL = made(hidden_size=30)


def test_the_same_figure_is_the_same_bytes_and_the_svg_keeps_its_letters(tmp_path: Path) -> None:
    for k in (1, 2):
        write_figure(gates_figure(MODEL.gates("Divya\n")), str(tmp_path / f"{k}.png"), str(tmp_path / f"{k}.svg"))
    for kind in ("png", "svg"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()
    assert (tmp_path / "1.png").read_bytes().startswith(b"\x89PNG")
    root = ElementTree.parse(tmp_path / "1.svg").getroot()
    letters = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "surprise" in letters
    assert letters.count("D") == 4  # below each of the four parts


def test_the_figure_shows_the_traces_numbers_up_to_the_letters_that_can_be_read() -> None:
    trace = MODEL.gates(TEXT)
    figure: Any = gates_figure(trace, named_units(["l1.u3"], MODEL.config))
    bars, means, upper = figure.axes[:3]
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], trace.bits)
    np.testing.assert_allclose(means.lines[0].get_ydata(), trace.means("forget")[:, 0])
    np.testing.assert_allclose(upper.images[0].get_array(), np.tanh(trace.cell[:, 1, [3]].T))
    with pytest.raises(TextError, match=r"room for 120 characters, not 152: give a stretch="):
        gates_figure(MODEL.gates(TEXT * 4))


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_the_names_of_units_have_room(cell: str) -> None:
    figure: Any = gates_figure(made(hidden_size=30, cell=cell).gates(TEXT[:12]))
    figure.draw_without_rendering()
    for axis in (axis for axis in figure.axes if axis.images):
        extents = [label.get_window_extent() for label in axis.get_yticklabels()]
        lowest, *_, highest = sorted(one.y0 for one in extents)
        assert extents[0].height <= (highest - lowest) / (len(extents) - 1)


def test_letters_that_no_font_has_and_dollars_are_no_trouble(tmp_path: Path) -> None:
    figure = gates_figure(MODEL.gates("$a日\t\x00 \n"))
    write_figure(figure, str(tmp_path / "x.png"), None)
    letters = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert letters == ["\\$", "a", "<0xE6>", "<0x97>", "<0xA5>", "→", "<0>", "␣", "↵"]


def test_without_matplotlib_a_picture_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_plot(None, None)
    with pytest.raises(OptionError, match=r"pip install 'afterword\[plot\]'"):
        check_plot("x.png", None)


SMALL = made(hidden_size=12)


def printed(trace: Trace, width: int, units: list[str] | None = None) -> str:
    """What is printed at a width; with the names of units, in colour."""
    out = io.StringIO()
    plain: Any = {"highlight": False, "markup": False, "color_system": "256" if units else None}
    console = Console(file=out, width=width, force_terminal=bool(units), **plain)
    show(trace, named_units(units, SMALL.config) if units else None, console)
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("text", [TEXT, "日本語 [red]x[/red]\t☃" * 4, "a" * 900])
def test_no_line_is_wider_than_the_terminal_and_all_of_the_text_is_there(width: int, text: str) -> None:
    lines = printed(SMALL.gates(text), width).splitlines()
    assert max(cell_len(line.rstrip()) for line in lines) <= width
    margin = next(k for k in range(4, 60) if lines[0][k] != " ")
    shown = "".join(line[margin:].rstrip("\n") for line in lines if line.startswith("text "))
    if text == TEXT:
        assert shown.rstrip() == TEXT.replace("\n", "↵")
    if width >= 80:
        assert any(line.startswith("l1") and "forget" in line for line in lines)


def test_each_strip_has_a_block_a_character_and_a_plain_network_has_units_alone() -> None:
    lines = printed(SMALL.gates(TEXT), 120).splitlines()
    for name in ("forget l0", "output l1", "l0.u", "l1.u"):
        strip = next(line for line in lines if line.startswith(name))
        assert len([character for character in strip if "▁" <= character <= "█"]) == len(TEXT)
    named = printed(SMALL.gates(TEXT), 120, ["l1.u7"])
    assert "\x1b[" in named
    assert {*re.findall(r"l\d\.u\d+", named)} == {"l1.u7"}
    long = printed(SMALL.gates(TEXT * 20), 100)
    assert "--html" in long
    assert "forget l0 " not in long
    assert "\x1b[" not in long
    plain = printed(made(hidden_size=12, cell="rnn").gates(TEXT), 120).splitlines()
    assert [line.split()[0][:4] for line in plain if line][:-1] == ["text", *["l0.u"] * 3, *["l1.u"] * 3]
    assert plain[-1].startswith("surprise: ")


def test_the_cost_is_per_character_also_where_a_character_has_several_tokens() -> None:
    trace = made(CharTokenizer.of("a")).gates("日本語")
    assert f"surprise: {trace.bits.sum() / 3:.2f} bits per character" in printed(trace, 200)
    assert f"{trace.bits.sum() / 3:.3f} bits per character" in repr(trace)


def test_gates_that_are_equally_open_are_most_shut_nowhere() -> None:
    trace = made().gates(TEXT)
    assert "most shut at: " in _let_go(trace)
    flat = dataclasses.replace(trace, forget=np.full_like(trace.forget, 0.67))
    assert _let_go(flat) == "forget gates are equally open everywhere: 0.67"
