"""The table of vocabularies: chosen by name, learned from a text, and recognised in a `tokenizer.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from afterword.errors import OptionError, TextError
from afterword.records import as_record
from afterword.text.bpe import BpeTokenizer
from afterword.text.characters import ByteTokenizer, CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer, damaged

# In the order in which they are asked to recognise a tokenizer.json; the last one accepts what no other did.
VOCABULARIES: tuple[type[Tokenizer], ...] = (
    SymbolTokenizer,
    BpeTokenizer,
    ClassicTokenizer,
    ByteTokenizer,
    CharTokenizer,
)


@dataclass(frozen=True)
class ModelPart:
    """The `model` of a tokenizer.json."""

    vocab: dict[str, int]
    merges: list[tuple[str, str]]


@dataclass(frozen=True)
class TokenizerFile:
    """The part that every tokenizer.json has; each vocabulary reads the rest of its own."""

    model: ModelPart


USAGE = [kind.usage for kind in reversed(VOCABULARIES) if kind.usage]


def vocabulary_asked_for(vocabulary: str) -> tuple[type[Tokenizer], str]:
    """Return the kind that `vocabulary` names, and what follows its colon, as N in bpe:N. Raises OptionError."""
    name, colon, argument = vocabulary.partition(":")
    for kind in VOCABULARIES:
        if kind.kind == name and (not colon or ":" in kind.usage):
            kind.check_argument(argument)
            return kind, argument
    raise OptionError(f"vocabulary must be {', '.join(USAGE[:-1])} or {USAGE[-1]}, not {vocabulary[:60]}")


def from_json(content: str | bytes) -> Tokenizer:
    """Read what `Tokenizer.to_json` wrote, or what the library saved from it. Raises ModelError for anything else."""
    try:
        found = json.loads(content, object_pairs_hook=_without_duplicates)
        tokens = as_record(TokenizerFile, found).model.vocab
        lowercase = found.get("normalizer") is not None
        tokenizer = next(filter(None, (kind.recognise(tokens, found, lowercase) for kind in VOCABULARIES)))
    except (ValueError, RecursionError, TextError) as error:
        raise damaged(str(error)) from None
    standard = tokenizer.standard()
    for ours, theirs in ((standard.pop("model"), found["model"]), (standard, found)):
        for key, value in ours.items():
            if theirs.get(key) != value:
                raise damaged(f"its {key} is not what a {tokenizer.kind} tokenizer has")
    return tokenizer


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("the same key twice")
    return found
