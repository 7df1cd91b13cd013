"""A tab of the browser. Without Chromium, and only then, its tests are skipped; CI installs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.chromium import PROGRAM, Tab, browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Tab]:
    if PROGRAM is None:
        pytest.skip("there is no chromium: apt-get install chromium, or set CHROMIUM to its path")
    with browser() as tab:
        yield tab


@pytest.fixture(scope="module")
def tab(chromium: Tab) -> Tab:
    """The one tab of these tests, as it was at first."""
    chromium.call("Page.navigate", url="about:blank")
    chromium.call("Emulation.clearDeviceMetricsOverride")
    chromium.call("Emulation.setEmulatedMedia", features=[])
    chromium.complaints.clear()
    return chromium


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest, tab: Tab) -> Iterator[str]:
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": request.param}])
    yield request.param
    tab.call("Emulation.setEmulatedMedia", features=[])
