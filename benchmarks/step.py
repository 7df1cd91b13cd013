"""The page of one step in headless Chromium: how long after a click the step is drawn.

    python -m benchmarks.step                   with the included model, 1 × 768
    python -m benchmarks.step MODEL             with another one

A real click is timed twice: to the end of the page's script, when the drawing has its new numbers, and to the end of
the frame that shows them, which waits for the screen's next refresh, up to 16.7 ms. Clicked are the next character, a
far one, the next unit, and a gate's slider, which computes the step and the prediction anew. Target: 50 ms to the end
of the frame for nine of ten clicks; better: 16 ms to the end of the script. Needs chromium.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import click

import afterword
from afterword.language_model import load
from benchmarks.commands import machine
from tests.browser.chromium import browser

TEXT = "Divya likes to eat. Reena is not fat. So Reena is late. " * 8
CLICKS = 40
DRAWN, SCRIPT = 50.0, 16.0  # milliseconds
WATCH = """window.times = [];
for (const kind of ["input", "click"]) {
  let begin;
  document.addEventListener(kind, () => { begin = performance.now(); }, true);
  window.addEventListener(kind, () => {
    const [from, script] = [begin, performance.now() - begin];
    requestAnimationFrame(() => setTimeout(() => times.push([kind, script, performance.now() - from])));
  });
}"""
CLICKED = {  # the event that the page answers
    "the next character": "click",
    "a far character": "click",
    "the next unit": "click",
    "a slider": "input",
}


def place(what: str, k: int) -> tuple[str, float]:
    """What click `k` is on, and where along it."""
    places = {
        "the next character": ("#next", 0.5),
        "a far character": (f"#text b:nth-child({1 + 211 * k % len(TEXT)})", 0.5),
        "the next unit": ("#units button:last-child", 0.5),
        "a slider": ("[data-gate=forget] input", 0.1 + 0.1 * (k % 7)),
    }
    return places[what]


@click.command(name="python -m benchmarks.step", help=__doc__.split("\n")[0])
@click.argument("model", default="english")
def main(model: str) -> None:
    print(machine())
    found, met = load(model), True
    with tempfile.TemporaryDirectory() as folder, browser() as tab:
        page = Path(folder, "step.html")
        page.write_text(afterword.step_page(found, TEXT), encoding="utf-8")
        tab.open(f"file://{page}")
        print(f"  {found.config.network}: a page of {page.stat().st_size / 1e6:.1f} MB")
        tab.run(WATCH)
        for what, kind in CLICKED.items():
            tab.run("release()")
            tab.run("times.length = 0")
            for k in range(CLICKS):
                selector, x = place(what, k)
                tab.click(selector, x)
                tab.until(f"times.filter(one => one[0] === '{kind}').length > {k}")
            times = tab.run(f"times.filter(one => one[0] === '{kind}')")
            script, drawn = (sorted(float(one[n]) for one in times) for n in (1, 2))
            least, most = (values[CLICKS * 9 // 10] for values in (script, drawn))
            print(f"  {what}: {statistics.median(script):.1f} ms of script, {least:.1f} for nine of ten;", end=" ")
            print(f"{statistics.median(drawn):.0f} ms to the end of the frame, {most:.0f} for nine of ten")
            met &= most <= DRAWN
    print(f"  target ({DRAWN:g} ms): {'met' if met else 'MISSED'}")
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
