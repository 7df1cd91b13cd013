"""Records that a command printed as JSON."""

from __future__ import annotations

import json
import subprocess
from typing import Any


def records(finished: subprocess.CompletedProcess[bytes], *statuses: int) -> list[dict[str, Any]]:
    """Return the objects, one per line; check that the exit status is one of `statuses`, by default 0."""
    assert finished.returncode in (statuses or (0,)), finished.stderr
    return [json.loads(line) for line in finished.stdout.decode().splitlines()]
