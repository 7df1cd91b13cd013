"""Rules: what a text must match, enforced while it is drawn.

The rules become one expression: the user's pattern, and further ones for the allowed characters, the beginning, the
texts that must be contained, and the length. At every token, `llguidance` (https://github.com/guidance-ai/llguidance)
reports which tokens can still lead to a match. So a text that has begun is never abandoned, unless its automaton
outgrows its limits, and rules that nothing can match are refused before a text begins. Texts share an automaton; when
they outgrow it together, each gets its own.

Only the characters of the model's vocabulary count. The length is in characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import copy
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import regex

from afterword.errors import OptionError, WorkError, check_installed
from afterword.generation.sampling import Logits, Sampling
from afterword.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from llguidance import LLMatcher

LARGEST_RULE = 10_000  # characters of a rule
MOST_REPEATS = 200  # in a pattern; 3,300 take ten seconds and 670 MB, which grow with their square
MASKS_KEPT = 1000  # masks, at most
MOST_STATES = 50_000  # of the automaton of a text; up to 6 KB each
LONGEST = 100_000  # characters of a text with a rule
ANYTHING = "/(?s:.*)/"
STATES, STATES_PER_CHARACTER = 2000, 20  # simple rules need about eight per character
TOO_LARGE = (
    "the rules are too large: give simpler ones, or a larger max-tokens, which raises their limit "
    f"(up to {(MOST_STATES - STATES) // STATES_PER_CHARACTER:,})"
)
Masks = dict[bytes, tuple[Logits, bool]]  # by the bits of llguidance: `Rule.mask`, and whether only the end can follow
# not of a word; scripts without spaces between words have no word boundaries
NO_WORD = r"[\W\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
OF_WORD = rf"(?!{NO_WORD})(?s:.)"
APOSTROPHES = "'’"
NOTHING = '""'  # the expression of the text without characters


def most_states(longest: int | None) -> int:
    """Return the limit on the states of the automaton of a text of at most `longest` characters."""
    return MOST_STATES if longest is None else min(MOST_STATES, STATES + STATES_PER_CHARACTER * longest)


class Rules:
    """The rules of `sampling` for texts of `tokenizer`, of up to `longest` characters (None: any number).

    If there are `labels`, a text begins with one of them and a tab. Raises OptionError for invalid rules, for rules
    that no text obeys, and if llguidance is not installed.
    """

    def __init__(
        self, tokenizer: Tokenizer, sampling: Sampling, longest: int | None = None, labels: Sequence[str] = ()
    ) -> None:
        if longest is not None and longest > LONGEST:
            raise OptionError(f"a text with a rule may have at most {LONGEST:,} characters: give a smaller max-tokens")
        self._tokenizer = tokenizer
        self._masks: Masks = {}
        grammar, rules = _Grammar(_Vocabulary(tokenizer), most_states(longest)), _constraints(tokenizer, sampling)
        if labels:
            rules.append(("label", rf"/({'|'.join(map(_literal, labels))})\t(?s:.*)/"))
        for name, constraint in rules:
            if wrong := grammar.wrong(constraint):
                raise OptionError(f"{name} is invalid: {wrong}")
        length = [] if longest is None else [f"/(?s:.{{0,{longest}}})/"]
        constraints = [*length, *(constraint for _, constraint in rules)] or [ANYTHING]
        self._new = partial(grammar.matcher, [*constraints, f"/{_one_of(tokenizer.characters)}*/"])
        self._start: LLMatcher | None = self._new()
        if _is_impossible(self._start):
            names = " and ".join(dict.fromkeys(name for name, _ in rules))
            if not _is_impossible(_Grammar(_Bytes()).matcher(constraints)):
                texts = tokenizer.normalise("".join([sampling.starts_with or "", *sampling.contains]))
                unknown = ", ".join(map(repr, sorted({*texts} - {*tokenizer.characters})))[:100]
                why = f": it does not know {unknown}" if unknown else ""
                raise OptionError(f"no text of the characters that this model knows can match {names}{why}")
            at_most = "" if longest is None else f" of up to {longest:,} characters (max-tokens)"
            raise OptionError(f"no text{at_most} can match {names}")

    def begin(self) -> Rule:
        """Return the rules at the beginning of a text, which shares its automaton with the texts before it."""
        if self._start is None:
            self._start = self._new()
        return Rule(self._start.deep_copy(), self.own, self._masks, self._tokenizer)

    def own(self) -> LLMatcher:
        """Return a matcher with its own automaton. The shared one is full, so later texts share another."""
        self._start = None
        return self._new()


class Rule:
    """The rules within one text."""

    mask: Annotated[Logits, "R"]
    """0 for the rows that can follow, -inf for the others; the boundary can follow if the text can end here."""
    finished: bool
    """True if nothing can follow."""

    def __init__(self, matcher: LLMatcher, own: Callable[[], LLMatcher], masks: Masks, tokenizer: Tokenizer) -> None:
        self._matcher, self._masks, self._tokenizer = matcher, masks, tokenizer
        self._own: Callable[[], LLMatcher] | None = own  # None if the automaton is the text's own
        self._rows: list[int] = []
        self._look()

    def fork(self) -> Rule:
        """Return a copy, which can continue differently."""
        other = copy(self)
        other._matcher, other._rows = self._matcher.deep_copy(), [*self._rows]
        return other

    def push(self, *rows: int) -> None:
        self._rows += rows
        for row in rows:
            self._matcher.consume_token(row)
        self._look()

    def allows(self, text: str) -> bool:
        """Return whether `text` can follow."""
        rows = self._tokenizer.prefixes.rows_of(text)
        return bool(self._matcher.validate_tokens(rows) == len(rows))

    @property
    def may_end(self) -> bool:
        """Return whether the text can end here."""
        return bool(self._matcher.is_accepting())

    def _look(self) -> None:
        allowed = self._matcher.compute_bitmask()
        if self._own and _is_exhausted(self._matcher):  # other texts may have used up the limit
            self._matcher, self._own = self._own(), None
            self._matcher.consume_tokens(self._rows)
            allowed = self._matcher.compute_bitmask()
        if _is_exhausted(self._matcher):
            raise WorkError(TOO_LARGE)
        if allowed not in self._masks:
            if len(self._masks) == MASKS_KEPT:
                self._masks.clear()
            bits = np.unpackbits(np.frombuffer(allowed, np.uint8), bitorder="little")[: self._tokenizer.rows]
            mask = np.where(bits, 0.0, -np.inf)
            self._masks[allowed] = mask, not bits[np.arange(len(bits)) != self._tokenizer.end].any()
        self.mask, only_the_end = self._masks[allowed]
        self.finished = self._matcher.is_stopped() or (only_the_end and self._matcher.is_accepting())


class _Vocabulary:
    """The rows of a network in the form that llguidance needs."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.bos_token_id = None
        self.eos_token_id = tokenizer.rows if tokenizer.end is None else tokenizer.end
        self.special_token_ids = [*range(tokenizer.own_rows, tokenizer.rows), self.eos_token_id]
        self.tokens = [tokenizer.spelling(row) for row in range(tokenizer.rows)] + [b""] * (tokenizer.end is None)
        for row in self.special_token_ids:
            self.tokens[row] = b"<|%d|>" % row

    def __call__(self, text: str | bytes) -> list[int]:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "ignore")
        return [id for id in self._tokenizer.encode(text).tolist() if id < self._tokenizer.rows]


class _Bytes:
    """The 256 bytes in that form: they spell every text."""

    bos_token_id, eos_token_id, special_token_ids = None, 256, (256,)
    tokens = (*(bytes([byte]) for byte in range(256)), b"<|256|>")

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


class _Grammar:
    """Makes matchers of expressions over a vocabulary."""

    def __init__(self, vocabulary: _Vocabulary | _Bytes, states: int = MOST_STATES) -> None:
        check_installed("rules need llguidance: pip install 'afterword[patterns]'", "llguidance")
        import llguidance

        self._kind: Any = llguidance.LLMatcher
        self._tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(vocabulary), slices=[])
        self._limits = llguidance.LLParserLimits(max_lexer_states=states, verbose_errors=False)

    def matcher(self, constraints: Sequence[str]) -> LLMatcher:
        """Return a matcher at the beginning of a text that matches all of `constraints`."""
        matcher: LLMatcher = self._kind(
            self._tokenizer, _text(" & ".join(constraints)), log_level=0, limits=self._limits
        )
        matcher.compute_bitmask()  # detects that nothing matches
        if _is_exhausted(matcher):
            raise OptionError(TOO_LARGE)
        return matcher

    def wrong(self, constraint: str) -> str | None:
        """Return why `constraint` is invalid; None if it is valid."""
        error: str = self._kind.validate_grammar(_text(constraint), self._tokenizer, limits=self._limits)
        if not error or error.startswith("WARNING"):
            return None
        lines = error.splitlines()
        reason = next((line for line in lines if line.startswith("error: ")), lines[0])
        return re.sub(r"^at \d+\(\d+\): ", "", reason.removeprefix("error: "))[:120]


def _text(expression: str) -> str:
    """Return the grammar of texts that match `expression`."""
    return f"start: TEXT\nTEXT: {expression}\n"


def _is_exhausted(matcher: LLMatcher) -> bool:
    """Return whether it reached one of its limits. An error because nothing can follow does not count."""
    return matcher.is_error() and not matcher.get_error().startswith("NoExtension")


def _is_impossible(start: LLMatcher) -> bool:
    return start.is_stopped() and not start.is_accepting()


def _constraints(tokenizer: Tokenizer, sampling: Sampling) -> list[tuple[str, str]]:
    """Return the name and the expression of each given rule.

    Texts are normalised as the tokenizer does, except the pattern, which could change its meaning.
    """
    pattern, normalise = sampling.pattern, tokenizer.normalise
    only, first = (normalise(text or "") for text in (sampling.only, sampling.starts_with))
    texts_to_contain = [normalise(text) for text in sampling.contains]
    texts = {"pattern": pattern or "", "only": only, "starts-with": first}
    for name, text in {**texts, "contains": "".join(texts_to_contain)}.items():
        if len(text) > LARGEST_RULE:
            raise OptionError(f"{name} is too large: a rule may have at most {LARGEST_RULE:,} characters")
    constraints = []
    if pattern is not None:
        constraints.append(("pattern", _expression(pattern)))
    if sampling.only is not None:
        constraints.append(("only", f"/{_one_of(only)}*/" if only else NOTHING))
    if first:
        constraints.append(("starts-with", f"/{_literal(first)}(?s:.*)/"))
    return constraints + [("contains", f"/(?s:.*){_literal(text)}(?s:.*)/") for text in texts_to_contain]


@lru_cache(4096)
def is_of_word(character: str) -> bool:
    """Return whether `character` belongs to a word that ends where other characters begin."""
    return bool(character) and regex.match(NO_WORD, character) is None


def contained(text: str, whole: str, before: str = "") -> bool:
    """Return whether `whole`, which follows `before`, contains `text` between word boundaries.

    A word continues after an apostrophe: `can't` does not contain `can`. It may begin after one, as in `l'avion`.
    """
    first = rf"(?<!{OF_WORD})" if is_of_word(text[0]) else ""
    last = rf"(?![{APOSTROPHES}]?{OF_WORD})" if is_of_word(text[-1]) else ""
    return bool(regex.search(first + regex.escape(text) + last, before[-1:] + whole, pos=len(before[-1:])))


def _expression(pattern: str) -> str:
    """Return `pattern` between slashes, with the slashes and newlines in it escaped."""
    if sum(map(bool, re.findall(r"\\.|\(\?|([*+?{])", pattern, re.DOTALL))) > MOST_REPEATS:
        raise OptionError(f"pattern is too large: it may have at most {MOST_REPEATS} repeats (* + ? and {{}})")
    parts = []
    for token in re.findall(r"\\.|.", pattern, re.DOTALL):
        if token == "\\":
            raise OptionError("pattern is invalid: it ends in a single backslash")
        character = token[-1]
        parts.append(f"\\x0{ord(character):x}" if character in "\n\r" else "\\/" if token == "/" else token)
    return f"/{''.join(parts)}/" if parts else NOTHING


def _literal(text: str) -> str:
    return "".join(f"\\x{{{ord(character):x}}}" for character in text)


def _one_of(characters: str) -> str:
    return f"[{''.join(_literal(character) for character in dict.fromkeys(characters))}]"
