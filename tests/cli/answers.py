"""What a command printed as JSON."""

from __future__ import annotations

import json
import subprocess
from typing import Any


def records(finished: subprocess.CompletedProcess[bytes], *statuses: int) -> list[dict[str, Any]]:
    """The objects that it printed, one a line; its exit status is one of `statuses`, or 0."""
    assert finished.returncode in (statuses or (0,)), finished.stderr
    return [json.loads(line) for line in finished.stdout.decode().splitlines()]
