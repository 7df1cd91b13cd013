"""One step of one unit as an HTML file with the model inside: each number of the step, and a slider for each gate.

`step.js` runs the exported model, which comes as its engine, its facts and its weights.
"""

from __future__ import annotations

import base64

from afterword.errors import OptionError
from afterword.inspection.gates_page import web_file
from afterword.language_model import LanguageModel
from afterword.settings import suggests
from afterword.web.engine import Packed, engine
from afterword.web.pages import bundle, document, filled, in_script, policy, read, style

MOST_STEPS = 500  # tokens: the page reads a text again from where a slider was moved
EXACT_PAGES = 1_000_000  # weights, up to which a page has two bytes of each


@suggests
def step_page(model: LanguageModel, text: str, about: str = "") -> str:
    """Return a page, as HTML, that takes one step of one unit at a time while the network reads `text`.

    The network is inside, without the n-gram. Each gate has a slider. `about` describes the model in a line. Raises
    OptionError for a held model, a plain recurrent network and a classic one, TextError.
    """
    model.tokenizer.encode(text)  # refuses what is no text
    if model.is_held:
        raise OptionError("a held model has no page of one step: use the one it was made from")
    packed = Packed(model.saved, 2 if model.parameters < EXACT_PAGES else 1)
    parts = {"MODEL": in_script(packed.facts), "WEIGHTS": base64.b64encode(packed.data).decode()}
    parts |= {"SCRIPT": step_script(), "DATA": in_script({"text": text, "about": about, "most": MOST_STEPS})}
    return document(
        filled(_web("step.html"), **parts),
        title="One step of one unit",
        style=style() + web_file("page.css") + _web("step.css"),
        policy=policy(style_src="'unsafe-inline'", script_src="'unsafe-inline' 'wasm-unsafe-eval'"),
    )


def step_script() -> str:
    """Return the exact script of every such page, as `gates_page.script` does."""
    model = 'const MODEL = JSON.parse(document.getElementById("model").textContent);\n'
    own = {"engine": f'{engine()}{model}MODEL.data = document.getElementById("weights").textContent;\n'}
    scripts = bundle(("words", "shades", "engine"), own)
    return "\n".join(['\n"use strict";', scripts, web_file("parts.js"), _web("step.js"), ""])


def _web(name: str) -> str:
    return read("afterword.wings.lesson", name).rstrip("\n")
