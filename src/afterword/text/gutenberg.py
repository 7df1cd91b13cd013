"""Remove the header and the licence that Project Gutenberg puts around a book."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

BEGINS = re.compile(r"\W{0,9}(?:The )?Project Gutenberg", re.IGNORECASE)
MARK = r"\*\*\* ?{} OF (?:THE|THIS) PROJECT GUTENBERG[^*]{{0,400}}\*\*\*"
BOOK = re.compile(rf"{MARK.format('START')}(.*?)(?={MARK.format('END')}|\Z)", re.DOTALL)
CLOSING = re.compile(r"\n *End of (?:the |this )?Project Gutenberg[^\n]*\Z")
LONGEST = 50_000_000  # characters: no book is longer


def without_frame(texts: Iterable[str], on_found: Callable[[], object]) -> Iterator[str]:
    """Yield a text that comes in pieces, without Project Gutenberg's frame; call `on_found` if it has them.

    A file of several books keeps all of them.
    """
    pieces, length = iter(texts), 0
    held = list[str]()
    for text in pieces:
        held.append(text)
        length += len(text)
        if length > LONGEST or not BEGINS.match(held[0]):
            break
    if not (books := BOOK.findall("".join(held)) if held and BEGINS.match(held[0]) and length <= LONGEST else []):
        yield from chain(held, pieces)
        return
    on_found()
    yield "\n\n\n".join(CLOSING.sub("", book.rstrip()).strip() for book in books) + "\n"
