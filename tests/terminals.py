"""Programs whose output goes to a terminal."""

from __future__ import annotations

import os
import pty
from typing import Any

from tests.processes import Command, running


def on_a_terminal(*command: Any, columns: int = 80, **options: Any) -> tuple[int, str]:
    """Run `command` with its output on a terminal; return its exit status and all that it showed, without colours."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "NO_COLOR": "1"}
    shown = b""
    words: Command = command
    with running(words, **{"stdout": terminal, "stderr": terminal, "env": environment} | options) as process:
        os.close(terminal)
        try:
            while part := os.read(controller, 65536):
                shown += part
        except OSError:  # the terminal was closed by the end of the process
            pass
        os.close(controller)
        return process.wait(), shown.decode()
