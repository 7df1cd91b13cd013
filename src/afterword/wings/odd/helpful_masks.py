"""Masks that may help if far more lines are listed than the rate promises, from the odd words of those lines.

Each hides one place: what is at the beginning of lines, after a key such as `node=`, or after another word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

PLACE = re.compile(r"""(^|[\w.-]{1,40}["']?(?: ?[=:] ?["']?|[ (\[]))[^\s"'=,;|()\[\]{}]*$""")
"""What is before a word, and tells its place, and the part of the word that is not odd."""
WORD = r'[^\s",;|]+'


def helpful_masks(odd: Iterable[tuple[str, int]]) -> list[str]:
    """Return regular expressions for what is at odd places, each a line and a character, the commonest first."""
    found = (PLACE.search(text[:start]) for text, start in odd)
    before = Counter(one[1] for one in found if one)
    places = (re.escape(place).replace(r"\ ", " ") for place, _ in before.most_common())
    return [(f"(?<={place})" if place else "^") + WORD for place in places]
