"""segments.py TEXT LANGUAGE: where sentencex ends the sentences of a text, in characters."""

import sys
from pathlib import Path

import sentencex

text, end = Path(sys.argv[1]).read_bytes().decode("utf-8"), 0
for segment in sentencex.segment(sys.argv[2], text):
    start = text.index(segment, end)
    end = start + len(segment)
    print(start + len(segment.rstrip()))
