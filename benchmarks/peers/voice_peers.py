"""Other ways to verify an author, run by benchmarks/voice.py in an environment that has pyppmd and scikit-learn.

python voice_peers.py TEXTS.json: the texts are {"own": {AUTHOR: TEXT}, "passages": [TEXT, …], "written": [AUTHOR, …]}.
All passages have the same length. Prints {METHOD: [for each author, the likeness of each passage]}; a higher one is
more alike. The regression does not learn from the writer of the passage.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyppmd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

ORDER, MEMORY = 6, 16 << 20
GROUPS = 4  # of authors, of which each is left out in turn
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def bits(text):
    return 8 * len(pyppmd.compress(text.encode(), max_order=ORDER, mem_size=MEMORY))


def compressions(own, passages):
    """Return the negative of the bits that a passage adds to the author's text, divided by its own size.

    This is the one-sided distance of Cilibrasi and Vitányi (2005).
    """
    before, alone = {author: bits(text) for author, text in own.items()}, np.array([bits(one) for one in passages])
    added = np.array([[before[author] - bits(text + one) for one in passages] for author, text in own.items()])
    return (added / alone).tolist()


def cosine(own, passages):
    """Return the cosine of TF-IDF counts of character 4-grams: the baseline of PAN 2020 to 2023."""
    counted = TfidfVectorizer(analyzer="char", ngram_range=(4, 4), max_features=3000).fit(cut(own, len(passages[0]))[0])
    return (counted.transform(own.values()) @ counted.transform(passages).T).toarray().tolist()


def regressions(own, passages, written):
    """Return the scores of logistic regression on character 2- to 5-grams of pieces as long as the passages.

    The other authors are in four groups, and each is left out in turn: a passage is judged by what did not learn its
    writer's group. The author's own passages get the mean of the four.
    """
    pieces, authors = cut(own, len(passages[0]))
    counted = TfidfVectorizer(analyzer="char", ngram_range=(2, 5), sublinear_tf=True, min_df=2, max_features=100_000)
    learned, asked = counted.fit_transform(pieces), counted.transform(passages)
    authors, names = np.array(authors), np.array(list(own))

    def scores(author, left_out):
        judge = LogisticRegression(C=10, class_weight="balanced", max_iter=1000)
        used = ~np.isin(authors, [one for one in left_out if one != author])
        return judge.fit(learned[used], authors[used] == author).decision_function(asked)

    group_of = {name: k % GROUPS for k, name in enumerate(own)}
    groups = np.array([group_of[author] for author in written])
    found = []
    for author in own:
        each = np.array([scores(author, names[k::GROUPS]) for k in range(GROUPS)])
        found.append(np.where(np.array(written) == author, each.mean(axis=0), np.choose(groups, each)).tolist())
    return found


def delta(own, passages, most=500):
    """Return the cosine Delta on the commonest words (Evert and others 2017)."""
    words = [word for word, _ in Counter(WORD.findall(" ".join(own.values()).lower())).most_common(most)]

    def rates(text):
        found = Counter(WORD.findall(text.lower()))
        return np.array([found[word] for word in words]) / max(found.total(), 1)

    pieces = np.array([rates(piece) for piece in cut(own, len(passages[0]))[0]])
    mean, spread = pieces.mean(axis=0), pieces.std(axis=0) + 1e-12
    both = ((np.array([rates(one) for one in some]) - mean) / spread for some in (own.values(), passages))
    ours, theirs = (some / (np.linalg.norm(some, axis=1, keepdims=True) + 1e-12) for some in both)
    return (ours @ theirs.T).tolist()


def cut(own, length):
    """Return pieces of each author's text of about `length` characters, and their authors."""
    found = [
        (text[k : k + length], author) for author, text in own.items() for k in range(0, len(text) - length, length)
    ]
    return tuple(zip(*found, strict=True))


if __name__ == "__main__":
    texts = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    own, passages = texts["own"], texts["passages"]
    found = {
        "logistic regression, not knowing the writer": regressions(own, passages, texts["written"]),
        "PPMd, distance": compressions(own, passages),
        "cosine Delta": delta(own, passages),
        "4-grams, cosine": cosine(own, passages),
    }
    print(json.dumps(found))
