"""Figures for a paper."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from afterword.errors import OptionError, TextError
from afterword.inspection.figures import check_plot, gates_figure, write_figure
from afterword.inspection.horizon import Horizon
from afterword.inspection.trace import named_units
from benchmarks.horizon import horizon_figure
from tests.inspection.test_gates import TEXT, made

MODEL = made(hidden_size=30)
SHORT = MODEL.gates("Divya eats.\n")


def test_the_same_figure_is_the_same_bytes_and_the_svg_keeps_its_letters(tmp_path: Path) -> None:
    for k in (1, 2):
        write_figure(gates_figure(SHORT), str(tmp_path / f"{k}.png"), str(tmp_path / f"{k}.svg"))
    for kind in ("png", "svg"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()
    assert (tmp_path / "1.png").read_bytes().startswith(b"\x89PNG")
    root = ElementTree.parse(tmp_path / "1.svg").getroot()
    letters = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "surprise" in letters
    assert letters.count("D") == 4  # below each of the four parts


def test_the_figure_shows_the_traces_numbers() -> None:
    trace = MODEL.gates(TEXT)
    figure: Any = gates_figure(trace, named_units(["l1.u3"], MODEL.config))
    bars, means, upper = figure.axes[:3]
    np.testing.assert_allclose([bar.get_height() for bar in bars.patches], trace.bits)
    np.testing.assert_allclose(means.lines[0].get_ydata(), trace.means("forget")[:, 0])
    np.testing.assert_allclose(upper.images[0].get_array(), np.tanh(trace.cell[:, 1, [3]].T))


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_the_names_of_units_have_room(cell: str) -> None:
    figure: Any = gates_figure(made(hidden_size=30, cell=cell).gates(TEXT))
    for axis in (axis for axis in figure.axes if axis.images):
        figure.draw_without_rendering()
        lowest, *_, highest = sorted(label.get_window_extent().y0 for label in axis.get_yticklabels())
        height = axis.get_yticklabels()[0].get_window_extent().height
        assert height <= (highest - lowest) / (len(axis.get_yticklabels()) - 1)


def test_letters_that_no_font_has_and_dollars_are_no_trouble(tmp_path: Path) -> None:
    figure = gates_figure(MODEL.gates("$a$日\t\x00 \n"))
    write_figure(figure, str(tmp_path / "x.png"), None)
    letters = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert letters == ["\\$", "a", "\\$", "<0xE6>", "<0x97>", "<0xA5>", "→", "<0>", "␣", "↵"]


def test_a_text_whose_letters_could_not_be_read_is_refused() -> None:
    with pytest.raises(TextError, match=r"room for 120 characters, not 152: give a stretch="):
        gates_figure(MODEL.gates(TEXT * 4))


def test_horizons_are_drawn_side_by_side(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    one, two = (Horizon(name, random.random((4, 50)), random.random((4, 50))) for name in ("lstm", "rnn"))
    figure: Any = horizon_figure([one, two])
    assert len(figure.axes) == 2
    assert [line.get_label() for line in figure.axes[0].lines] == ["lstm", "rnn"]
    steps, means = figure.axes[0].lines[0].get_data()
    assert means[list(steps).index(10)] == one.at(10)[0]
    assert figure.axes[0].get_xlabel() == "k, characters back"
    both: Any = horizon_figure([one, Horizon("words", random.random((4, 50)), unit="token")])
    assert both.axes[0].get_xlabel() == "k, characters or tokens back"
    write_figure(horizon_figure([Horizon("x", random.random((4, 50)))]), None, str(tmp_path / "h.svg"))


def test_without_matplotlib_a_picture_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_plot(None, None)
    with pytest.raises(OptionError, match=r"pip install 'afterword\[plot\]'"):
        check_plot("x.png", None)
