"""The Score tab of the page in a real browser: which lines are odd."""

from __future__ import annotations

from pathlib import Path

import afterword
from tests.browser.chromium import Tab
from tests.browser.test_serve_page import open_page, score
from tests.serving.server import serving


def test_lines_are_judged_if_the_model_is_calibrated(tab: Tab, lines_model: Path, tmp_path: Path) -> None:
    normal, lines = [f"{a}{b}{c}" for a in "abcd" for b in "abcd" for c in "abcd"], ["abc", "", "\N{SNOWMAN}" * 3]
    calibrated = afterword.calibrated(afterword.load(lines_model), normal * 2)
    calibrated.save(tmp_path / "mine")
    with serving(tmp_path / "mine") as server:
        page = open_page(tab, server.url)
        score(page, "\n".join(lines))
        page.until("!!document.getElementById('lines')")
        rows = page.run("[...document.querySelectorAll('#lines tbody tr')].map(e => e.cells[2].innerText)")
        expected = {one.line: one for one in afterword.odd_lines(calibrated, lines)}
        assert [one.startswith("odd ") for one in rows] == sorted((one.odd for one in expected.values()), reverse=True)
        assert "3 lines, 1 of them odd" in page.text("#panel-score")
        assert page.run("document.querySelector('#panel-score input[type=number]').valueAsNumber") == 0.01
        assert page.complaints == []
