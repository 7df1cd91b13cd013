"""What tests start is gone when the test is, however that ended, and gets Ctrl-C as on a terminal."""

from __future__ import annotations

import contextlib
import os
import signal

from tests.processes import running


def test_a_program_and_what_it_started_are_gone_after_a_test_that_failed() -> None:
    read, write = os.pipe()
    with contextlib.suppress(AssertionError), running(["sh", "-c", "sleep 1000 & echo started; wait"], stdout=write):
        os.close(write)
        assert os.read(read, 99) == b"started\n"
        raise AssertionError
    assert os.read(read, 1) == b""  # nobody is left who could write
    os.close(read)


def test_a_program_gets_ctrl_c_also_where_the_tests_ignore_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with running(["sleep", "1000"]) as process:
            process.send_signal(signal.SIGINT)
            assert process.wait() == -signal.SIGINT
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
