"""Drafts as one HTML file: words that sound like the writer have one colour, the others another."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from afterword.text.unicode import visible
from afterword.web.pages import document, inline, level, policy, style
from afterword.wings.voice.own_voice import Gains, Span

STRENGTH = 3.0  # a word has its strongest shade at a third of the bits of a surprise
CSS = """p b { font-weight: inherit; border-radius: 2px; }
section { max-width: 70ch; line-height: 1.6; white-space: pre-wrap; overflow-wrap: anywhere; }
.copy { text-decoration: underline dotted; }
"""


class Shown(NamedTuple):
    """A draft and its results."""

    name: str
    heard: Gains
    says: Sequence[tuple[int, str]]
    """The start of each part and its result in words: first the whole text, then paragraphs and sentences."""
    copies: Sequence[tuple[int, int]]


def voice_html(drafts: Sequence[Shown]) -> str:
    """Return the page of `drafts` as HTML."""
    css = style() + CSS
    head = (
        "<h1>How much this sounds like you</h1>\n<p>Words in <b class=p8>this colour</b> sound like you, words in <b "
        "class=n8>this one</b> do not. <b class=copy>Underlined</b> text is in the training text too. Point at a "
        "sentence to see its place."
    )
    body = "".join([head, *(part for one in drafts for part in _section(one))])
    return document(body, title="How much this sounds like you", style=css, policy=policy(style_src=inline(css)))


def _section(draft: Shown) -> Iterator[str]:
    text, says = draft.heard.text, dict(draft.says[1:])  # where a paragraph and a sentence both begin, the sentence's
    yield f"<section>\n<h2>{html.escape(visible(draft.name))}</h2>\n<p>{html.escape(draft.says[0][1])}</p>\n"
    kinds, said = [""] * len(text), [""] * len(text)
    words = draft.heard.words(Span(0, len(text)))
    for (start, stop), bits in zip(words, draft.heard.sums(words)[0], strict=True):
        kinds[start:stop] = ["pn"[int(bits < 0)] + str(level(STRENGTH * abs(bits)))] * (stop - start)
    for start, stop in draft.copies:
        kinds[start:stop] = [f"{kind} copy" for kind in kinds[start:stop]]
    for start, stop in draft.heard.sentences:
        said[start:stop] = [html.escape(says[start])] * (stop - start)
    for (start, stop), _ in draft.heard.paragraphs:
        yield "<p>"
        for (kind, about), places in groupby(range(start, stop), lambda k: (kinds[k], said[k])):
            piece = html.escape(visible("".join(text[k] for k in places)))
            yield f'<b class="{kind}" title="{about}">{piece}</b>'
        yield "</p>\n"
    yield "</section>\n"
