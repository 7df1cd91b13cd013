"""What a file that is not plain text is, by its first bytes, and how to get at its text."""

from __future__ import annotations

import codecs

MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16"}
MARKS |= {codecs.BOM_UTF16_BE: "utf-16"}  # UTF-32 comes first: its little-endian mark begins with UTF-16's
HEAD = 1 << 16  # bytes that tell

SAVE_AS_TEXT = "save it as plain text (.txt) first"
UNPACK = "unpack it first and name the folder"
NO_TEXT = "name a text"
SIGNATURES = {
    b"%PDF-": ("PDF document", "take its text out first, for instance by pdftotext"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": ("document of an older Microsoft Office", SAVE_AS_TEXT),
    b"BZh91AY&SY": ("bzip2 file", "unpack it first, by bunzip2"),
    b"\xfd7zXZ\0": ("xz file", "unpack it first, by unxz"),
    b"\x28\xb5\x2f\xfd": ("Zstandard file", "unpack it first, by unzstd"),
    b"7z\xbc\xaf\x27\x1c": ("7-Zip archive", UNPACK),
    b"Rar!\x1a\x07": ("RAR archive", UNPACK),
    b"\x89PNG\r\n\x1a\n": ("PNG image", NO_TEXT),
    b"\xff\xd8\xff": ("JPEG image", NO_TEXT),
    b"GIF89a": ("GIF image", NO_TEXT),
    b"SQLite format 3\0": ("SQLite database", "write the text in it to a file first"),
}
ZIP = b"PK\x03\x04"
OFFICE = {b"word/": "Word document", b"xl/": "Excel workbook", b"ppt/": "PowerPoint presentation"}
MEDIA_TYPE = 38  # offset of the media type, in formats of a ZIP that begin with it
MEDIA = {
    b"application/epub+zip": ("EPUB book", "turn it into plain text first, for instance by Calibre's ebook-convert"),
    b"application/vnd.oasis.opendocument.text": ("OpenDocument text", SAVE_AS_TEXT),
}
TAR_MAGIC = 257  # offset of "ustar"


def told_apart(head: bytes) -> tuple[str, str] | None:
    """What a file that begins with `head` is, and what to do with it; None for what may be a text."""
    if head.startswith(ZIP):
        for media, found in MEDIA.items():
            if head.startswith(media, MEDIA_TYPE):
                return found
        for folder, kind in OFFICE.items():
            if b"[Content_Types].xml" in head and folder in head:
                return kind, SAVE_AS_TEXT
        return "ZIP archive", UNPACK
    for signature, found in SIGNATURES.items():
        if head.startswith(signature):
            return found
    return ("tar archive", UNPACK) if head.startswith(b"ustar", TAR_MAGIC) else None


def undecided(head: bytes) -> bool:
    """Whether `head` is so short that it could be the beginning of a signature."""
    return any(len(head) < len(signature) and signature.startswith(head) for signature in (*SIGNATURES, ZIP))


def unmarked_utf_16(head: bytes) -> str | None:
    """The encoding of what looks like UTF-16 without a byte order mark: zeros at odd offsets only, or at even ones."""
    zeros = {"utf-16-be": head[::2].count(0), "utf-16-le": head[1::2].count(0)}
    few, many = sorted(zeros, key=zeros.__getitem__)
    return many if zeros[many] >= max(8, len(head) / 40) and zeros[few] <= zeros[many] / 20 else None
