"""A route for each operation that has a path: its body and its reply come from the operation's request and records.

The texts of the body replace the files that the command reads. The reply has the figures of the whole text, and the
rows as a list.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, Any

import msgspec

from afterword.commands import commands, find_operation
from afterword.errors import TextError
from afterword.language_model import LanguageModel
from afterword.model.network.engines import EngineName
from afterword.model.ngram.mixture import Using
from afterword.operations.operation import Argument, Operation, Record, arguments_of
from afterword.operations.work import ProgressShown, Work
from afterword.serving.http.endpoints import Call, Endpoint
from afterword.serving.http.failures import check_at_most
from afterword.serving.routes.request_fields import ModelName, body_field, find_variant
from afterword.serving.service import Service
from afterword.serving.writing.models import Served
from afterword.settings import kinds_of
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import Document, Source

MOST_ROWS = 100_000  # in a reply
GIVEN = "-"  # what an operation gets for a model, and before the name of a text: no file begins so
NEVER = ("file", "engine")  # fields of records that no reply has


class GivenReader(Reader):
    """A reader of the texts of a body, which are read as they would be from files: line ends become newlines."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        super().__init__(Decoding())
        self._texts = texts

    def find(self, sources: Sequence[Source], kept: object = None) -> list[list[Document]]:
        names = (str(source).removeprefix(GIVEN) for source in sources)
        return [[Document(name, lambda: nullcontext())] for name in names]  # type: ignore[arg-type,return-value]

    def pieces(self, document: Document) -> Iterator[str]:
        text = self._texts[document.name].decode("utf-8", "surrogatepass").removeprefix("\ufeff")
        yield from filter(None, [re.sub("\r\n?", "\n", text)])


class ServedWork(Work):
    """The work of a server, with a loaded model and the texts of the body. It ends when the client leaves."""

    def __init__(self, call: Call[Service], served: Served, texts: Mapping[str, bytes]) -> None:
        self._call, self._served, self._texts = call, served, texts

    def model(
        self, named: object, using: Using = "both", engine: EngineName = "numpy", hold: Sequence[str] = ()
    ) -> LanguageModel:
        return find_variant(self._served, using, list(hold)).model

    def is_model(self, name: object) -> bool:
        return True

    def note(self, *notes: str) -> None: ...

    def progress(self, what: str, unit: str = "", streams: bool = False) -> ProgressShown:
        return nullcontext(self.still_wanted)

    def still_wanted(self, *done: object) -> None:
        self._call.check()

    def check(self, files: Sequence[str]) -> list[str]:
        return ["file"] * len(files)

    def check_filled(self, file: str, text: Sequence[str]) -> None:
        if not text:
            raise TextError(f"{file.removeprefix(GIVEN)} is empty, or has only empty lines: give a text")

    def _reader(self, decoding: Decoding) -> Reader:
        return GivenReader(self._texts)


def routes() -> Iterator[Endpoint]:
    """Yield the route of each operation that has a path."""
    for name in commands():
        if (one := find_operation(name)).path is not None:
            yield Endpoint("POST", one.path, handler_of(one))


def handler_of(operation: Operation[Any, Any, Any]) -> Callable[..., Awaitable[msgspec.Struct]]:
    """Return the function that answers a request over HTTP, with the types of its body and reply."""
    request, arguments = operation.request, [one for one, _ in arguments_of(operation.request).values()]
    texts = {one.served: one for one in arguments if one.served}
    body_of, reply_of = body_type(request, operation.summary), reply_type(operation)
    has_lines = any(one.rows == "lines" for one in operation.records)

    async def handler(call: Call[Service], body: Any) -> Any:
        values = {name: getattr(body, name) for name in body.__struct_fields__ if name not in (*texts, "model")}
        given = {name: one for name, one in values.items() if one is not None} | request.over_http
        made = operation.make_request(*(GIVEN + (one.served or "") for one in arguments), **given)
        read = {name: take_text(body, name, one, getattr(made, "lines", has_lines)) for name, one in texts.items()}
        served = await asyncio.to_thread(call.service.models.find, body.model)
        work = ServedWork(call, served, read)
        rows = [one.rows for one in operation.records if one.served and one.rows and getattr(made, "lines", True)]
        reply = await call.work(lambda: reply_from(operation.run(made, work), reply_of, served.name, rows))
        call.service.metrics.prompt_tokens.inc(getattr(reply, "tokens", 0))
        return reply

    handler.__name__, handler.__doc__ = operation.__name__, operation.summary
    handler.__annotations__ = {"call": Call[Service], "body": body_of, "return": reply_of}
    return handler


def take_text(body: Any, name: str, argument: Argument, of_lines: bool) -> bytes:
    """Return the text `name` of a request, and leave none in its `body`: there it takes up to four times as much.

    Raises ApiError if it is too long.
    """
    text: str = getattr(body, name)
    most, lines = argument.most_served or len(text), text.removesuffix("\n").count("\n") + 1
    check_at_most(most, len(text), f"{name} may have at most {{}} characters", "send it in parts", name)
    if of_lines:
        check_at_most(MOST_ROWS, lines, f"{name} may have at most {{}} lines", "send them in parts", name)
    setattr(body, name, "")
    return text.encode("utf-8", "surrogatepass")


def body_type(request: type[Any], about: str) -> type[msgspec.Struct]:
    """Return the type of the body: the texts, the model, and the fields that are served."""
    fields: list[Any] = [("model", ModelName, None)]
    for one, _ in arguments_of(request).values():
        most = {} if one.most_served is None else {"x-most-characters": one.most_served}
        if one.served:
            fields.insert(-1, (one.served, Annotated[str, msgspec.Meta(extra_json_schema=most)]))
    fields += [body_field(field, kind) for field, kind in kinds_of(request) if field.metadata["served"]]
    return msgspec.defstruct(
        f"{request.__name__}Request", fields, forbid_unknown_fields=True, kw_only=True, namespace={"__doc__": about}
    )


def reply_type(operation: Operation[Any, Any, Any]) -> type[msgspec.Struct]:
    """Return the type of the reply: the model, the figures of the whole, and a list for each kind of row."""
    fields: list[Any] = [("model", str)]
    about = ""
    for record in operation.records:
        each = [one for one in msgspec.structs.fields(record) if one.name not in NEVER]
        own = [(one.name, one.type, *([] if one.required else [msgspec.UNSET])) for one in each]
        if record.served and record.rows is None:
            fields, about = fields + own, record.__doc__ or ""
        elif record.served:
            row = msgspec.defstruct(record.__name__, own, kw_only=True, namespace={"__doc__": record.__doc__})
            fields.append((record.rows, list[row] | msgspec.UnsetType, msgspec.UNSET))  # type: ignore[valid-type]
    return msgspec.defstruct(f"{operation.request.__name__}Reply", fields, kw_only=True, namespace={"__doc__": about})


def reply_from(
    records: Iterable[Record] | Record, kind: type[msgspec.Struct], model: str, rows: Sequence[str]
) -> msgspec.Struct:
    """Return the reply that has the `records`; the lists named `rows` may be empty."""
    found: dict[str, Any] = {"model": model, **{name: [] for name in rows}}
    for record in [records] if isinstance(records, Record) else records:
        if not record.served:
            continue
        with contextlib.suppress(AttributeError):
            record.file = msgspec.UNSET  # type: ignore[attr-defined]
        if record.rows is None:
            found |= record.fields()
        else:
            found[record.rows].append(record)
    return kind(**{name: found[name] for name in kind.__struct_fields__ if name in found})
