"""The gates' page in its frame, whose policy lets its script run and no other."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.browser.chromium import Tab
from tests.serving.server import Serving, serving
from tests.tiny import save_tiny

SHOW = """new Promise(done => {
  let empty = null;  // the frame's background before it has a page
  addEventListener("message", event => {
    if (event.data !== "ready") return;
    empty = getComputedStyle(event.source.document.documentElement).backgroundColor;
    event.source.postMessage({ html: %s }, event.origin);
  });
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.src = "/inside";
  const look = () => frame.contentDocument?.documentElement?.dataset.ready ? done(empty) : setTimeout(look, 20);
  look();
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(save_tiny(tmp_path_factory.mktemp("served") / "tiny")) as found:
        yield found


def shown(tab: Tab, server: Serving, html: str, theme: str = "light") -> str:
    """Show the page in the frame; return the previous background of the frame."""
    tab.complaints.clear()
    tab.call("Page.navigate", url=f"{server.url}/static/inside-shell.js")  # a document with the policy of the page
    tab.until("document.location.pathname === '/static/inside-shell.js' && document.body !== null")
    tab.run(f"document.documentElement.dataset.theme = '{theme}'; document.body.style.background = 'rgb(1, 2, 3)'")
    empty = str(tab.run(SHOW % json.dumps(html)))
    assert not forbidden(tab)
    return empty


def forbidden(tab: Tab) -> list[str]:
    """What a policy kept from running."""
    return [one for one in tab.complaints if "Content Security Policy" in one]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_frame_has_the_pages_colours_from_the_first_moment(tab: Tab, server: Serving, theme: str) -> None:
    html = server.post("/v1/gates", {"model": "tiny", "text": "ab", "format": "html"}).json["html"]
    assert shown(tab, server, html, theme) == "rgb(1, 2, 3)"
    assert tab.run("document.querySelector('iframe').contentDocument.documentElement.dataset.theme") == theme


def test_no_other_script_runs_there(tab: Tab, server: Serving) -> None:
    html = server.post("/v1/gates", {"model": "tiny", "text": "ab", "format": "html"}).json["html"]
    shown(tab, server, html)
    tab.run("document.querySelector('iframe').contentDocument.write('<script>document.title = 1</script>')")
    assert tab.run("document.querySelector('iframe').contentDocument.title") != "1"
    assert forbidden(tab)
