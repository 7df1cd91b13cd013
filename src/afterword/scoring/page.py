"""Surprises as one HTML file: each character on its shade, and what was expected in its place under the pointer.

It needs neither network nor scripts, and its policy allows none. Of a long text the beginning is drawn.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from afterword.scoring.surprises import Place, Summary, Surprise, spaced
from afterword.text.unicode import visible

MOST_DRAWN = 50_000  # characters; some 5 MB, which a browser opens in a second
MOST_BITS, LEVELS = 8.0, 12  # what is more surprising is shaded no more

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fcfcfa; --panel: #fff; --ink: #1c2126; --soft: #5c6670; --line: #d9dde1; --accent: #0b62a8;
  --high: 213 94 0; --strength: .78;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --panel: #1b2026; --ink: #e6e9ec; --soft: #9aa5b0; --line: #343c45; --accent: #6cb8f0;
    --high: 206 94 0; --strength: .74;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 20px 24px 48px; max-width: 1240px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: 22px; margin: 0; }
h2 { font-size: 15px; margin: 0 0 8px; }
h1, h2, p { overflow-wrap: anywhere; }
p { margin: 4px 0; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.soft { color: var(--soft); }
.legend { display: flex; align-items: center; gap: 7px; font-size: 13px; color: var(--soft); }
.legend i {
  width: 130px; height: 11px; border-radius: 3px; border: 1px solid var(--line);
  background: linear-gradient(90deg, transparent, rgb(var(--high) / var(--strength)));
}
section {
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; margin: 12px 0;
}
.places { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; margin: 6px 0 12px; }
th, td { text-align: left; padding: 3px 16px 3px 0; border-top: 1px solid var(--line); white-space: pre; }
th { border-top: 0; color: var(--soft); font-weight: 400; }
td:nth-child(2) { text-align: right; font-variant-numeric: tabular-nums; }
code, ol { font: 14px/1.75 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { font-size: 13px; }
mark { background: rgb(var(--high) / var(--strength)); color: inherit; border-radius: 2px; }
ol { margin: 0; padding: 0 210px 0 6ch; font-size: 15px; }
li { padding-left: 4px; white-space: pre-wrap; overflow-wrap: anywhere; }
li::marker { color: var(--soft); font-size: 11px; }
ol b { font-weight: inherit; border-radius: 2px; padding: 2px 0; }
ol b.end { color: var(--soft); }
ol b:hover, ol b:target { outline: 2px solid var(--ink); outline-offset: -1px; }
ol b:target { scroll-margin: 40vh; }
ol b:hover::after, ol:not(:hover) b:target::after {
  content: attr(data-e); position: absolute; z-index: 1; margin: 1.9em 0 0 .3em; padding: 5px 10px; min-width: 110px;
  white-space: pre; pointer-events: none; font-size: 13px; line-height: 1.45; color: var(--ink);
  background: var(--panel); border: 1px solid var(--soft); border-radius: 6px; box-shadow: 0 3px 12px rgb(0 0 0 / .25);
}
@media (max-width: 760px) {
  body { padding: 12px 12px 9em; }
  ol { padding-right: 0; }
  ol b:hover::after, ol:not(:hover) b:target::after { position: fixed; left: 12px; bottom: 12px; margin: 0; }
}
"""


@dataclass(frozen=True)
class Drawn:
    """The surprises of one text, as far as they are drawn, and what all of them come to."""

    name: str
    summary: Summary = field(default_factory=Summary)
    surprises: list[Surprise] = field(default_factory=list)

    def watch(self, surprises: Iterable[Surprise], room: int) -> Iterator[Surprise]:
        """The same surprises; those of the first `room` characters are kept to be drawn."""
        for surprise in self.summary.watch(surprises):
            if (room := room - len(surprise.text)) >= 0:
                self.surprises.append(surprise)
            yield surprise

    @property
    def characters(self) -> int:
        """How many are drawn."""
        return sum(len(surprise.text) for surprise in self.surprises)


def page(texts: Sequence[Drawn], about: str = "") -> str:
    """The page of `texts`, as HTML; `about` says in a line which model it is."""
    style = STYLE + "".join(
        f"ol .s{level} {{ background: rgb(var(--high) / calc(var(--strength) * {level / LEVELS:.3f})); }}\n"
        for level in range(1, LEVELS + 1)
    )
    policy = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    title = "Where it surprises: " + ", ".join(text.name for text in texts)
    several = any(text.summary.several for text in texts)
    return "".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta http-equiv="Content-Security-Policy" content="',
            f"default-src 'none'; style-src 'sha256-{policy}'; base-uri 'none'; form-action 'none'\">\n",
            f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n",
            f'<h1>Where it surprises</h1>\n<p class="soft">{html.escape(about)}</p>\n',
            "<p>Each character is shaded by what it cost the model, in bits: -log2 of the probability that the model ",
            "gave it after all before it. Point at one to see what was expected in its place.",
            " Characters that are one token have one shade, by its bits." if several else "",
            f'</p>\n<p class="legend">0 bits <i></i> {MOST_BITS:g} bits and more</p>\n',
            *(part for number, text in enumerate(texts) for part in _section(text, f"c{number}-")),
            "</body>\n</html>\n",
        ]
    )


def _section(text: Drawn, prefix: str) -> Iterator[str]:
    summary, drawn = text.summary, text.characters
    name = html.escape(visible(text.name))
    yield f'<section aria-label="{name}">\n<h2>{name}</h2>\n'
    yield f"<p>{summary.bits_per_character:.3f} bits per character, {summary.characters:,} characters.</p>\n"
    if drawn < summary.characters:
        yield f"<p>The first {drawn:,} characters are drawn below; the figures and the table are of all of them.</p>\n"
    last = text.surprises[-1].start if text.surprises else -1
    yield '<div class="places"><table>\n<tr><th>most surprising</th><th>bits</th><th>text</th><th>expected</th></tr>\n'
    for place in summary.most:
        yield _row(place, prefix if place.surprise.start <= last else None)
    yield "</table></div>\n<ol>"
    line = 0
    named = {place.surprise.start for place in summary.most}
    for surprise in text.surprises:
        if surprise.line != line:
            yield "" if line == 0 else "</li>"
            yield "\n<li>" if surprise.line == line + 1 else f"\n<li value={surprise.line}>"
            line = surprise.line
        yield _character(surprise, f" id={prefix}{surprise.start}" if surprise.start in named else "")
    yield "</li>\n</ol>\n</section>\n"


def _row(place: Place, prefix: str | None) -> str:
    """A row of the table, which leads to the character where that is drawn."""
    surprise = place.surprise
    where = f"line {surprise.line}, column {surprise.column}"
    if prefix is not None:
        where = f'<a href="#{prefix}{surprise.start}">{where}</a>'
    expected = html.escape("  ".join(surprise.expected))
    context = f"{html.escape(visible(place.before))}<mark>{html.escape(spaced(surprise.text))}</mark>"
    return f"<tr><td>{where}</td><td>{surprise.bits:.1f}</td><td><code>{context}</code></td><td>{expected}</td></tr>\n"


def _character(surprise: Surprise, id: str) -> str:
    level = min(LEVELS, round(surprise.bits / MOST_BITS * LEVELS))
    kind = f' class="s{level}"' if level else ' class="end"' if surprise.text == "\n" else ""
    expected = "\n".join([f"{surprise.bits:.1f} bits; expected", *surprise.expected])
    return f'<b{id}{kind} data-e="{html.escape(expected)}">{html.escape(surprise.shown)}</b>'
