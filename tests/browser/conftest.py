"""A tab of the browser. Without Chromium, and only then, its tests are skipped; CI installs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import PROGRAM, Tab, browser


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    if PROGRAM is None:
        pytest.skip("there is no chromium: apt-get install chromium, or set CHROMIUM to its path")
    with browser() as tab:
        yield tab
