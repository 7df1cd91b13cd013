"""Rules: what a text that is written must match, enforced while it is drawn.

The rules become one expression: the user's pattern, and further ones for the characters that may come, the beginning,
what must be contained and the length. Of every beginning of a text `llguidance` (https://github.com/guidance-ai/llguidance)
says which tokens leave it possible to obey: so none that is begun has to be given up, but where the automaton
outgrows its limits, and one that cannot be is refused before it begins.

Only what the model can write counts: the characters of its vocabulary. The length is counted in characters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from afterword.errors import OptionError, WorkError
from afterword.generation.sampling import Logits, Sampling
from afterword.text.tokenizer import Tokenizer
from afterword.text.vocabularies.byte import ByteTokenizer

if TYPE_CHECKING:
    from llguidance import LLMatcher

LARGEST = 10_000  # characters of a rule
KEPT = 1000  # masks
MOST_STATES = 50_000  # of the automaton that a text goes through; some kilobytes each
LONGEST = 100_000  # characters of a text with a rule
ANYTHING = "/(?s:.*)/"
TOO_LARGE = "the rules are too large to be followed in so long a text: give simpler ones, or a smaller max-tokens"
Masks = dict[bytes, tuple[Logits, bool]]  # by what llguidance says: see `Rule.mask`, and whether only the end may come
NOTHING = '""'  # the expression of the text without characters


class Rules:
    """The rules of `sampling` for texts of `tokenizer`, from `shortest` to `longest` characters (None: any number).

    Raises OptionError for rules that cannot be read, that no text obeys, or where llguidance is not installed.
    """

    def __init__(self, tokenizer: Tokenizer, sampling: Sampling, shortest: int = 0, longest: int | None = None) -> None:
        if longest is not None and longest > LONGEST:
            raise OptionError(f"a text with a rule has at most {LONGEST:,} characters: give a smaller max-tokens")
        self._tokenizer, self._rows = tokenizer, tokenizer.rows
        self._masks: Masks = {}
        grammar, rules = _Grammar(tokenizer), _terms(tokenizer, sampling)
        for name, term in rules:
            if wrong := grammar.wrong(term):
                raise OptionError(f"{name} cannot be followed: {wrong}")
        length = [] if longest is None else [f"/(?s:.{{{shortest},{longest}}})/"]
        terms = [*length, *(term for _, term in rules)] or [ANYTHING]
        self._start = grammar.matcher([*terms, *_alphabet(tokenizer)])
        if _is_impossible(self._start):
            names = " and ".join(dict.fromkeys(name for name, _ in rules))
            if not _is_impossible(_Grammar(ByteTokenizer.of()).matcher(terms)):
                raise OptionError(f"no text of the characters that this model knows can match {names}")
            at_most = "" if longest is None else f" of {shortest:,} to {longest:,} characters (max-tokens)"
            raise OptionError(f"no text{at_most} can match {names}")

    def begin(self) -> Rule:
        """The rules at the beginning of a text."""
        return Rule(self._start.deep_copy(), self._masks, self._tokenizer)

    def allow(self, text: str) -> bool:
        """Whether `text` obeys them."""
        ids = self._tokenizer.encode(text).tolist()
        if max(ids, default=0) >= self._rows:
            return False
        matcher = self._start.deep_copy()
        return bool(matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting())


class Rule:
    """The rules within one text."""

    mask: Logits
    """0 for the rows that may come next, -inf for the others, [R]; the boundary may where the text may end."""
    finished: bool
    """Whether nothing more can come."""

    def __init__(self, matcher: LLMatcher, masks: Masks, tokenizer: Tokenizer) -> None:
        self._matcher, self._masks, self._tokenizer = matcher, masks, tokenizer
        self._look()

    def push(self, row: int) -> None:
        self._matcher.consume_token(row)
        self._look()

    def _look(self) -> None:
        allowed = self._matcher.compute_bitmask()
        if _is_exhausted(self._matcher):
            raise WorkError(TOO_LARGE)
        if allowed not in self._masks:
            if len(self._masks) == KEPT:
                self._masks.clear()
            bits = np.unpackbits(np.frombuffer(allowed, np.uint8), bitorder="little")[: self._tokenizer.rows]
            mask = np.where(bits, 0.0, -np.inf)
            others = np.delete(bits, [] if self._tokenizer.end is None else self._tokenizer.end)
            self._masks[allowed] = mask, not others.any()
        self.mask, only_the_end = self._masks[allowed]
        self.finished = self._matcher.is_stopped() or (only_the_end and self._matcher.is_accepting())


class _Vocabulary:
    """The rows of a network as llguidance wants to know them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.tokens = [tokenizer.spelling(row) for row in range(tokenizer.rows)]
        self.special_token_ids: list[int] = []
        if tokenizer.rows < tokenizer.size:  # which of the bytes, one row for all does not say
            self._special(tokenizer.rows - 1)
        self.eos_token_id = tokenizer.rows if tokenizer.end is None else tokenizer.end
        if tokenizer.end is None:
            self.tokens.append(b"")
        self._special(self.eos_token_id)
        self.bos_token_id = None

    def _special(self, row: int) -> None:
        self.tokens[row] = b"<|%d|>" % row
        self.special_token_ids.append(row)

    def __call__(self, text: str | bytes) -> list[int]:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "ignore")
        return [id for id in self._tokenizer.encode(text).tolist() if id < self._tokenizer.rows]


class _Grammar:
    """Makes matchers of expressions over a vocabulary."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        try:
            import llguidance
        except ImportError:
            raise OptionError("rules need llguidance: pip install 'afterword[patterns]'") from None
        self._kind: Any = llguidance.LLMatcher
        self._tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Vocabulary(tokenizer)), slices=[])
        self._limits = llguidance.LLParserLimits(max_lexer_states=MOST_STATES, verbose_errors=False)

    def matcher(self, terms: Sequence[str]) -> LLMatcher:
        """At the beginning of a text that matches all of `terms`."""
        matcher: LLMatcher = self._kind(self._tokenizer, _text(" & ".join(terms)), log_level=0, limits=self._limits)
        matcher.compute_bitmask()  # which finds that nothing matches
        if _is_exhausted(matcher):
            raise OptionError(TOO_LARGE)
        return matcher

    def wrong(self, term: str) -> str | None:
        """Why `term` cannot be read; None where it can."""
        error: str = self._kind.validate_grammar(_text(term), self._tokenizer, limits=self._limits)
        if not error or error.startswith("WARNING"):
            return None
        lines = error.splitlines()
        reason = next((line for line in lines if line.startswith("error: ")), lines[0])
        return re.sub(r"^at \d+\(\d+\): ", "", reason.removeprefix("error: "))[:120]


def _text(expression: str) -> str:
    """The grammar of texts that match `expression`."""
    return f"start: TEXT\nTEXT: {expression}\n"


def _is_exhausted(matcher: LLMatcher) -> bool:
    """Whether it came to one of its limits; that nothing can follow is no such error."""
    return matcher.is_error() and not matcher.get_error().startswith("NoExtension")


def _is_impossible(start: LLMatcher) -> bool:
    return start.is_stopped() and not start.is_accepting()


def _terms(tokenizer: Tokenizer, sampling: Sampling) -> list[tuple[str, str]]:
    """Each rule that the user gives, and its expression; their texts are normalised as the tokenizer does, but for the
    pattern, of which that would make another one."""
    pattern, normalise = sampling.pattern, tokenizer.normalise
    only, without, first = (normalise(text or "") for text in (sampling.only, sampling.without, sampling.starts_with))
    for name, text in (("pattern", pattern or ""), ("only", only), ("without", without), ("starts-with", first)):
        if len(text) > LARGEST:
            raise OptionError(f"{name} is too large: a rule has {LARGEST:,} characters at most")
    terms = []
    if pattern is not None:
        terms.append(("pattern", _expression(pattern)))
    if sampling.only is not None:
        terms.append(("only", f"/{_one_of(only)}*/" if only else NOTHING))
    if without:
        terms.append(("without", f"~/(?s:.*){_one_of(without)}(?s:.*)/"))
    if first:
        terms.append(("starts-with", f"/{_literal(first)}(?s:.*)/"))
    contained = [normalise(text) for text in sampling.contains]
    if sum(map(len, contained)) > LARGEST:
        raise OptionError(f"contains is too large: a rule has {LARGEST:,} characters at most")
    return terms + [("contains", f"/(?s:.*){_literal(text)}(?s:.*)/") for text in contained]


def _alphabet(tokenizer: Tokenizer) -> list[str]:
    """The expression of what the model can write; none where that is every text."""
    return [f"/{_one_of(tokenizer.characters)}*/"] if tokenizer.characters else []


def _expression(pattern: str) -> str:
    """`pattern` between slashes: those in it are escaped, and so are the ends of lines."""
    parts = []
    for token in re.findall(r"\\.|.", pattern, re.DOTALL):
        if token == "\\":
            raise OptionError("pattern cannot be followed: it ends in a single backslash")
        character = token[-1]
        parts.append(f"\\x0{ord(character):x}" if character in "\n\r" else "\\/" if token == "/" else token)
    return f"/{''.join(parts)}/" if parts else NOTHING


def _literal(text: str) -> str:
    return "".join(f"\\x{{{ord(character):x}}}" for character in text)


def _one_of(characters: str) -> str:
    return f"[{''.join(_literal(character) for character in dict.fromkeys(characters))}]"
