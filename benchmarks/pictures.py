"""The pictures of README and docs/, made again from the real pages in headless Chromium: `make pictures`.

    python -m benchmarks.pictures              writes docs/pictures/: all of them

forecast.png, session.png and voice.png train a model first, for at most two minutes; others show `english`.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import re
import runpy
import tempfile
from pathlib import Path

import click

from benchmarks.commands import as_written, run_afterword
from tests.browser.chromium import Tab, browser
from tests.serving.server import serving

PLACE = Path(__file__).parents[1] / "docs" / "pictures"
SETTINGS = "{offersByThemselves: false, unit: 'characters', temperature: 0.6, seed: 1, max_tokens: %d}"
PLAY = Path(__file__).parents[1] / "src" / "afterword" / "operations" / "demo-julius-caesar.txt.gz"
DRAFT = """Let me have men about me that are fat,
Sleek-headed men, and such as sleep a-nights.
Yond Cassius has a lean and hungry look;
he thinks too much: such men are dangerous.

We are excited to announce that our platform
will leverage synergies across all of our teams.
"""
IS_QUIET = "!document.getElementById('stop')"
VALUE = "document.getElementById('area').value"


@click.command(help=as_written(__doc__))
def main() -> None:
    PLACE.mkdir(exist_ok=True)
    forecast()
    with browser() as tab:
        write(tab, 60, "branches.png")
        write(tab, 240, "write.png")
        inspected(tab, "--html", "gates.png", 760)
        inspected(tab, "--step", "step.png", 660)
        exported(tab)
        session(tab)
        voice(tab)
        lesson(tab)


def write(tab: Tab, length: int, name: str) -> None:
    """What docs/tutorial-branches.md does, there with 60 tokens: continue, choose, and branch at the b of "better"."""
    with serving("english") as server:
        size(tab, 1280, 660, 1.25)
        tab.open(f"{server.url}/")
        tab.run(f"localStorage['afterword.settings'] = JSON.stringify({SETTINGS % length})")
        tab.run("localStorage['afterword.face'] = 'all'")
        tab.call("Page.navigate", url="about:blank")
        tab.open(f"{server.url}/")
        tab.run("document.getElementById('area').focus()")
        tab.type("The sea was ")
        tab.press("Enter", control=True, shift=True)
        tab.until(f"{VALUE}.length > 12 && {IS_QUIET}")
        offers(tab)
        tab.press("1", alt=True)
        branch(tab, "better", 1)
        tab.until(f"{VALUE}.includes('not the') && {IS_QUIET}")
        offers(tab)
        save(tab, name)


def offers(tab: Tab) -> None:
    """Ask for continuations, and wait for them."""
    tab.press(" ", control=True)
    tab.until("document.querySelectorAll('.offer').length && document.querySelector('.offers').ariaBusy === 'false'")


def branch(tab: Tab, word: str, row: int) -> None:
    """Put the cursor on a word, list what the model expected there, and take a row of it."""
    at = tab.run(f"{VALUE}.indexOf('{word}')")
    tab.run(f"document.getElementById('area').setSelectionRange({at}, {at})")
    tab.press(".", control=True)
    tab.until("document.querySelectorAll('.popup .row').length > 1")
    tab.run(f"document.querySelectorAll('.popup .row')[{row}].click()")


def inspected(tab: Tab, option: str, name: str, height: int) -> None:
    """Save the page that `inspect` writes with `option`, at the R of Reena."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        run_afterword("inspect", "english", "Divya likes to eat. Reena is not fat.", option, page)
        size(tab, 1160, height, 1)
        tab.open(page.as_uri())
        tab.click("#text b:nth-of-type(21)")
        save(tab, name)


def forecast() -> None:
    """The forecast that docs/forecast.md draws."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        runpy.run_path(str(PLACE.parent / "make_sales.py"))
        picture = PLACE / "forecast.png"
        run_afterword(*("forecast", "sales.csv", "--horizon", "28", "--minutes", "1"), "--png", picture, "--overwrite")
        click.echo(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")


def exported(tab: Tab) -> None:
    """The page that `export --html` writes, on a phone."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "english.html")
        run_afterword("export", "english", "--html", page, "--title", "English prose")
        size(tab, 780, 690, 1.25)
        tab.open(page.as_uri())
        tab.run("localStorage[`afterword.settings${location.pathname}`] = '{\"seed\": 13}'")
        tab.open(page.as_uri())
        tab.run("document.getElementById('area').focus()")
        tab.type("The sea was ")
        tab.click("#write")
        tab.until(f"{IS_QUIET} && {VALUE}.length > 100 && document.querySelectorAll('.words button').length > 3")
        save(tab, "page.png")


def session(tab: Tab) -> None:
    """The page that `surprises --html` writes, of seven of the sessions of docs/lines.md; the sixth does not belong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = trained(folder, "sessions", "--vocabulary", "words")
        lines = (folder / "today.txt").read_text().splitlines()[175:182]
        (folder / "seven.txt").write_text("\n".join(lines) + "\n")
        page = folder / "seven.html"
        run_afterword("surprises", model, folder / "seven.txt", "--html", page)
        size(tab, 760, 240, 1.5)
        tab.call("Page.navigate", url=page.as_uri())
        tab.until("document.readyState === 'complete' && document.querySelectorAll('ol').length")
        tab.run("document.querySelector('ol').scrollIntoView()")
        save(tab, "session.png")


def voice(tab: Tab) -> None:
    """The page that `voice --html` writes for lines of the play that Afterword includes, and others."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        Path("draft.txt").write_text(DRAFT)
        Path("caesar.txt").write_bytes(gzip.decompress(PLAY.read_bytes()))
        run_afterword("train", "caesar.txt", "--steps", "400", "--threads", "1", "--seed", "1")
        run_afterword("voice", "caesar", "draft.txt", "--html", "voice.html")
        size(tab, 740, 510, 1.25)
        tab.call("Page.navigate", url=Path(name, "voice.html").as_uri())
        tab.until("document.readyState === 'complete' && document.body.innerText.includes('synergies')")
        save(tab, "voice.png")


def lesson(tab: Tab) -> None:
    """The frames of docs/lstm.md, as `make docs` fills them."""
    from benchmarks.subjects import ASKED  # of a wing, which may be off

    page = (PLACE.parent / "lstm.md").read_text(encoding="utf-8")
    frames = re.findall(r"\(pictures/(\S+)\)\n<!-- frame: (\S+?)(#\S+)?, (\w+)rem -->", page)
    with tempfile.TemporaryDirectory() as folder:
        files = ("--html", f"{folder}/divya.html", "--step", f"{folder}/step.html")
        run_afterword("inspect", "lesson:divya", ASKED[1], *files)
        for name, file, shown, height in frames:
            size(tab, 736, 16 * int(height), 1.25)
            tab.call("Page.navigate", url="about:blank")
            tab.open(Path(folder, file).as_uri() + shown)
            save(tab, name)


def trained(folder: Path, name: str, *options: str) -> Path:
    """Return a model of what docs/make_NAME.py writes into `folder`."""
    with contextlib.chdir(folder):
        runpy.run_path(str(PLACE.parent / f"make_{name}.py"), run_name="__main__")
    text, model = folder / f"{name}.txt", folder / name
    fixed = ("--steps", "400", "--hidden-size", "128", "--batch-size", "16", "--threads", "1", "--seed", "1")
    run_afterword("train", text, "--lines", "--base", "none", *fixed, *options, "--out", model)
    return model


def size(tab: Tab, width: int, height: int, scale: float) -> None:
    """Set the size of the window, in CSS pixels, and how many of the picture each of them takes."""
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
    tab.call("Emulation.setScrollbarsHidden", hidden=True)


def save(tab: Tab, name: str) -> None:
    """Save what the window shows."""
    answer = tab.call("Page.captureScreenshot")
    (PLACE / name).write_bytes(base64.b64decode(answer["data"]))
    click.echo(f"{name}: {(PLACE / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
