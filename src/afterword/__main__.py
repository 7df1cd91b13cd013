"""`python -m afterword`, the same as the command `afterword`."""

import signal
import sys
from typing import NoReturn

from afterword.cli.signals import end_imports


def main() -> NoReturn:
    """Run the command line. Ctrl-C prints one line, even during imports."""
    try:
        end_imports()
        from afterword.cli.main import main

        main()
    except KeyboardInterrupt:  # before the command begins, or while another one is reported
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # otherwise Python, while it exits, would print a traceback


if __name__ == "__main__":
    main()
