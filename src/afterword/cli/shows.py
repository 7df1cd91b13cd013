"""How people see the answers that are more than rows of a table: shaded text, and lists of odd lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from afterword.cli.output import escaped, has_colours, shown
from afterword.errors import OptionError
from afterword.operations.generate import Written, WrittenLine
from afterword.operations.odd import OddRow
from afterword.operations.operation import Record
from afterword.operations.surprises import Surprising
from afterword.text.unicode import spaced, visible

LONGEST = 4096  # characters of a line that are collected before they are printed
ODD, PLAIN = "\033[1;31m", "\033[0m"  # around odd characters on a terminal with colours
TABLE = "{:>8}  {:>8}  {:>8}  {:6}  {}"


def surprises(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print the text with each character on its shade, or a row per character without colours."""
    if request.html is not None:
        yield from records
        return
    if request.top is not None or not has_colours():
        yield from _rows(records)
        return
    from rich.console import Console
    from rich.text import Text

    from afterword.inspection.terminal import LEAST_BITS, MOST_BITS, SHADES, shade

    console = Console(highlight=False, markup=False)
    line, number, file = Text(), 0, None
    for one in records:
        yield one
        if not isinstance(one, Surprising):
            continue
        if one.file != file and isinstance(one.file, str):
            console.print(line, soft_wrap=True)
            console.print(f"{shown(one.file)}:", style="bold", soft_wrap=True)
            line, number, file = Text(), 0, one.file
        if (number and one.line > number) or len(line) > LONGEST:
            console.print(line, soft_wrap=True, end="\n" * (one.line - number))
            line = Text()
        number = one.line
        shown_text = one.text if one.text.isprintable() else visible(one.text).replace("→", "→\t")
        line.append(shown_text, shade(one.bits))
    console.print(line, soft_wrap=True)
    console.print()
    legend = Text(f"{LEAST_BITS:g} bits ")
    for style in SHADES:
        legend.append("  ", style)
    console.print(legend.append(f" {MOST_BITS:g} bits and more"))


def _rows(records: Iterator[Record]) -> Iterator[Record]:
    headed = False
    for one in records:
        yield one
        if isinstance(one, Surprising):
            file = f"  {one.file}" if isinstance(one.file, str) else ""
            if not headed:
                print(TABLE.format("line", "column", "bits", "text", "expected") + ("  file" if file else ""))
                headed = True
            place = one.line, one.column, f"{one.bits:.4f}", spaced(one.text)
            print(shown(TABLE.format(*place, "  ".join(one.expected)) + file))


def odd(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print odd lines as PATH:LINE: FIGURE  text; below a rule, the next-oddest ones."""
    colours, ruled = has_colours(), request.all
    for one in records:
        yield one
        if not isinstance(one, OddRow):
            continue
        if not one.odd and not ruled:
            print(f"-- next, not listed at a rate of {one.rate:g}, each with the rate that would list it --")
            ruled = True
        text = marked(one.text, one.odd_pieces) if colours and one.odd else shown(one.text)
        times = f"  ({one.count:,} times)" if isinstance(one.count, int) and one.count > 1 else ""
        kind = f"  {shown(one.kind)}" if isinstance(one.kind, str) else ""
        would = "" if one.odd else f"  [{one.p_value:.2g}]"
        print(f"{shown(one.file)}:{one.line}: {one.figure:.1f}  {text}{times}{kind}{would}", flush=True)


def marked(text: str, odd_pieces: Sequence[tuple[int, int]]) -> str:
    """Return `text` with its odd pieces coloured. If it ends too early, a coloured ↵ follows."""
    parts, last = [], 0
    for start, stop in odd_pieces:
        parts += [escaped(text[last:start]), ODD, escaped(text[start:stop]) or "↵", PLAIN]
        last = stop
    return "".join([*parts, escaped(text[last:])])


def generate(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print each sample, piece by piece or whole. Lines of --- separate those that are not lines."""
    if request.log_probabilities is not None:
        raise OptionError("`log_probabilities` are printed as JSON only: give --json too")
    begun, separate, last = False, False, ""
    for one in records:
        yield one
        is_whole = isinstance(one, Written)
        if not begun and separate:
            print("---")
        if not (is_whole and begun):
            text = str(one) if is_whole else one.fields()["text"]
            print(shown(text), end="", flush=True)
            last = text or last
        if is_whole and not last.endswith("\n"):
            print(flush=True)
        if begun := not is_whole:
            continue
        separate, last = not isinstance(one, WrittenLine), ""


SHOWS: dict[str, Callable[[Iterator[Record], Any], Iterator[Record]]] = {
    "Surprises": surprises,
    "Odd": odd,
    "Generate": generate,
}
