"""Text on a terminal, which it must not steer: control characters are shown there. Pipes and files get it as it is."""

from __future__ import annotations

import re
import sys
from typing import IO, Any

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline


def escaped(text: str) -> str:
    """`text` with its control characters spelled: ESC is \\u001b, as JSON reads it back."""
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown(text: str, stream: IO[Any] | None = None) -> str:
    """`text` as `stream` (standard output) is to get it."""
    return escaped(text) if (stream or sys.stdout).isatty() else text
