"""Characters as numbers and bytes, in lower case, and made visible. A lone surrogate is refused."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TextError


def code_points(text: str, at: int = 0) -> NDArray[np.uint32]:
    """Return the code points of `text`, one uint32 per character. Raises TextError for a lone surrogate.

    `at` is the position of `text` in the user's text, for the message.
    """
    return np.frombuffer(_encoded(text, "utf-32-le", at), dtype="<u4")


def utf_8(text: str, at: int = 0) -> bytes:
    """Return `text` in UTF-8. Raises TextError for a lone surrogate; `at` as above."""
    return _encoded(text, "utf-8", at)


def lower(text: str) -> str:
    """Return `text` in lower case, character by character, so that the result does not depend on where a text is cut.

    `str.lower` looks at the neighbours of one character only: Σ becomes ς at the end of a word. Here it is always σ.
    """
    return text.replace("Σ", "σ").lower()


def distinct(text: str, lowercase: bool) -> str:
    """Return the distinct characters of `text`, in lower case if `lowercase`, sorted by code point."""
    return "".join(sorted(set(lower(text) if lowercase else text)))


def visible(text: str) -> str:
    """Return `text` so that all of it shows on one line: a newline as ↵, a character without width as its number."""
    shown = text.replace("\n", "↵").replace("\t", "→").replace("\r", "␍")
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(
        one if one.isprintable() and unicodedata.category(one) not in ("Mn", "Me") else f"<{ord(one):X}>"
        for one in shown
    )


def spaced(text: str) -> str:
    """Return `text` as `visible` does, with a sign for each space too."""
    return visible(text).replace(" ", "␣")


def _encoded(text: str, encoding: str, at: int) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        code, position = ord(text[error.start]), at + error.start
        what = f"the byte {code - 0xDC00:02X}, not valid UTF-8" if 0xDC80 <= code <= 0xDCFF else "half of a character"
        message = f"character {position} of the text is a lone surrogate (U+{code:04X}), {what}: remove it"
        raise TextError(message) from None
