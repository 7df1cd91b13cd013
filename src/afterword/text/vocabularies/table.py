"""The table of vocabularies: chosen by name, learned from a text, and known again in a `tokenizer.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from afterword.errors import OptionError, TextError
from afterword.text.tokenizer import Tokenizer, damaged
from afterword.text.vocabularies.bpe import BpeTokenizer
from afterword.text.vocabularies.byte import ByteTokenizer
from afterword.text.vocabularies.char import CharTokenizer
from afterword.text.vocabularies.classic import ClassicTokenizer

# In the order in which they are asked whether a tokenizer.json is theirs; the last one takes what no other took.
VOCABULARIES: tuple[type[Tokenizer], ...] = (
    BpeTokenizer,
    ClassicTokenizer,
    ByteTokenizer,
    CharTokenizer,
)

USAGE = [kind.usage for kind in reversed(VOCABULARIES) if kind.usage]


def chosen(vocabulary: str) -> tuple[type[Tokenizer], str]:
    """The kind that `vocabulary` names, and what follows its colon, as N in bpe:N. Raises OptionError."""
    name, colon, argument = vocabulary.partition(":")
    for kind in VOCABULARIES:
        if kind.kind == name and (not colon or ":" in kind.usage):
            kind.check_argument(argument)
            return kind, argument
    raise OptionError(f"vocabulary must be {', '.join(USAGE[:-1])} or {USAGE[-1]}, not {vocabulary[:60]}")


def learn(vocabulary: str, characters: str, texts: Iterable[str], lowercase: bool) -> Tokenizer:
    """The tokenizer that `vocabulary` names, of a training text; see `Tokenizer.learn`. Raises OptionError."""
    kind, argument = chosen(vocabulary)
    return kind.learn(characters, texts, argument, lowercase)


def from_json(text: str) -> Tokenizer:
    """Read what `Tokenizer.to_json` wrote, or the library saved again after that. Raises ModelError for all else."""
    try:
        found = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise damaged(f"it is not JSON that can be read ({error})") from None
    model = _part(found, "model")
    tokens = _part(model, "vocab")
    if not all(type(id) is int for id in tokens.values()):
        raise damaged("its vocabulary has an id that is not a whole number")
    lowercase = found.get("normalizer") is not None
    try:
        tokenizer = next(filter(None, (kind.recognise(tokens, found, lowercase) for kind in VOCABULARIES)))
    except TextError as error:
        raise damaged(str(error)) from None
    standard = tokenizer.standard()
    for ours, theirs in ((standard.pop("model"), model), (standard, found)):
        for key, value in ours.items():
            if theirs.get(key) != value:
                raise damaged(f"its {key} is not what a {tokenizer.kind} tokenizer has")
    return tokenizer


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("the same key twice")
    return found


def _part(found: Any, name: str) -> dict[str, Any]:
    part = found.get(name) if isinstance(found, dict) else None
    if not isinstance(part, dict):
        raise damaged(f"it has no {name}")
    return part
