"""What a command that ended well printed."""

from __future__ import annotations

import json
import subprocess
from typing import Any, AnyStr


def fine(finished: subprocess.CompletedProcess[AnyStr], *statuses: int) -> subprocess.CompletedProcess[AnyStr]:
    """Check that the exit status is one of `statuses`, by default 0."""
    assert finished.returncode in (statuses or (0,)), finished.stderr
    return finished


def printed(finished: subprocess.CompletedProcess[bytes]) -> str:
    """Return the text on standard output; check that the exit status is 0."""
    return fine(finished).stdout.decode()


def records(finished: subprocess.CompletedProcess[bytes], *statuses: int) -> list[dict[str, Any]]:
    """Return the objects of its JSON, one per line; check that the exit status is one of `statuses`, by default 0."""
    return [json.loads(line) for line in fine(finished, *statuses).stdout.decode().splitlines()]
