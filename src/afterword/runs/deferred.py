"""Writes that can wait: a full disk does not end a run, and what is on the disk is never ahead of what it stands on."""

from __future__ import annotations

from collections.abc import Callable

from afterword.errors import StorageError

Write = Callable[[], None]


class DeferredWrites:
    """Does writes in their order. One that fails waits, and is tried again before the next; training goes on."""

    def __init__(self, notes: list[str]) -> None:
        """What a user should know is added to `notes`."""
        self._notes = notes
        self._waiting: dict[str, Write] = {}
        self._trouble: StorageError | None = None

    @property
    def in_trouble(self) -> bool:
        """Whether the last write failed."""
        return self._trouble is not None

    def write(self, name: str, write: Write) -> None:
        """Do `write` after all that waits; where it cannot be done, it waits, in place of one of the same name."""
        self._waiting.pop(name, None)
        self._waiting[name] = write
        self.write_now(lambda: None)

    def write_now(self, write: Write) -> bool:
        """Do all that waits and then `write`; False where that cannot be done now, and then `write` does not wait."""
        try:
            for name in list(self._waiting):
                self._waiting[name]()
                del self._waiting[name]
            write()
        except StorageError as error:
            if self._trouble is None:
                self._notes.append(f"{error}; training goes on, and tries again")
            self._trouble = error
            return False
        if self._trouble is not None:
            self._notes.append("writing works again, and nothing was lost")
        self._trouble = None
        return True

    def finish(self) -> None:
        """Raise the StorageError that stands in the way, if something could not be written."""
        if self._trouble is not None:
            raise StorageError(f"{self._trouble}; make room, and go on with --resume") from None
