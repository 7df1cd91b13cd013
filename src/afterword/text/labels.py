"""Lines that say of which kind they are: a label, a tab, and the line's own text. The first tab is the one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import chain, islice

from afterword.errors import OptionError, TextError
from afterword.text.lines import whole_lines
from afterword.text.reading import Reader
from afterword.text.sources import Document
from afterword.text.tokenizer import Tokenizer
from afterword.text.unicode import lower

TAB = "\t"
TOLD = 5  # labels, where one is not known
MOST = 1000  # different labels: more are ids or texts, taken for labels by mistake


def check_labelled(documents: Iterable[Document], reader: Reader, lowercase: bool) -> None:
    """Raise TextError for the first line of `documents` that is not a label, a tab and a text; empty ones may be.

    Also where there are more than `MOST` labels, which are the same in any case if `lowercase`.
    """
    labels: set[str] = set()
    for document in documents:
        for number, line in enumerate(chain.from_iterable(whole_lines(reader.pieces(document))), start=1):
            label, tab, text = line.partition(TAB)
            if label in labels and text:
                continue
            if wrong := _what_is_wrong(label, tab, text):
                raise TextError(f"{document.name}:{number} {wrong}")
            if line:
                labels.add(lower(label) if lowercase else label)
            if len(labels) > MOST:
                raise TextError(
                    f"{document.name}:{number} has one more label than the {MOST:,} that are allowed: "
                    "what stands before the first tab of a line must be its kind"
                )


def _what_is_wrong(label: str, tab: str, text: str) -> str | None:
    if not tab:
        return "has no tab: with --labels every line is a label, a tab and a text" if label else None
    if not label:
        return "has no label before its tab: with --labels every line is a label, a tab and a text"
    return None if text else "has no text after its tab: give it some, or leave the line out"


def count_labels(texts: Iterable[str], lowercase: bool) -> dict[str, int]:
    """How many lines each label has in labelled lines that come in pieces, the most frequent one first."""
    counts = Counter(line.partition(TAB)[0] for lines in whole_lines(texts) for line in lines)
    if lowercase:
        found, counts = counts, Counter()
        for label, count in found.items():
            counts[lower(label)] += count
    return dict(counts.most_common())


def known_label(label: str, labels: Mapping[str, int], tokenizer: Tokenizer) -> str:
    """`label` as a model knows it that has `labels`. Raises OptionError, which names those that it knows."""
    if not labels:
        raise OptionError("this model knows no labels: leave the label out, or train one with --labels")
    if not isinstance(label, str):
        raise OptionError(f"label must be text, not {repr(label)[:60]}")
    name = tokenizer.normalise(label)
    if name not in labels:
        close = get_close_matches(name, labels, n=1)
        first = ", ".join(map(repr, islice(labels, TOLD)))
        more = f" and {len(labels) - TOLD:,} more" if len(labels) > TOLD else ""
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise OptionError(f"there is no label {name[:40]!r}: {meant}the model knows {first}{more}")
    return name
