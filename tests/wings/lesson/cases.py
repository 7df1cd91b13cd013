"""What the laws over all commands, routes and pages take from the lesson."""

from __future__ import annotations

from pathlib import Path

from afterword.wings.lesson.step_page import step_page
from tests.inspection.test_gates import TEXT, made

REFUSED = [
    ("inspect tiny ab --html one --step ./one", "one is named twice"),
    ("inspect tiny abcdabcd --find z", "matches nothing in this text"),
    ("inspect tiny abcdabcd --find '(?s).'", "matches everything in this text"),
    ("inspect tiny abcdabcd --find (", "is not a regular expression"),
]
QUIET = {"inspect": ["run word", "run word --html g.html --step s.html --png g.png", "run --file draft.txt --horizon"]}
TERMINAL = ["inspect tiny --file TEXT --find SAID"]
LOADED = {"inspect": [{"text": "The sea"}, {"file": "text", "horizon": True}]}
FRAMED = ["/v1/step"]  # routes whose pages run in the frame
SHADED = {"step": "'#text b:first-child, #gates span, .soft', ['p12', 'n12', 'p6', 'n6', '']"}


def page(folder: Path) -> str:
    """Return the page of one step."""
    return step_page(made(hidden_size=20), TEXT, "book: 2 × 20 LSTM, 5,341 parameters")


PAGES = {"step": page}
