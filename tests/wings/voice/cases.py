"""What the laws over all commands, routes and pages take from the voice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from afterword.language_model import LanguageModel
from afterword.settings import ignore_progress
from afterword.wings.voice.own_voice import Gains, Span, own_voice
from afterword.wings.voice.voice import Heard, HeardWord, voice_html

PROSE = ("The sea was calm, and nobody spoke.", "ANNA: I saw a ship. It was old.", "Ω ψ. ☃.")
COLUMNS = {"voice": ("voice RUN FILE --against RUN", PROSE)}
OUTPUTS = {"voice": ["{model}", "{source}", "--own", "{source}", "--against", "english"]}
REFUSED = [
    ("voice tiny text", "this model has no held-out text: give the folder of its run; or give a text with `own`"),
    ("voice tiny text --own text", "at least 20 are needed"),
    ("voice lines text", "a voice needs a model of running text, which classic and `lines` do not make"),
]
OF_TEXT = ["voice {0} text"]
QUIET = {"voice": ["run draft.txt --html voice.html"]}
NEEDS_MORE = ["/v1/voice"]  # routes that a plain model refuses
RECORDED = {"voice": ["voice", "play-0", "other.txt", "--json"]}
SAID = "Friends, Romans. Lend me your ears. I come."
RECORDED_HTTP = [("voice", "/v1/voice", {"model": "play-0", "text": SAID})]
SHADED = {"voice": "'p b, h1, h2', ['p12', 'n12', '']"}


def page(folder: Path) -> str:
    """Return the page of a draft."""
    text = "Friends, Romans,\n</b><script>alert(1)</script>&amp;\n\tcountrymen \u05d0\u202e\n" * 12
    costs = np.arange(len(text)) % 41 / 4
    heard = Gains.of(text, (costs[::-1] - costs) / 4)
    words = [
        HeardWord(start, text[start:stop], float(heard.bits[start])) for start, stop in heard.words(Span(0, len(text)))
    ]
    one: dict[str, Any] = {"start": 0, "characters": len(text), "gain": 0.0, "place": 0.5, "says": "<i>closer"}
    kinds: tuple[Any, ...] = ("text", "paragraph", "sentence")
    parts = [Heard(part=part, text=text, **one) for part in kinds]
    parts[0].copies, parts[2].words = [(3, 30)], words
    return voice_html([("<i>text", parts)]).replace("<html", "<html data-ready=1")


PAGES = {"voice": page}


def without_own_text(model: LanguageModel) -> None:
    own_voice(model, None, None, ignore_progress)


def with_little_own_text(model: LanguageModel) -> None:
    own_voice(model, "Some text of the writer, though not enough of it.", None, ignore_progress)


USES = [without_own_text, with_little_own_text]  # which a model without a run refuses
LOADED = {"voice": [{"files": "text", "html": "page.html", "overwrite": True}]}
