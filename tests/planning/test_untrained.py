"""Laws of a base's cost as it is: it is that of scoring, and does not depend on whose tokens the n-gram counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterword.bases.base import Base
from afterword.learning.validation import learn_ngram
from afterword.model.ngram.tables import HIGHEST_ORDER
from afterword.planning.untrained import Untrained
from afterword.scoring.costs import score_lines
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from tests.bases.small import SYMBOLS, base_of

TEXT = "".join(f"The {k}th line of this book, and no more.\n" for k in range(120))
OF_TEXT = "\n ,.0123456789Tabdefhiklmnorst"
BASES = [base_of(OF_TEXT, name="characters"), base_of(SYMBOLS.for_text(OF_TEXT, False), name="symbols")]


def corpus(place: Path, lines: bool, text: str = TEXT, validation: str = "0.3") -> EncodedCorpus:
    (place / "text").write_text(text)
    (place / "corpus").mkdir(exist_ok=True)
    with read_corpus([place / "text"], TextSettings(lines=lines, validation=validation)) as read:
        return encode(read, learn_tokenizer(read, None, False), place / "corpus")


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("base", BASES, ids=lambda base: base.name)
def test_it_costs_what_scoring_its_texts_costs_and_mixed_no_more_than_either(
    tmp_path: Path, base: Base, lines: bool
) -> None:
    encoded = corpus(tmp_path, lines)
    read = Untrained.read(base, encoded, 500)
    assert read is not None
    characters = sum(map(len, read.texts)) + lines * len(read.texts)
    assert 300 < characters < 600
    measured = read.with_ngram(learn_ngram(encoded, HIGHEST_ORDER), encoded.tokenizer)
    scores = score_lines(base.model.network(), base.model.tokenizer, read.texts)
    if not lines:
        nats = sum(score.token_nats[:-1].sum() for score in scores)  # without the end
        assert measured.lstm == pytest.approx(nats / characters, rel=1e-4)
    assert measured.ngram is not None
    assert measured.cost <= min(measured.lstm, measured.ngram) + 1e-6


@pytest.mark.parametrize("lines", [False, True])
def test_what_the_n_gram_costs_does_not_depend_on_the_tokens_of_the_base(tmp_path: Path, lines: bool) -> None:
    encoded = corpus(tmp_path, lines)
    read = [Untrained.read(base, encoded, 500) for base in BASES]
    ngram = learn_ngram(encoded, HIGHEST_ORDER)
    costs = [one.with_ngram(ngram, encoded.tokenizer).ngram for one in read if one is not None]
    assert costs == pytest.approx([costs[0]] * 2)


def test_nothing_held_out_and_characters_that_only_the_held_out_text_has_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "held-out").write_text("☃☃ book.☃ ")
    encoded = corpus(tmp_path, lines=False, validation=str(tmp_path / "held-out"))
    read = Untrained.read(BASES[1], encoded, 500)
    assert read is not None
    assert "".join(read.texts) == " book. "
    (tmp_path / "held-out").write_text("☃")
    assert Untrained.read(BASES[1], corpus(tmp_path, False, validation=str(tmp_path / "held-out")), 500) is None
