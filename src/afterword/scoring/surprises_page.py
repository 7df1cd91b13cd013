"""Surprises as one HTML file: each character is shaded, and pointing at it shows what was expected in its place.

The file needs neither the network nor scripts, and its policy allows none. Only the start of a long text is drawn.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from afterword.scoring.surprises import Place, Summary, Surprise, shown
from afterword.text.unicode import spaced, visible
from afterword.web.pages import MOST_BITS, document, inline, level, policy, read, style

MOST_DRAWN = 50_000  # characters; some 5 MB, which a browser opens in a second


def surprises_html(texts: Sequence[Summary], about: str = "") -> str:
    """Return the page of `texts` as HTML; `about` is a line that describes the model."""
    css = style() + read("afterword.scoring", "surprises.css")
    head = (
        f'<h1>Where it surprises</h1>\n<p class="soft">{html.escape(about)}</p>\n'
        "<p>Each character is shaded by its cost in bits: -log2 of the probability that the model gave it, after "
        "all characters before it. Point at a character to see what the model expected in its place."
        f'</p>\n<p class="legend">0 bits <i></i> {MOST_BITS:g} bits and more</p>\n'
    )
    body = "".join([head, *(part for number, text in enumerate(texts) for part in _section(text, f"c{number}-"))])
    title = "Where it surprises: " + ", ".join(visible(text.name) for text in texts)
    return document(body, title=title, style=css, policy=policy(style_src=inline(css)))


def _section(text: Summary, prefix: str) -> Iterator[str]:
    drawn = sum(len(one.text) for one in text.drawn)
    name = html.escape(visible(text.name))
    yield f'<section aria-label="{name}">\n<h2>{name}</h2>\n'
    yield f"<p>{text.bits_per_character:.3f} bits per character, {text.characters:,} characters.</p>\n"
    yield from (f"<p>{html.escape(one[0].upper() + one[1:])}.</p>\n" for one in text.notes)
    if drawn < text.characters:
        yield f"<p>Only the first {drawn:,} characters are drawn below; figures and table cover all of them.</p>\n"
    last = text.drawn[-1].start if text.drawn else -1
    yield '<div class="scroll"><table>\n<tr><th>most surprising</th><th>bits</th><th>text</th><th>expected</th></tr>\n'
    for place in text.most:
        yield _row(place, prefix if place.surprise.start <= last else None)
    yield "</table></div>\n<ol>"
    line = 0
    named = {place.surprise.start for place in text.most}
    for surprise in text.drawn:
        if surprise.line != line:
            yield "" if line == 0 else "</li>"
            yield "\n<li>" if surprise.line == line + 1 else f"\n<li value={surprise.line}>"
            line = surprise.line
        yield _character(surprise, f" id={prefix}{surprise.start}" if surprise.start in named else "")
    yield "</li>\n</ol>\n</section>\n"


def _row(place: Place, prefix: str | None) -> str:
    """Return a row of the table, with a link to the character if that is drawn."""
    surprise = place.surprise
    where = f"line {surprise.line}, column {surprise.column}"
    if prefix is not None:
        where = f'<a href="#{prefix}{surprise.start}">{where}</a>'
    expected = html.escape("  ".join(surprise.expected))
    context = f"{html.escape(visible(place.before))}<mark>{html.escape(spaced(surprise.text))}</mark>"
    return f"<tr><td>{where}</td><td>{surprise.bits:.1f}</td><td><code>{context}</code></td><td>{expected}</td></tr>\n"


def _character(surprise: Surprise, id: str) -> str:
    shade = level(surprise.bits)
    kind = f' class="s{shade}"' if shade else ' class="end"' if surprise.text == "\n" else ""
    expected = "\n".join([f"{surprise.bits:.1f} bits; expected", *surprise.expected])
    return f'<b{id}{kind} data-e="{html.escape(expected)}">{html.escape(shown(surprise.text))}</b>'
