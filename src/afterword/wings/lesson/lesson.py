"""The lesson's page: trained networks, what was found in each by intervention, and exercises about these networks.

`networks/` contains the networks and `lesson.json`, which `python -m benchmarks.shipped` makes.
"""

from __future__ import annotations

import json
from dataclasses import KW_ONLY
from html import escape
from pathlib import Path
from typing import Any

from afterword.errors import ModelError
from afterword.inspection.gates_page import about, framed, gates_html, web_file
from afterword.language_model import load
from afterword.operations.operation import Output, Request, TextPart, operation
from afterword.operations.options import Overwriting
from afterword.operations.work import Work
from afterword.settings import setting, settings_class
from afterword.storage import output
from afterword.web.pages import document, policy, style
from afterword.wings.lesson.step_page import step_page

PREFIX = "lesson:"  # of the names by which commands take these networks
NETWORKS = Path(__file__).parent / "networks"
SECTION = """<details name="network"{open}><summary><b>{title}</b> <span class="soft">{text}</span></summary>
<p>{about}</p>
<ol>{exercises}</ol>
{step}
<h2>Which cells decide what comes next?</h2>
<p>{verdict} This is about what the expression <code>{asked}</code> matches, or its part in brackets.</p>
<table><tr><th>cells<th>bits, with them held<th>how often the answer follows them</tr>{rows}</table>
<p class="soft">A held cell keeps its mean value. If the network needs the cell, what comes next costs more bits. If a
cell gets the value that it has where something else comes next, and this becomes likelier, the answer follows it.</p>
<p class="soft">{others}</p>
<details><summary>all units while it reads</summary>{gates}</details></details>
"""
STYLE = "summary { padding: 6px 0; cursor: pointer; } th, td { padding-right: 24px; text-align: left; }\n"
SCRIPT = """<script>
document.addEventListener("load", ({ target }) => target.contentWindow?.postMessage({
  theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" }, "*"), true);
addEventListener("message", ({ data, source }) => document.querySelectorAll("iframe").forEach(one => {
  if (one.contentWindow === source) one.style.height = `${Number(data.height)}px`; // a frame says how high it is
}));
</script>"""


@settings_class()
class Lesson(Overwriting, Request):
    """Write a page about how an LSTM works: trained networks that ship with Afterword, what was found in each of them,
    and exercises about them.

    The page works offline. Other commands take these networks by name, such as lesson:divya.
    """

    example = "lesson"

    _: KW_ONLY
    html: Output = setting("the page to write", default="lesson.html", ending=(".html", ".htm"))


@operation(Lesson)
def lesson(request: Lesson, work: Work) -> TextPart:
    with output(Path(request.html)) as written:
        written.write(lesson_page().encode())
    return TextPart(text=f"To begin the lesson, open {request.html} in a browser.")


def folder(name: str) -> Path:
    """Return the folder of a network of the lesson. Raises ModelError if no network has this `name`."""
    if name.removeprefix(PREFIX) not in (known := networks()):
        raise ModelError(
            f"the lesson has no network {name[:60]!r}: its networks are {', '.join(map(PREFIX.__add__, known))}"
        )
    return NETWORKS / name.removeprefix(PREFIX)


def networks() -> dict[str, Any]:
    """Return what is known of each network, by name."""
    found: dict[str, Any] = json.loads((NETWORKS / "lesson.json").read_text(encoding="utf-8"))
    return found


def lesson_page() -> str:
    """Return the page, as HTML, with all networks inside."""
    sections = [_section(name, one, is_first=not k) for k, (name, one) in enumerate(networks().items())]
    what = (
        "Each network below has learned a text that requires it to remember one thing. Choose one, and move its gates."
    )
    return document(
        f"<h1>How an LSTM works</h1>\n<p>{what}</p>\n{SCRIPT}{''.join(sections)}",
        title="How an LSTM works",
        style=style() + web_file("page.css") + STYLE,
        policy=policy(style_src="'unsafe-inline'", script_src="'unsafe-inline' 'wasm-unsafe-eval'"),
    )


def _section(name: str, one: dict[str, Any], is_first: bool) -> str:
    model, text = load(NETWORKS / name), one["text"]
    head = about(PREFIX + name, model.config, ())
    rows = (f"<tr><td>{where}<td>{bits:.2f}<td>{follows:.0%}</tr>" for where, bits, follows in one["effects"])
    exercises = (
        f"<li>{_marked(asked)}<details><summary>answer</summary>{_marked(answer)}</details>"
        for asked, answer in one["exercises"]
    )
    shown = {key: escape(one[key]) for key in ("title", "text", "asked", "verdict", "others")}
    return SECTION.format(
        **shown,
        open=" open" * is_first,
        about=_marked(one["about"]),
        rows="".join(rows),
        exercises="".join(exercises),
        step=framed(step_page(model, text, head), 580, one["at"]),
        gates=framed(gates_html(model.gates(text), head), at=f"cell:{one['at']}"),
    )


def _marked(text: str) -> str:
    """Return `text` as HTML, with what is between grave accents as code."""
    return "".join(f"<code>{part}</code>" if k % 2 else part for k, part in enumerate(escape(text).split("`")))
