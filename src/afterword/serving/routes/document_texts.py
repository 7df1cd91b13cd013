"""`/v1/documents`: a document as text."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Annotated

import msgspec

from afterword.serving.http.endpoints import Call
from afterword.serving.service import Service
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import Document
from afterword.text.formats import endings

FileName = Annotated[str, msgspec.Meta(max_length=200, extra_json_schema={"x-endings": list(endings())})]


class DocumentRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The name of a file, and its bytes in base64."""

    name: FileName
    document: bytes


class DocumentReply(msgspec.Struct):
    """The text of the document, and how it was read."""

    text: str
    notes: list[str]


async def read_document(call: Call[Service], body: DocumentRequest) -> DocumentReply:
    """Read a document as text, as the command reads it."""

    def read() -> DocumentReply:
        reader = Reader(Decoding())
        text = "".join(reader.pieces(Document(body.name, partial(BytesIO, body.document))))
        return DocumentReply(text, reader.notes.lines())

    return await call.work(read)
