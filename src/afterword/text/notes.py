"""What was done to which documents on the way to text: a line for the user each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

NAMED = 3  # documents that a note names


class Notes:
    """Remembers what was done to which documents. A document that is read again is counted once."""

    def __init__(self) -> None:
        self._skipped: dict[str, set[str]] = defaultdict(set)  # why: names
        self._done: dict[str, set[str]] = defaultdict(set)  # what, with {} for the names: names
        self._replaced: dict[str, int] = {}  # name: places

    def skipped(self, name: str, why: str) -> None:
        """The file or folder `name` was left out."""
        self._skipped[why].add(name)

    def marked(self, name: str) -> None:
        """A byte order mark said which encoding the document has."""
        self._done["read {} as the UTF-16 or UTF-32 that its byte order mark says"].add(name)

    def mark_dropped(self, name: str) -> None:
        """A byte order mark was taken off."""
        self._done["dropped the byte order mark of {}"].add(name)

    def line_ends_turned(self, name: str) -> None:
        """Line ends became "\\n"."""
        self._done["turned the CRLF and CR line ends of {} into LF"].add(name)

    def replaced(self, name: str, places: int) -> None:
        """So many places of the document, from its start to where it has been read, were invalid."""
        self._replaced[name] = places

    @property
    def places(self) -> int:
        """How many places were replaced with U+FFFD, in all documents together."""
        return sum(self._replaced.values())

    def lines(self) -> list[str]:
        """A line for each kind of thing that was done."""
        skipped = [f"skipped ({why}): {named(names)}" for why, names in self._skipped.items()]
        done = [what.format(named(names)) for what, names in self._done.items()]
        if self.places:
            done.append(f"replaced {counted(self.places, 'invalid place')} with U+FFFD (�) in {named(self._replaced)}")
        return skipped + done


def named(names: Iterable[str]) -> str:
    """The names in order, of many the first few and how many others."""
    first, *more = sorted(names)
    if len(more) < NAMED:
        return " and ".join(filter(None, [", ".join([first, *more[:-1]]), *more[-1:]]))
    return f"{', '.join([first, *more[: NAMED - 1]])} and {len(more) - NAMED + 1} more"


def counted(number: int, one: str) -> str:
    """`number` things: "1 character", "2,000 characters"."""
    return f"{number:,} {one}" + "s" * (number != 1)
