"""The browser's tests are skipped where there is no Chromium, and only there; CI installs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import PROGRAM, Tab, browser


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    if PROGRAM is None:
        pytest.skip("there is no chromium: apt-get install chromium, or say where it is by CHROMIUM=PATH")
    with browser() as tab:
        yield tab
