"""Laws of the colours: every page takes them from one file, and a dark theme changes all that differ."""

from __future__ import annotations

import re
from pathlib import Path

import afterword
from afterword.web.pages import LEVELS, MOST_BITS, colours, read

SOURCE = Path(afterword.__file__).parent
COLOUR = re.compile(
    r"#[0-9a-f]{3,8}\b(?![^{}]*\{)|\b(rgb|hsl)a?\( *[\d.]|\b(hwb|lab|lch|oklab|oklch|light-dark)\(|"
    r": *(white|black|gr[ae]y|red|green|blue|yellow|orange)\b",
    re.IGNORECASE,
)
FIGURES = SOURCE / "inspection" / "figures.py"  # pictures by matplotlib, which have one theme


def test_no_page_names_a_colour_of_its_own() -> None:
    files = [path for ending in ("css", "js", "html", "py") for path in SOURCE.rglob(f"*.{ending}")]
    pages = {path for path in files if path not in (SOURCE / "web/colours.css", FIGURES) and "vendor" not in path.parts}
    assert {SOURCE / "serving/page/page.css", SOURCE / "inspection/web/page.css"} <= pages
    for path in pages:
        found = COLOUR.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(SOURCE)}: {found}"


def test_the_system_and_the_attribute_make_a_page_equally_dark() -> None:
    light, attribute, system = re.findall(r":root[^{]*\{(.*?)\}", colours(), re.DOTALL)
    assert attribute == system
    assert set(re.findall(r"--[\w-]+", attribute)) < set(re.findall(r"--[\w-]+", light))


def test_every_colour_that_a_page_uses_is_there() -> None:
    known = set(re.findall(r"(--[\w-]+):", colours() + read("afterword.web", "elements.css")))
    for path in [*SOURCE.rglob("*.css"), *SOURCE.rglob("*.js")]:
        text = path.read_text(encoding="utf-8")
        own = set(re.findall(r"(--[\w-]+):|setProperty\(\"(--[\w-]+)", text))
        used = set(re.findall(r"var\((--[\w-]+)\)|property\(\"(--[\w-]+)", text))
        assert {a or b for a, b in used} <= known | {a or b for a, b in own}, path


def test_a_page_and_its_scripts_have_the_same_shades() -> None:
    script = read("afterword.web", "shades.js")
    assert re.findall(r"const (?:LEVELS|MOST_BITS) = (\d+)", script) == [f"{LEVELS}", f"{MOST_BITS:g}"]
