"""Documents are parsed in a process of its own, whose time and memory are limited: none can block or fill this one."""

from __future__ import annotations

import json
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from afterword.text.documents import Notes, NotTextError
from afterword.text.formats import Format
from afterword.wording import with_article

if TYPE_CHECKING:
    from subprocess import Popen

SECONDS = 10  # of processor time for a document
PATIENCE = 60.0  # seconds in all, if the processor is shared, or where its time cannot be limited
MEMORY = 2**30  # bytes
PROGRAM = "import sys; sys.path[:] = {!r}; from afterword.text.markup import answer; answer({!r}, {!r})"


class Parser:
    """A process that returns the text of documents. It starts with the first one, and ends with this object."""

    def __init__(self) -> None:
        self._process: Popen[bytes] | None = None

    def text_of(self, format: Format, content: bytes, name: str, notes: Notes) -> str:
        """Return the text of a document in that format, and note what was left out. If `is_text`, it must be UTF-8.

        Raises NotTextError if it is damaged, encrypted or too large, or if the packages that read it are missing.
        """
        line = self._asked(json.dumps([format.reader, len(content)]).encode() + b"\n" + content)
        found = json.loads(line or '{"fault": "too large"}')
        if "text" in found:
            without = f", without {found['left_out']}" * bool(found["left_out"])
            notes.changed["read the text of {}" + without].add(name)
            return str(found["text"])
        kind, fault = format.name, found["fault"]
        needs = f"needs more than {SECONDS} s or {MEMORY >> 30} GiB of memory to be read"
        install = f"pip install 'afterword[{format.extra}]' first" + "; or give `markup` keep" * format.is_text
        what, called = {
            "too large": (f"{with_article(kind)} that {needs}: {format.advice}", f"too large {kind}"),
            "unread": (f"{with_article(kind)}: {install}", kind),
            "damaged": (f"a damaged {kind} ({found.get('why')}): save it again", f"damaged {kind}"),
            "encrypted": (f"an encrypted {kind}: save it without a password", f"encrypted {kind}"),
        }[fault]
        raise NotTextError(f"{name} is {what}", called)

    def _asked(self, request: bytes) -> bytes:
        """Return the answer of the process, and b"" if it has ended instead."""
        if self._process is None or self._process.poll() is not None:
            from subprocess import DEVNULL, PIPE, Popen  # which a text does not need

            command = [sys.executable, "-P", "-c", PROGRAM.format(sys.path, SECONDS, MEMORY)]
            self._process = Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
            weakref.finalize(self, _end, self._process)
        process: Any = self._process  # with both pipes
        line, late = b"", threading.Timer(PATIENCE, process.kill)
        late.daemon = True  # the exit need not wait for it, if a signal comes here
        try:
            late.start()
            process.stdin.write(request)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            pass
        finally:
            late.cancel()
            if not line:
                _end(process)
        return line


def _end(process: Popen[bytes]) -> None:
    process.kill()
    process.communicate()
