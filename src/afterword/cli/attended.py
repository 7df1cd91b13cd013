"""`afterword` until its standard input is closed; then it stops as after SIGTERM, which saves a run.

A server starts its training this way: however the server ends, nothing trains unseen.
"""

from __future__ import annotations

import os
import signal
import threading

from afterword.cli.main import main


def wait_for_the_end() -> None:
    os.read(0, 1)  # not by sys.stdin, whose lock the interpreter needs to end
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=wait_for_the_end, daemon=True).start()
    main()
