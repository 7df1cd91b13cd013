"""One step of one unit as an HTML file with the model inside: each number of the step, and a slider for each gate.

`web/step.js` runs the exported model, which comes as its engine, its facts and its weights.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from afterword.inspection.gates_page import web_file
from afterword.web.pages import bundle, document, filled, in_script, policy, style

MOST_STEPS = 500  # tokens: the page reads a text again from where a slider was moved


def step_html(engine: str, facts: Mapping[str, Any], weights: bytes, text: str, about: str) -> str:
    """Return the page of the model with these parts. It begins with `text`; `about` describes the model in a line.

    `engine` is a JavaScript module up to its model, the constant MODEL, whose data are the `weights`.
    """
    parts = {"MODEL": in_script(facts), "WEIGHTS": base64.b64encode(weights).decode(), "SCRIPT": step_script(engine)}
    parts["DATA"] = in_script({"text": text, "about": about, "most": MOST_STEPS})
    return document(
        filled(web_file("step.html"), **parts),
        title="One step of one unit",
        style=style() + web_file("page.css") + web_file("step.css"),
        policy=policy(style_src="'unsafe-inline'", script_src="'unsafe-inline' 'wasm-unsafe-eval'"),
    )


def step_script(engine: str) -> str:
    """Return the exact script of every such page, as `gates_page.script` does."""
    model = 'const MODEL = JSON.parse(document.getElementById("model").textContent);\n'
    own = {"engine": f'{engine}{model}MODEL.data = document.getElementById("weights").textContent;\n'}
    scripts = bundle(("words", "shades", "engine"), own)
    return "\n".join(['\n"use strict";', scripts, web_file("parts.js"), web_file("step.js"), ""])
