"""The colours of every page that Afterword makes or serves, for light and dark themes.

The pages differ in what makes them dark: the attribute data-theme, or the system if a page has no such attribute.
Colours that look alike to colour-blind readers are not used together.
"""

from __future__ import annotations

from functools import cache


@cache
def colours() -> str:
    """Return the colours as CSS custom properties."""
    from importlib import resources  # here, since a model is loaded without it

    css = resources.files("afterword").joinpath("colours.css").read_text(encoding="utf-8")
    dark = css.partition("[data-theme=dark] ")[2].rstrip()
    return f"{css}@media (prefers-color-scheme: dark) {{\n:root:not([data-theme]) {dark}\n}}\n"
