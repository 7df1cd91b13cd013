"""What the laws over all commands, routes and pages take from the lesson."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import afterword
from afterword.language_model import LanguageModel
from afterword.text.characters import CharTokenizer
from afterword.wings.lesson.step_page import step_page
from tests.inspection.test_gates import TEXT, made

REFUSED = [
    ("info lesson:nobody", "the lesson has no network 'lesson:nobody': its networks are lesson:divya, lesson:call"),
    ("inspect tiny ab --html one --step ./one", "one is named twice"),
    ("inspect tiny abcdabcd --decides (", "is not a regular expression"),
    ("inspect tiny abcdabcd --keeps b", "needs"),
    ("inspect tiny abcdabcd --decides z", "places match and can be compared; 5 are needed"),
    ("inspect tiny abcdabcd --decides z --horizon", "cannot be"),
]
OUTPUTS: dict[str, list[str]] = {"lesson": []}
QUIET = {
    "lesson": ["", "--html other.html"],
    "inspect": ["run word", "run word --html g.html --step s.html --png g.png", "run --file draft.txt --horizon"],
}
TERMINAL = ["inspect tiny --file TEXT --keeps SAID --instead a"]
LOADED = {"inspect": [{"text": "The sea"}, {"file": "text", "horizon": True}]}
FRAMED = ["/v1/step"]  # routes whose pages run in the frame
SHADED = {"step": "'#text b:first-child, #gates span, .soft', ['p12', 'n12', 'p6', 'n6', '']"}


def page(folder: Path) -> str:
    """Return the page of one step."""
    return step_page(made(hidden_size=20), TEXT, "book: 2 × 20 LSTM, 5,341 parameters")


PAGES = {"step": page}
LONG = "a" * 50 + "b" * 50


def asked(pattern: Any) -> Callable[[Any], object]:
    """Return a call that asks for the cells that decide something."""
    return lambda _: afterword.decides(made(CharTokenizer.of("\nab")), LONG, pattern)


def measured(text: str, lines: bool = False) -> Callable[[Any], object]:
    """Return a call that measures a horizon."""
    return lambda _: afterword.horizon(made(lines=lines), text)


def kept(text: str, word: str, instead: str = "a", after: str | None = None) -> Callable[[Any], object]:
    """Return a call that follows a word."""
    return lambda _: afterword.keeps(made(), text, word, instead=instead, after=after)


IN_PYTHON = [
    (asked("("), "is not a regular expression"),
    (asked(b"a"), "matching must be text"),
    (measured(""), "at least 20"),
    (measured("short"), "at least 20"),
    (measured("a" * 100), "only one distinct character"),
    (measured(LONG, lines=True), "this one reads lines"),
    (kept(TEXT, "Meera"), "the text has no word 'Meera': name one of its words"),
    (kept(TEXT, "Div"), "the text has no word 'Div'"),
    (kept(TEXT, ""), "the text has no word ''"),
    (kept("Divya", "Divya"), "the text ends with 'Divya': add some text after it"),
    (kept(TEXT, "Reena", after="eat"), "the text has no 'eat' after 'Reena'"),
    (kept(TEXT, "Divya", instead="Divya"), "'Divya' is compared with other words: name one to put in its place"),
    (lambda _: step_page(made().hold("forget=1"), TEXT), "a held model has no page of one step"),
    (lambda _: step_page(made(cell="rnn"), TEXT), "a page is only for cell= lstm, not rnn"),
]


def of_text(model: LanguageModel) -> list[Callable[[Any], object]]:
    """Return functions that take a text."""
    functions = (step_page, afterword.horizon)
    return [
        *(partial(one, model) for one in functions),
        lambda text: afterword.decides(model, text, "a"),
        lambda text: afterword.keeps(model, text, "a", instead="b"),
    ]


TEXT_CALLS = [of_text]
