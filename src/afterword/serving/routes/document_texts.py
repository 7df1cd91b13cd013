"""`/v1/documents`: a document as text, and a Word document with a changed text."""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO
from typing import Annotated

import msgspec

from afterword.serving.http.endpoints import Call
from afterword.serving.http.failures import ApiError
from afterword.serving.service import Service
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import Document, Notes
from afterword.text.formats import EXTRA, FORMATS, Format
from afterword.text.parser import Parser

CHANGED = Format("Word document", reader="afterword.text.word_documents:changed", extra=EXTRA)
ENDINGS = [ending for one in FORMATS for ending in one.endings]
FileName = Annotated[str, msgspec.Meta(max_length=200, extra_json_schema={"x-endings": ENDINGS})]


class DocumentRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The name of a file, and its bytes in base64. With `text`, it is a Word document whose text this replaces."""

    name: FileName
    document: bytes
    text: str | None = None


class DocumentReply(msgspec.Struct):
    """The text of the document and how it was read, or the changed document in base64."""

    text: str | msgspec.UnsetType = msgspec.UNSET
    notes: list[str] = []
    document: str | msgspec.UnsetType = msgspec.UNSET


async def read_document(call: Call[Service], body: DocumentRequest) -> DocumentReply:
    """Read a document as text, as the command reads it, or change the text of a Word document and nothing else."""
    return await call.work(partial(_read if body.text is None else _change, body))


def _read(body: DocumentRequest) -> DocumentReply:
    reader = Reader(Decoding())
    text = "".join(reader.pieces(Document(body.name, partial(BytesIO, body.document))))
    return DocumentReply(text, reader.notes.lines())


def _change(body: DocumentRequest) -> DocumentReply:
    given = json.dumps(body.text).encode() + b"\n" + body.document
    if not (changed := Parser().text_of(CHANGED, given, body.name, Notes()).strip()):
        why = "they add or join paragraphs where that cannot be done, such as around a table"
        raise ApiError(400, f"the changes do not fit into {body.name}: {why}; save the text as .txt", "text")
    return DocumentReply(document=changed)
