"""Supply what an operation needs from its caller: models, texts, and a place for notes and progress.

`Work` serves callers in Python. The command line and the server have subclasses of it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from afterword import bars
from afterword.commands import elsewhere
from afterword.errors import OptionError, TextError, spelled
from afterword.settings import ignore_progress
from afterword.storage import temporary_folder
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import check_sources, is_ours, source_name
from afterword.text.lines import filled_lines, whole_lines
from afterword.text.tokenizer import parts

if TYPE_CHECKING:
    from afterword.language_model import LanguageModel, ModelLike
    from afterword.model.network.engines import EngineName
    from afterword.model.ngram.mixture import Using
    from afterword.runs.record import OnReport
    from afterword.runs.run import Run

LINES_AT_ONCE = 1000  # lines, so that the first results come soon
MOST_AT_ONCE = 20_000_000  # characters of a text that is not read in parts

Part = str | list[str]
"""A part of a text, or some of its lines."""
Enough = Callable[[], bool]
"""A function that returns whether a training may end early."""
ProgressShown = AbstractContextManager[Callable[..., object]]
"""A context that shows progress: see `Work.progress`."""


class Work:
    """An operation's link to its caller, here in Python. It shows notes and progress on terminals and in notebooks."""

    program = "afterword"
    """The command, as users type it."""
    streams = False
    """True if the caller wants a text piece by piece, as it is written."""
    row_kind: Any = None
    """The kind of record of the answer's rows, once the operation has announced it."""
    blank: Mapping[str, Any] = MappingProxyType({})
    """A row of that kind without values: its columns, whatever the first row has."""

    def model(
        self, named: ModelLike, using: Using = "both", engine: EngineName = "numpy", hold: Sequence[str] = ()
    ) -> LanguageModel:
        """Return the model that was `named`, with parts of it held. Raises ModelError, OptionError, HubError."""
        from afterword.language_model import load_if_named

        model = load_if_named(named, using, engine)
        self.note(*model.saved.notes)
        return model.hold(*hold)

    def engine_of(self, model: LanguageModel) -> dict[str, Any]:
        """Report how long the engine of `model` took to build its graph, and return its name for records. For NumPy,
        the default, report and return nothing."""
        if (engine := model.predictor.engine) is None:
            return {}
        self.say(f"engine {model.engine}: its graph took {engine.seconds:.2f} s to build")
        return {"engine": model.engine}

    def is_model(self, name: ModelLike) -> bool:
        """Return whether `name` is or names a model, not a text."""
        from afterword.bases.installed import folder_named, installed
        from afterword.model.folder.saved import CONFIG, model_folder

        if not isinstance(name, str | os.PathLike):
            return True
        is_base = folder_named(name) in installed().folders.values()
        return bool(elsewhere(name)) or is_base or is_ours(name) or os.path.exists(model_folder(Path(name)) / CONFIG)

    def note(self, *notes: str) -> None:
        """Show `notes` to the caller, with options as Python has them, if progress is shown."""
        if bars.is_seen():
            for one in notes:
                print(f"note: {spelled(one)}", file=sys.stderr)

    def say(self, *lines: str, verbatim: bool = False) -> None:
        """Report `lines` about the work to people; in Python, do nothing. A user's own text is printed `verbatim`."""

    def rows(self, kind: type[Any], facts: Mapping[str, Any]) -> None:
        """Announce the `kind` of all rows before the first; `facts` has each optional field that this answer has."""
        self.row_kind, self.blank = kind, kind.blank(facts)

    def filled(self, record: Any) -> Any:
        """Return `record`, a part of the answer. In a row, set each field that it lacks and others may have to None."""
        for name in self.blank if type(record) is self.row_kind else ():
            if getattr(record, name, None) is UNSET:
                setattr(record, name, None)
        return record

    def still_wanted(self, *done: float) -> None:
        """Raise if nobody waits for the answer any longer. Long work calls this now and then."""

    def confirm(self, question: str, otherwise: str) -> bool:
        """Return the answer to `question`. Raises OptionError(`otherwise`) if nobody can be asked, as in Python."""
        raise OptionError(otherwise)

    def progress(self, what: str, unit: str = "", streams: bool = False) -> ProgressShown:
        """Return a context that shows the progress of `what`.

        It yields a function of the fraction that is done, or None, and of the number of `unit` that are done. An answer
        that `streams` may show the progress itself.
        """
        return bars.waiting(what, unit)

    def folder(self, out: str | os.PathLike[str] | None, default: Callable[[], str]) -> AbstractContextManager[Path]:
        """Return a context with a run's folder: `out`, or a temporary one; in subclasses, `out` or the `default`."""
        return _temporary_folder() if out is None else contextlib.nullcontext(Path(out))

    def samples(self, run: Run) -> OnReport:
        """Return a function of the reports of `run` that now and then shows what the model writes; here, never."""
        return ignore_progress

    def train(
        self, run: Run, on_progress: OnReport | None = None, kept: bool = True, enough: Enough = lambda: False
    ) -> None:
        """Train `run` to its end, or until it is `enough`. Each report goes to `on_progress`; if it is None, notes and
        a bar show the progress, or a line now and then.

        If the caller interrupts a run whose folder is `kept`, the run is saved, so that it can be resumed.
        """
        from afterword.runs import loop  # with PyTorch, which takes a second

        note = self.note if on_progress is None else ignore_progress
        note(*run.take_notes())
        is_bar = on_progress is None and bars.is_seen()
        shown = bars.training_bar() if is_bar else contextlib.nullcontext(on_progress or bars.training_lines(self.say))
        also = self.samples(run) if kept else ignore_progress
        with shown as show:
            for report in loop.train_run(run, enough):
                note(*report.notes)
                show(report)
                also(report)

    def check(self, files: Sequence[str]) -> list[str]:
        """Return the kind of each of `files`. Raises TextError for one that cannot be read."""
        return check_sources(files)

    def check_filled(self, file: str, text: Sequence[str]) -> None:
        """Raise TextError if `file` has no text: a cost of zero would look like a perfect fit."""
        if not text:
            raise TextError(f"{source_name(file)} is empty: there is nothing to score")

    @contextlib.contextmanager
    def reader(self, decoding: Decoding, unwrap: bool = False) -> Iterator[Reader]:
        """Yield a reader of texts, and report its notes at the end. With `unwrap`, it joins the lines of wrapped
        prose."""
        reader = self._reader(decoding)
        reader.unwraps = unwrap
        try:
            yield reader
        finally:
            self.note(*reader.notes.lines())

    def _reader(self, decoding: Decoding) -> Reader:
        return Reader(decoding)

    def text(self, file: str, most: int | None = None, decoding: Decoding | None = None, unwrap: bool = False) -> str:
        """Return the text of `file`, or its first `most` characters. With `unwrap`, join the lines of wrapped prose.

        Raises TextError. Without `most`, also raises it for a text that is too long to be held in memory.
        """
        pieces, length, limit = [], 0, MOST_AT_ONCE + 1 if most is None else most
        with self.reader(decoding or Decoding(), unwrap) as reader:
            for piece in reader.read([file]):
                pieces.append(piece)
                length += len(piece)
                if length >= limit:
                    break
        if most is None and length > MOST_AT_ONCE:
            raise TextError(f"{source_name(file)} has more than {MOST_AT_ONCE:,} characters: split it")
        return "".join(pieces)[:limit]

    def parts(self, file: str, decoding: Decoding, lines: bool, unwrap: bool = False) -> Iterator[Part]:
        """Yield the text of `file` in parts; with `lines`, some lines at a time, without empty lines, as in training.

        With `unwrap`, join the lines of wrapped prose.
        Raises TextError if the file is empty.
        """
        with self.reader(decoding, unwrap) as reader:
            pieces = reader.read([file])
            each: Iterator[Part] = some(filled_lines(pieces)) if lines else parts(pieces)
            first = next(each, "")
            self.check_filled(file, first)
            yield first
            yield from each

    def lines(
        self, files: Sequence[str], decoding: Decoding, always: bool = False
    ) -> Iterator[tuple[str, int, list[str]]]:
        """Yield the lines of `files`, and of the files in folders, some at a time, as they arrive.

        Yields the file, the number of its lines before these, and the lines. Raises TextError if a file has no lines,
        or a line is too long; `always` notes the file instead, and cuts the line.
        """
        with self.reader(decoding) as reader:
            for file, documents in zip(files, reader.find(files), strict=True):
                for document in documents:
                    name = document.name if os.path.isdir(file) else file
                    read = 0
                    for lines in some(whole_lines(reader.pieces(document), cut=always)):
                        yield name, read, lines
                        read += len(lines)
                    if not read and always:
                        self.note(f"{source_name(name)} is empty")
                    elif not read:
                        self.check_filled(name, "")


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    with temporary_folder() as temporary:
        yield temporary / "run"  # which does not exist yet


def some(blocks: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the lines of `blocks`, at most `LINES_AT_ONCE` at a time."""
    for lines in blocks:
        for at in range(0, len(lines), LINES_AT_ONCE):
            yield lines[at : at + LINES_AT_ONCE]
