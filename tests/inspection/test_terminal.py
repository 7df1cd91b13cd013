"""The same story on a terminal."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from afterword.inspection.terminal import _let_go, show
from afterword.inspection.trace import named_units
from afterword.text.characters import CharTokenizer
from tests.inspection.test_gates import TEXT, made


def printed(text: str, width: int, units: list[str] | None = None, colour: bool = False, cell: str = "lstm") -> str:
    out = io.StringIO()
    model = made(hidden_size=12, cell=cell)
    named = named_units(units, model.config) if units else None
    console = Console(
        file=out,
        width=width,
        highlight=False,
        markup=False,
        force_terminal=colour,
        color_system="256" if colour else None,
    )
    show(model.gates(text), named, console)
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("text", [TEXT, "日本語 [red]x[/red]\t☃" * 4, "a" * 900])
def test_no_line_is_wider_than_the_terminal_and_all_of_the_text_is_there(width: int, text: str) -> None:
    lines = printed(text, width).splitlines()
    assert max(cell_len(line.rstrip()) for line in lines) <= width
    margin = next(k for k in range(4, 60) if lines[0][k] != " ")
    shown = "".join(line[margin:].rstrip("\n") for line in lines if line.startswith("text "))
    if text == TEXT:
        assert shown.rstrip() == TEXT.replace("\n", "↵")
    if width >= 80:
        assert any(line.startswith("l1") and "forget" in line for line in lines)


def test_each_strip_has_a_block_a_character() -> None:
    lines = printed(TEXT, 120).splitlines()
    for name in ("forget l0", "output l1", "l0.u", "l1.u"):
        strip = next(line for line in lines if line.startswith(name))
        assert len([character for character in strip if "▁" <= character <= "█"]) == len(TEXT)


def test_named_units_are_shown_and_no_others() -> None:
    lines = printed(TEXT, 120, ["l1.u7"]).splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("l0.u", "l1.u"))] == ["l1.u7"]


def test_a_long_text_is_shown_without_its_strips_and_says_where_they_are() -> None:
    found = printed(TEXT * 20, 100)
    assert "--html" in found
    assert "forget l0 " not in found


def test_the_columns_of_the_table_are_explained_below_it() -> None:
    found = " ".join(printed(TEXT, 80).split())
    _, table = found.split("How open the gates are")
    for word in ("never opens", "never closes", "memory"):
        assert word in table
        assert f"{word}:" in table
    assert "never opens" not in " ".join(printed(TEXT, 80, cell="rnn").split())


def test_a_plain_recurrent_network_shows_its_units_alone() -> None:
    lines = printed(TEXT, 120, cell="rnn").splitlines()
    assert [line.split()[0][:4] for line in lines if line][:-1] == ["text", *["l0.u"] * 3, *["l1.u"] * 3]
    assert lines[-1].startswith("surprise: ")


def test_colours_come_only_where_they_can_be_seen() -> None:
    assert "\x1b[" not in printed(TEXT, 100)
    assert "\x1b[" in printed(TEXT, 100, colour=True)


def test_the_cost_is_per_character_also_where_a_character_has_several_tokens() -> None:
    trace, out = made(CharTokenizer.of("a")).gates("日本語"), io.StringIO()
    show(trace, console=Console(file=out, width=200))
    assert f"surprise: {trace.bits.sum() / 3:.2f} bits per character" in out.getvalue()
    assert f"{trace.bits.sum() / 3:.3f} bits per character" in repr(trace)


def test_gates_that_are_equally_open_are_most_shut_nowhere() -> None:
    trace = made().gates(TEXT)
    assert "most shut at: " in _let_go(trace)
    flat = dataclasses.replace(trace, forget=np.full_like(trace.forget, 0.67))
    assert _let_go(flat) == "forget gates are equally open everywhere: 0.67"
