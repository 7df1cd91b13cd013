"""Bytes become characters; what is invalid is refused or replaced."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass

from afterword.errors import OptionError, TextError
from afterword.settings import check, setting
from afterword.text.formats import unmarked_utf_16

REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Decoding:
    """How the bytes of a text become characters."""

    encoding: str = setting("utf-8", "the encoding of the text files", metavar="NAME")
    encoding_errors: str = setting(
        "strict",
        "refuse bytes that are invalid in that encoding, and NUL, or replace them",
        choices=("strict", "replace"),
    )

    def __post_init__(self) -> None:
        check(self)
        try:
            io.TextIOWrapper(io.BytesIO(), encoding=self.encoding)
        except (LookupError, ValueError):
            raise OptionError(
                f"encoding {self.encoding!r} is unknown: utf-8, cp1252, latin-1 and utf-16 are some"
            ) from None


UTF_8 = Decoding()


class NotTextError(TextError):
    """The bytes are not text in that encoding; `kind` says what they are, in a few words."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class StrictDecoder:
    """Decodes the pieces of a document one after the other; b"" is its end. Raises NotTextError."""

    replaced = 0

    def __init__(self, name: str, encoding: str) -> None:
        self._name, self._encoding = name, encoding
        self._wide = codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._read = 0  # bytes

    def __call__(self, raw: bytes) -> str:
        if not self._wide and (nul := raw.find(b"\0")) >= 0:
            if wide := unmarked_utf_16(raw):
                raise _looks_wide(self._name, wide)
            raise self._not_text(f"holds a NUL at byte {self._read + nul}, which is not valid in a text: {_REPLACE}")
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeError as error:
            # a missing mark is a UnicodeDecodeError since Python 3.13
            if not isinstance(error, UnicodeDecodeError) or error.reason == "Stream does not start with BOM":
                raise _unmarked(self._name, self._encoding) from None
            at = self._read - pending + error.start
            raise self._not_text(f"is not {self._encoding} at byte {at}: {self._advice(error)}") from None
        if "\0" in text:
            raise self._not_text(f"holds a NUL character, which is not valid in a text: {_REPLACE}")
        self._read += len(raw)
        return text

    def _not_text(self, what: str) -> NotTextError:
        return NotTextError(f"{self._name} {what}", f"not {self._encoding} text")

    def _advice(self, error: UnicodeDecodeError) -> str:
        if codecs.lookup(self._encoding).name != "utf-8":
            return f"name its own --encoding; {_REPLACE}"
        if not error.object[: error.start].isascii():  # UTF-8 so far
            return _REPLACE
        try:
            error.object.decode("cp1252")
        except UnicodeDecodeError:
            return f"name its own --encoding; {_REPLACE}"
        return f"try --encoding cp1252, as Windows writes, or name its own; {_REPLACE}"


_REPLACE = f"--encoding-errors replace reads it with {REPLACEMENT} there"


class ReplacingDecoder:
    """As `StrictDecoder`, with U+FFFD where that refuses; `replaced` counts the places."""

    def __init__(self, name: str, encoding: str) -> None:
        self._name, self._encoding = name, encoding
        decoder = codecs.getincrementaldecoder(encoding)
        self._replace, self._ignore = decoder("replace"), decoder("ignore")
        self._started = False
        self.replaced = 0

    def __call__(self, raw: bytes) -> str:
        final = not raw
        try:
            text = self._replace.decode(raw, final)
            # at each invalid place the one leaves a character and the other none
            self.replaced += len(text) - len(self._ignore.decode(raw, final)) + text.count("\0")
        except UnicodeError:
            raise _unmarked(self._name, self._encoding) from None
        if "\0" in text and not self._started and (wide := unmarked_utf_16(raw)):
            raise _looks_wide(self._name, wide)
        self._started = True
        return text.replace("\0", REPLACEMENT)


def _unmarked(name: str, encoding: str) -> NotTextError:
    """For the decoders of UTF-16 and UTF-32, which alone need to know the byte order."""
    return NotTextError(f"{name} has no byte order mark: try --encoding {encoding}-le", f"not {encoding} text")


def _looks_wide(name: str, encoding: str) -> NotTextError:
    return NotTextError(
        f"{name} looks like UTF-16 without a byte order mark: try --encoding {encoding}", f"unmarked {encoding}"
    )
