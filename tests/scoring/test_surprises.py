from __future__ import annotations

import math
import re
from collections import defaultdict
from html.parser import HTMLParser
from itertools import accumulate
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from afterword.errors import TextError
from afterword.model.network.network import log_probabilities
from afterword.model.ngram.mixture import USES
from afterword.scoring import costs
from afterword.scoring.costs import score, score_lines
from afterword.scoring.surprises import CONTEXT, LIKELIEST, NAMED, PLACES, Summary, Surprise, surprises
from afterword.scoring.surprises_page import surprises_html
from afterword.text.unicode import spaced
from tests.scoring.test_costs import CHAR, LOWER, NETWORKS, TOKENIZERS, mixture_for, texts, tokenizers

HOSTILE = "</b><script>alert(1)</script>&amp;\"'\u202e\x1b[31m\t"


def bits(found: list[Surprise]) -> float:
    return sum(surprise.bits for surprise in found)


@settings(max_examples=50)
@example([], CHAR, 1, False)
@example(["a", "", "b☃c"], CHAR, 1, True)
@given(st.lists(texts, max_size=6), tokenizers, st.integers(1, 5000), st.booleans())
def test_they_are_the_text_or_its_lines_and_sum_to_their_score_in_pieces_of_any_size(
    some: list[str], tokenizer: Any, numbers: int, lines: bool
) -> None:
    network, text = NETWORKS[tokenizer], "\n".join(some)
    filled, end = [line for line in text.split("\n") if line], "" if tokenizer.end is None else "\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "NUMBERS_AT_ONCE", numbers)
        found = list(surprises(network, tokenizer, text, lines))
    whole = score_lines(network, tokenizer, filled) if lines else [score(network, tokenizer, text)]
    assert bits(found) == pytest.approx(sum(one.bits for one in whole))
    assert "".join(one.text for one in found) == ("".join(line + end for line in filled) if lines else text)
    assert lines or [one.start for one in found] == [*accumulate((len(one.text) for one in found), initial=0)][:-1]
    for one, other in zip(found, surprises(network, tokenizer, text, lines), strict=True):
        before = text[: one.start]  # line and column are where an editor counts them
        assert (one.line, one.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))
        assert (text + "\n").startswith(one.text, one.start)
        assert one.bits == pytest.approx(other.bits, abs=1e-4)
        assert one.bits > -1e-9
        assert [p for _, p in one.alternatives] == pytest.approx([p for _, p in other.alternatives], abs=1e-5)
        assert sum(p for _, p in one.alternatives) < 1 + 1e-5


@pytest.mark.parametrize("using", USES)
def test_a_mixtures_bits_and_alternatives_are_of_what_it_predicts_with(using: str) -> None:
    network, text = mixture_for(CHAR, using), "abca\nß é" * 3
    found = list(surprises(network, CHAR, text))
    assert bits(found) == pytest.approx(score(network, CHAR, text).bits, rel=1e-12)
    told = [(one, dict(one.alternatives)[one.text]) for one in found if one.text in dict(one.alternatives)]
    assert told
    for one, probability in told:
        assert 2**-one.bits == pytest.approx(probability, rel=1e-4)


@pytest.mark.parametrize("tokenizer", [one for one in TOKENIZERS if not one.several], ids=lambda one: one.kind)
def test_alternatives_are_the_likeliest_of_the_predicted_distribution(tokenizer: Any) -> None:
    network = NETWORKS[tokenizer]
    ids, state = tokenizer.encode("abc ab"), network.start()
    expected: list[Any] = []
    for id in ([] if tokenizer.end is None else [tokenizer.end]) + ids[:-1].tolist():
        logits, state = network.step(np.array([id]), state)
        expected.append(log_probabilities(logits)[0])
    seen = range(network.config.vocabulary_size - (network.config.byte_tokens > 1))
    found = list(surprises(network, tokenizer, "abc ab"))
    if tokenizer.end is None:  # nothing is expected at the start
        assert found[0].bits == pytest.approx(math.log2(tokenizer.rows))
        assert found.pop(0).alternatives == ()
    assert len(found) == len(expected)
    for surprise, probabilities in zip(found, expected, strict=True):
        best = sorted((row for row in seen if row != tokenizer.end), key=lambda row: -float(probabilities[row]))
        names = [tokenizer.names[row] for row in best[:LIKELIEST]]
        assert [text for text, _ in surprise.alternatives] == names
        assert [p for _, p in surprise.alternatives] == pytest.approx(np.exp(probabilities[best[:LIKELIEST]]), abs=1e-5)


def test_a_lines_end_is_an_alternative_of_lines_alone() -> None:
    for lines, known in ((False, set("abc ")), (True, set("abc \n"))):
        found = list(surprises(NETWORKS[LOWER], LOWER, "ab", lines))
        assert [{text for text, _ in one.alternatives} for one in found] == [known] * len(found)
        with pytest.raises(TextError, match="surrogate"):  # before anything is read
            surprises(NETWORKS[LOWER], LOWER, "ab\n\ud800", lines)


def test_the_texts_own_case_is_shown_unless_it_has_another_length() -> None:
    for text, shown in (("aBÉ", "aBÉ"), ("İA", "i̇a")):
        assert "".join(surprise.text for surprise in surprises(NETWORKS[LOWER], LOWER, text)) == shown


@given(st.text("ab \n\té☃\ufeff", max_size=60), st.sets(st.sampled_from("b\té☃\ufeff")), st.booleans())
def test_what_was_never_learned_is_named_once_and_not_listed(text: str, unseen: set[str], lines: bool) -> None:
    summary, chance = Summary(), math.log2(CHAR.rows)
    found = list(summary.watch(surprises(NETWORKS[CHAR], CHAR, text, lines, unseen="".join(unseen))))
    first, run = dict[str, Surprise](), ""
    for one in found:
        run = "" if lines and one.column == 1 else run
        run = (run + one.text)[-CONTEXT:] if one.text.isspace() else ""
        if not run:
            assert one.unlearned == (one.text if one.text in unseen else "")
        elif first.setdefault(run, one) is not one:
            assert one.unlearned == first[run].unlearned
        elif one.unlearned == run and len(run) > 1:
            assert one.bits > chance
        elif one.unlearned:  # since an earlier blank of the run
            assert one.unlearned in (one.text, first.get(run[:-1], one).unlearned)
        else:
            assert one.text not in unseen
            assert len(run) == 1 or one.bits <= chance
    assert summary.bits == pytest.approx(bits(found))
    assert not any(place.surprise.unlearned for place in summary.most)
    named = list(dict.fromkeys(spaced(one.unlearned) for one in found if one.unlearned))
    assert len(summary.notes) == bool(named)
    for note in summary.notes:
        assert re.findall(r"(\S+) \(\d+:\d+\)", note) == named[:NAMED]


@given(st.lists(st.floats(0, 30), max_size=40))
def test_a_summary_keeps_what_surprised_most_in_bounded_memory(values: list[float]) -> None:
    summary = Summary()
    found = [Surprise("x", k, 1 + k // 30, k % 30 + 1, value, ()) for k, value in enumerate(values)]
    assert list(summary.watch(found)) == found
    assert summary.characters == len(values)
    assert summary.bits == pytest.approx(sum(values))
    most = sorted(found, key=lambda one: (-one.bits, one.start))[:PLACES]
    assert [place.surprise for place in summary.most] == most
    for place in summary.most:
        assert place.before == "x" * min(CONTEXT, place.surprise.column - 1)


class Seen(HTMLParser):
    """The tags and attributes of a page, the texts below each kind of tag, and what is told of each character."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.told = set[str](), set[str](), list[str]()
        self.texts = defaultdict[str, list[str]](list)
        self._in = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in = tag
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attributes)
        self.told += [value or "" for name, value in attributes if name == "data-e"]

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._in].append(data)


def drawn(name: str, text: str, room: int = 10**6, lines: bool = False) -> Summary:
    found = Summary(name, room)
    list(found.watch(surprises(NETWORKS[CHAR], CHAR, text, lines)))
    return found


def test_a_page_shows_any_text_as_text() -> None:
    alternatives = (("<script>", 0.5), ('"&\n', 0.25))
    text = Summary("<i>&", 10**6)
    list(text.watch([Surprise(one, k, 1, k + 1, 3.0, alternatives) for k, one in enumerate(HOSTILE)]))
    seen = Seen(surprises_html([text], "<model>"))
    assert not seen.tags & {"script", "img", "link"}
    assert not any(name.startswith(("on", "src", "style")) for name in seen.attributes)
    assert "".join(seen.texts["b"]) == HOSTILE.replace("\u202e", "<202E>").replace("\x1b", "<1B>").replace("\t", "→\t")
    assert (seen.texts["h2"], seen.texts["p"][0]) == (["<i>&"], "<model>")
    assert set(seen.told) == {'3.0 bits; expected\n<script> 50%\n"&↵ 25%'}


def test_a_page_draws_no_more_than_it_has_room_for_and_numbers_lines_as_the_text_does() -> None:
    text = drawn("long", "abc\n" * 50, room=30)
    content = surprises_html([text])
    assert len(Seen(content).told) == 30 == len(text.drawn)
    assert "Only the first 30 characters are drawn below" in content
    content = surprises_html([drawn("lines", "\n\nab\nc\n\nd", lines=True)])  # empty lines are left out
    assert "are drawn below" not in content
    assert re.findall("<li[^>]*>", content) == ["<li value=3>", "<li>", "<li value=6>"]
