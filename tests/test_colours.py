"""Every page takes its colours from one file, and a dark theme changes all that differ."""

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
OTHERS = (SOURCE / "web/colours.css", SOURCE / "inspection/figures.py")  # pictures by matplotlib have one theme


def test_no_page_names_a_colour_of_its_own_and_each_that_it_uses_is_there() -> None:
    known = set(re.findall(r"(--[\w-]+):", colours() + read("afterword.web", "elements.css")))
    files = [path for ending in ("css", "js", "html", "py") for path in SOURCE.rglob(f"*.{ending}")]
    assert {SOURCE / "serving/page/page.css", SOURCE / "inspection/web/page.css"} <= {*files}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert path in OTHERS or "vendor" in path.parts or COLOUR.search(text) is None, path
        if path.suffix in (".css", ".js"):
            own = re.findall(r"(--[\w-]+):|setProperty\(\"(--[\w-]+)", text)
            used = re.findall(r"var\((--[\w-]+)\)|property\(\"(--[\w-]+)", text)
            assert {a or b for a, b in used} <= known | {a or b for a, b in own}, path


def test_the_system_and_the_attribute_make_a_page_equally_dark() -> None:
    light, attribute, system = re.findall(r":root[^{]*\{(.*?)\}", colours(), re.DOTALL)
    assert attribute == system
    assert set(re.findall(r"--[\w-]+", attribute)) < set(re.findall(r"--[\w-]+", light))


def test_a_page_and_its_scripts_have_the_same_shades() -> None:
    script = read("afterword.web", "shades.js")
    assert re.findall(r"const (?:LEVELS|MOST_BITS) = (\d+)", script) == [f"{LEVELS}", f"{MOST_BITS:g}"]
