"""What one reading of a text tells: how many characters each part has, and which the training part holds."""

from __future__ import annotations

import sys

import numpy as np

from afterword.text.splitting import Pieces
from afterword.text.unicode import code_points


class Census:
    """The lengths of both parts, and where each character first occurs in the training part."""

    def __init__(self, pieces: Pieces) -> None:
        self.training = self.validation = 0  # characters
        self._seen = np.zeros(sys.maxunicode + 1, dtype=bool)  # by code point
        self._first = np.full(sys.maxunicode + 1, sys.maxsize, dtype=np.int64)
        for part, text in pieces():
            if part == "validation":
                self.validation += len(text)
            else:
                self._add(text)

    def _add(self, text: str) -> None:
        codes = code_points(text)
        seen = self._seen.take(codes, mode="clip")
        if not seen.all():
            new = np.flatnonzero(~seen)[::-1]
            self._seen[codes[new]] = True
            self._first[codes[new]] = self.training + new  # backwards: of equal indices the last assignment stays
        self.training += len(text)

    def hold_out(self, characters: int) -> None:
        """Turn the last `characters` of the training part into the validation part."""
        self.training -= characters
        self.validation += characters

    def characters(self) -> str:
        """The distinct characters of the training part, sorted."""
        return "".join(map(chr, np.flatnonzero(self._first < self.training).tolist()))
