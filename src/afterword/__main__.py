"""`python -m afterword`, the same as the command `afterword`.

Nothing is imported here, so that `main` runs as early as possible.
"""


def main() -> None:
    """Run the command line and exit. Ctrl-C prints at most one line; before the command has loaded, none."""
    import _signal  # type: ignore[import-not-found]  # built in; `signal` is a file, which takes longer to import

    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # it would print a traceback
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from afterword.cli.main import main

    try:
        main()
    except KeyboardInterrupt:  # while an error is reported
        import sys

        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)  # otherwise Python, while it exits, would print a traceback


if __name__ == "__main__":
    main()
