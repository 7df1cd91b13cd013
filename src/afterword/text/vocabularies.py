"""The table of vocabularies: chosen by name, learned from a text, and recognised in a `tokenizer.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from afterword.errors import ModelError, OptionError, TextError
from afterword.records import as_record
from afterword.text.characters import CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import BYTES, Tokenizer, damaged

# In the order in which they are asked to recognise a tokenizer.json; the last one accepts what no other did.
VOCABULARIES: tuple[type[Tokenizer], ...] = (
    SymbolTokenizer,
    ClassicTokenizer,
    CharTokenizer,
)
USAGE = [kind.kind for kind in reversed(VOCABULARIES) if kind is not ClassicTokenizer]  # which its recipe chooses


@dataclass(frozen=True)
class ModelPart:
    """The `model` of a tokenizer.json."""

    vocab: dict[str, int]
    merges: list[tuple[str, str]]


@dataclass(frozen=True)
class TokenizerFile:
    """The part that every tokenizer.json has; each vocabulary reads the rest of its own."""

    model: ModelPart


class RemovedVocabularyError(ModelError):
    """A vocabulary that earlier versions of Afterword had."""


def vocabulary_asked_for(vocabulary: str) -> type[Tokenizer]:
    """Return the kind that `vocabulary` names. Raises OptionError."""
    for kind in VOCABULARIES:
        if kind.kind == vocabulary:
            return kind
    raise OptionError(f"`vocabulary` must be {' or '.join(USAGE)}, not {vocabulary[:60]}")


def from_json(content: str | bytes) -> Tokenizer:
    """Read what `Tokenizer.to_json` wrote, or what the library saved from it.

    Raises RemovedVocabularyError for the bytes and the subwords of earlier versions, ModelError for anything else.
    """
    try:
        found = json.loads(content, object_pairs_hook=_without_duplicates)
        model = as_record(TokenizerFile, found).model
        tokens = model.vocab
        if model.merges or tokens.get(BYTES[0]) == 0:
            name = "bpe" if model.merges else "byte"
            raise RemovedVocabularyError(f"its vocabulary is {name}, which Afterword reads up to version 0.3")
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
