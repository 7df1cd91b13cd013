"""Laws of writes that can wait: in order, none lost, and told once."""

from __future__ import annotations

import pytest

from afterword.errors import StorageError
from afterword.runs.run import DeferredWrites


class Disk:
    def __init__(self) -> None:
        self.full = False
        self.written: list[str] = []

    def write(self, what: str) -> None:
        if self.full:
            raise StorageError(f"cannot write {what}")
        self.written.append(what)


def test_what_fails_waits_and_is_written_before_what_comes_later() -> None:
    disk, notes = Disk(), list[str]()
    writes = DeferredWrites(notes)
    disk.full = True
    for name in ("model", "report 1", "model", "report 2"):
        writes.write(name, lambda name=name: disk.write(name))  # type: ignore[misc]
    assert not writes.write_now(lambda: disk.write("checkpoint"))
    assert writes.trouble
    assert len(notes) == 1
    disk.full = False
    assert writes.write_now(lambda: disk.write("checkpoint"))
    assert disk.written == ["report 1", "model", "report 2", "checkpoint"]
    assert not writes.trouble
    assert len(notes) == 2
    writes.finish()


def test_what_cannot_be_written_to_the_end_is_an_error() -> None:
    disk = Disk()
    disk.full = True
    writes = DeferredWrites([])
    writes.write("model", lambda: disk.write("model"))
    with pytest.raises(StorageError, match="cannot write model"):
        writes.finish()
