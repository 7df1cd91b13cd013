"""What is put into the page; what it does in a browser is tested in tests/browser."""

from __future__ import annotations

import json
import re

import pytest

from afterword.errors import TextError
from afterword.inspection import gates_page
from afterword.inspection.gates_page import gates_html
from tests.inspection.test_gates import TEXT, made


def test_the_page_holds_no_address_and_nothing_that_a_text_could_break() -> None:
    written = gates_html(made().gates(TEXT + "</script>☃"), about="</script>")
    assert not re.findall(r"(?:https?:)?//[a-z]", written)
    assert written.count("</script>") == written.count("<script")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', written, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["about"] == "</script>"


def test_the_same_trace_makes_the_same_page() -> None:
    assert gates_html(made().gates(TEXT)) == gates_html(made().gates(TEXT))


def test_a_page_too_large_to_be_useful_is_refused_and_a_stretch_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = made().gates(TEXT)
    monkeypatch.setattr(gates_page, "MOST_BYTES", 6 * 14 * 20)
    with pytest.raises(TextError, match=r"38 tokens and 14 units would be too large .* stretch= 0:20, or fewer"):
        gates_html(trace)


def test_a_notebook_gets_the_page_in_a_frame() -> None:
    shown = made().gates(TEXT)._repr_html_()
    assert shown.startswith("<iframe")
    assert "srcdoc=" in shown
    assert "<script" not in shown
