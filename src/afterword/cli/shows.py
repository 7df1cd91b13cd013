"""Answers for people that are more than rows of a table, such as shaded text and lists of odd lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from afterword.cli.output import Show, has_colours, note, say, shown
from afterword.errors import OptionError
from afterword.text.aligned import aligned, escaped, readable
from afterword.text.unicode import spaced, visible

if TYPE_CHECKING:  # only the operation that runs is imported
    from afterword.inspection.horizon import Horizon
    from afterword.operations.bases import InstalledBases
    from afterword.operations.inspect_ import Found
    from afterword.operations.operation import Record

COLLECTED = 4096  # characters of a line that are collected before they are printed
ODD, PLAIN = "\033[1;31m", "\033[0m"  # around odd characters on a terminal with colours
WIDEST = 1000  # characters of a line that odd prints
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

    from afterword.inspection.terminal import LEAST_BITS, SHADES, shade
    from afterword.operations.surprises import Surprising, WholeText
    from afterword.web.pages import MOST_BITS

    console = Console(highlight=False, markup=False)
    line, number, file = Text(), 0, None
    for one in records:
        yield one
        if isinstance(one, WholeText):
            console.print(line, soft_wrap=True)
            console.print()
            legend = Text(f"{LEAST_BITS:g} bits ")
            for style in SHADES:
                legend.append("  ", style)
            console.print(legend.append(f" {MOST_BITS:g} bits and more"))
            console.print(shown(one.text), soft_wrap=True)
            line, number = Text(), 0
        if not isinstance(one, Surprising):
            continue
        if one.file != file and isinstance(one.file, str):
            console.print(f"{shown(one.file)}:", style="bold", soft_wrap=True)
            file = one.file
        if (number and one.line > number) or len(line) > COLLECTED:
            console.print(line, soft_wrap=True, end="\n" * (one.line - number))
            line = Text()
        number = one.line
        shown_text = one.text if one.text.isprintable() else visible(one.text).replace("→", "→\t")
        line.append(shown_text, shade(one.bits))


def _rows(records: Iterator[Record]) -> Iterator[Record]:
    from afterword.operations.surprises import Surprising, WholeText

    headed = False
    for one in records:
        yield one
        if isinstance(one, WholeText):
            say(one.text)
        if isinstance(one, Surprising):
            file = f"  {one.file}" if isinstance(one.file, str) else ""
            if not headed:
                print(TABLE.format("line", "column", "bits", "text", "expected") + ("  file" if file else ""))
                headed = True
            place = one.line, one.column, f"{one.bits:.4f}", spaced(one.text)
            print(shown(TABLE.format(*place, "  ".join(one.expected)) + file))


def odd(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print findings as PATH:LINE: REASON  text; below a rule, the next-oddest ones."""
    from afterword.operations.odd import AcceptedLine, OddFinding, OddRow

    colours, ruled = has_colours(), False
    for one in records:
        yield one
        if isinstance(one, AcceptedLine):
            print(shown(one.text))
        elif isinstance(one, OddRow):
            has_marks = colours and one.odd and len(one.text) <= WIDEST
            text = marked(one.text, one.odd_pieces) if has_marks else shown(around(one.text, one.odd_pieces))
            why = f"  {shown(one.why)}" if isinstance(one.why, str) else ""
            print(f"{shown(one.file)}:{one.line}: {one.figure:.1f}{why}  {text}", flush=True)
        elif isinstance(one, OddFinding):
            if not one.odd and not ruled:
                print("-- next, not listed, each with the rate that would list it --")
                ruled = True
            first = one.lines[0]
            numbers = [line.line for line in one.lines if line.file == first.file]
            why = f"{ODD}{escaped(one.why)}{PLAIN}" if colours and one.odd else shown(one.why)
            times = f"  ({one.count:,} lines, {min(numbers):,} to {max(numbers):,})" if one.count > 1 else ""
            would = "" if one.odd else f"  [{one.p_value:.2g}]"
            text = shown(around(first.text, one.odd_pieces))
            print(f"{shown(first.file)}:{first.line}: {why}  {text}{times}{would}", flush=True)


def around(text: str, pieces: Sequence[tuple[int, int]]) -> str:
    """Return `text`, or, if it is long, only the part around its first odd piece."""
    start = max(0, min((pieces[0][0] if pieces else 0) - WIDEST // 2, len(text) - WIDEST))
    return "…" * (start > 0) + text[start : start + WIDEST] + "…" * (start + WIDEST < len(text))


def marked(text: str, odd_pieces: Sequence[tuple[int, int]]) -> str:
    """Return `text` with its odd pieces coloured. If it ends too early, a coloured ↵ follows."""
    parts, last = [], 0
    for start, stop in odd_pieces:
        parts += [escaped(text[last:start]), ODD, escaped(text[start:stop]) or "↵", PLAIN]
        last = stop
    return "".join([*parts, escaped(text[last:])])


def inspect(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print a table, or draw the gates unless they are written to files."""
    from afterword.inspection.terminal import show
    from afterword.operations.inspect_ import FILES, Found, Seen

    for one in records:
        yield one
        if isinstance(one, Found):
            print(shown(str(one)))
        elif isinstance(one, Seen) and not any(getattr(request, name) for name in FILES):
            show(one.trace, one.named)


def units(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print a table per question, and an empty line after each."""
    for one in records:
        yield one
        print(shown(f"{one}\n"), flush=True)


def horizon(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print one table with all models side by side."""
    from afterword.inspection.horizon import side_by_side

    found = []
    for one in records:
        yield one
        found.append(cast("Found", one).finding)
        if len(found) == 1 + len(request.against):
            print(shown(side_by_side(cast("list[Horizon]", found))))


COLUMNS = ("name", "bytes", "network", "characters", "bits_per_character", "folder")  # of bases
HEAD = ("name", "size", "network", "text, characters", "bits per character", "folder")


def bases(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print a row per base."""
    for one in records:
        yield one
        found = cast("InstalledBases", one)
        note(*found.notes)
        rows = [{**row, "bytes": f"{row['bytes'] / 1e6:.1f} MB"} for row in found.bases]
        print(shown(aligned([HEAD, *([readable(row[name]) for name in COLUMNS] for row in rows)], "<><>><")))


def generate(records: Iterator[Record], request: Any) -> Iterator[Record]:
    """Print each sample, piece by piece or whole. Lines of --- separate those that are not lines."""
    from afterword.operations.generate import Written, WrittenLine

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


SHOWS: dict[str, Show] = {show.__name__: show for show in (surprises, odd, inspect, units, horizon, bases, generate)}
"""The functions above, by the names of their commands."""
