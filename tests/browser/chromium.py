"""Chromium, driven over its own protocol: one process, one tab, and what a person does with mouse and keys."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

from tests.processes import PATIENCE, Process, running, until

NAMES = [os.environ["CHROMIUM"]] if "CHROMIUM" in os.environ else ["chromium", "chromium-browser", "google-chrome"]
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
UNUSED = ("gpu", "quic", "background-networking", "component-update", "sync", "dev-shm-usage")
OPTIONS = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{one}" for one in UNUSED)]
OPTIONS += ["--remote-debugging-port=0", "--window-size=1280,1600"]
OPTIONS += ["--process-per-site"]  # a new process for each load may read stored values before the old has stored them
KEY_CODES = dict(zip(("End", "Home", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"), range(35, 41), strict=True))
KEY_CODES |= {"Backspace": 8, "Tab": 9, "Enter": 13, "Escape": 27}
ALT, CONTROL, SHIFT = 1, 2, 8  # as the protocol counts modifiers


class Tab:
    """A tab of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._sent = 0
        self.complaints: list[str] = []  # errors from the page's console and from failed scripts
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.requests: list[str] = []  # every address that the page requested

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command, wait for its answer and return it; events that come before it are recorded."""
        self._sent += 1
        self._connection.send(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=PATIENCE))
            if message.get("id") == self._sent:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            if "method" in message:  # not the answer to a command that nobody waited for
                self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        if event["method"] == "Runtime.exceptionThrown":
            details = event["params"]["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self.complaints.append(event["params"]["entry"]["text"])
        elif event["method"] == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])

    def open(self, address: str) -> None:
        """Open `address` and wait until the page is ready."""
        self.run("document.documentElement?.removeAttribute('data-ready')")  # which the page before may still answer
        self.call("Page.navigate", url=address)
        ready = "document.documentElement?.dataset.ready"
        if not until(lambda: self.complaints or self.run(ready)) or self.complaints:
            raise RuntimeError(f"the page is not ready: {self.complaints}")

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def forget(self) -> None:
        """Remove all that the browser stores for the address of the page."""
        self.run("localStorage.clear(); sessionStorage.clear()")
        delete = "one => Object.assign(indexedDB.deleteDatabase('afterword'), {onsuccess: one, onblocked: one})"
        self.run(f"new Promise({delete}).then(() => 0)")  # a page that has it open loses it on being left

    def text(self, selector: str) -> str:
        """Return the visible text of the first element that `selector` finds."""
        return str(self.run(f"document.querySelector({json.dumps(selector)}).innerText"))

    def place(self, selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
        """Scroll the element into view; return a point in it, at the fractions `x` and `y` of its sides."""
        found = self.run(
            "(async e => { const frame = () => new Promise(requestAnimationFrame); "
            "e.scrollIntoView({block: 'nearest'}); await frame(); await frame(); "
            "e = e.getBoundingClientRect(); return [e.x, e.y, e.width, e.height]; })"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        return found[0] + x * found[2], found[1] + y * found[3]

    @contextlib.contextmanager
    def phone(self, width: int) -> Iterator[None]:
        """Have a narrow screen."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=2, mobile=True)
        try:
            yield
        finally:
            self.call("Emulation.clearDeviceMetricsOverride")

    @property
    def widths(self) -> list[int]:
        """The widths of the page and its window. On a phone both are the screen's if nothing is cut off."""
        found: list[int] = self.run("[document.documentElement.scrollWidth, innerWidth]")
        return found

    def mouse(self, kind: str, at: tuple[float, float], buttons: int = 0) -> None:
        held = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
        self.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], buttons=buttons, **held)

    def click(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        at = self.place(selector, x, y)
        self.mouse("mouseMoved", at)
        self.mouse("mousePressed", at, 1)
        self.mouse("mouseReleased", at)

    def hover(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        self.mouse("mouseMoved", self.place(selector, x, y))

    def drag(self, first: str, last: str) -> None:
        """Press the mouse on the first element, move to the last one and release."""
        self.mouse("mousePressed", self.place(first), 1)
        self.mouse("mouseMoved", self.place(last), 1)
        self.mouse("mouseReleased", self.place(last))

    def press(self, key: str, shift: bool = False, control: bool = False, alt: bool = False) -> None:
        code = KEY_CODES.get(key, ord(key[0].upper()))
        text = {} if key in KEY_CODES or control or alt else {"text": key}
        if key == "Enter" and not control:
            text = {"text": "\r"}
        modifiers = ALT * alt + CONTROL * control + SHIFT * shift
        physical = {"code": f"Digit{key}"} if key.isdigit() else {}
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers, **physical, **text}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **about)

    def type(self, text: str) -> None:
        """Insert `text` at the caret, as a keyboard does."""
        self.call("Input.insertText", text=text)

    def until(self, script: str) -> Any:
        """Return the value of an expression as soon as it is truthy. Raises RuntimeError if it never is."""
        try:
            return until(lambda: self.run(script))
        except TimeoutError as error:
            raise RuntimeError(f"it never became true: {script}") from error


@contextlib.contextmanager
def browser() -> Iterator[Tab]:
    """Start Chromium with one tab; at the end of the block it is stopped."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [PROGRAM, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
        with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            port = _port(Path(folder, "DevToolsActivePort"), process)
            with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
                tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
            # No pings: their thread draws from `random`, which Hypothesis takes for a change of state.
            options: dict[str, Any] = {"max_size": None, "ping_interval": None, "open_timeout": PATIENCE}
            with connect(tabs[0]["webSocketDebuggerUrl"], **options) as connection:
                yield Tab(connection)


def _port(file: Path, process: Process) -> int:
    """Return the port of Chromium as soon as it has written it to `file`."""
    until(lambda: process.poll() is not None or (file.exists() and file.read_text().count("\n")))
    if process.poll() is not None:
        raise RuntimeError("chromium did not start")
    return int(file.read_text().split()[0])
