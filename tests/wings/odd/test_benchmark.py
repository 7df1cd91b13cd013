"""The figure by which benchmarks judge detectors, against its plain definition, and the logs that they judge."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from benchmarks.commands import DATA
from benchmarks.detection import auc
from benchmarks.odd import auc_of, oddest
from benchmarks.plants import CHANGES, EACH, KINDS, Cluster, labelled_logs, planted


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_how_often_an_odd_line_scores_above_a_normal_one(seed: int) -> None:
    random = np.random.default_rng(seed)
    odd, normal = random.integers(2, 9, 12).astype(float), random.integers(0, 7, 30).astype(float)  # many are equal
    assert auc(odd, normal) == pytest.approx(np.mean([(a > b) + (a == b) / 2 for a, b in product(odd, normal)]))


def test_findings_begin_with_the_oddest_and_hold_lines_that_are_alike() -> None:
    judged = [(0.1, "a"), (0.3, "b"), (0.2, "c"), (0.3, "b"), (0.3, "d")]
    assert [lines for _, lines in oddest(judged, 0.2)] == [[1, 3], [4], [2]]
    assert [lines for _, lines in oddest(judged, None)] == [[1, 3], [4], [2], [0]]
    assert [auc_of(judged, {1, 3, 4}), auc_of(judged, {0})] == [1, 0]


def test_a_seed_gives_the_same_nights_and_each_change_alters_them() -> None:
    for happens in CHANGES.values():
        one, same, unchanged = Cluster(1), Cluster(1), Cluster(1)
        for each in (one, same):
            happens(each)
        nights = [each.night(200) for each in (one, same, unchanged)]
        assert nights[0] == nights[1]
        assert (nights[0] == nights[2]) == (happens is CHANGES["ordinary"])


def test_only_the_kinds_asked_for_are_planted_and_all_other_lines_stay() -> None:
    night, kinds = Cluster(2).night(300), [*KINDS][:3]
    log = planted("night", [], night, 2, kinds)
    assert Counter(log.kinds.values()) == dict.fromkeys(kinds, EACH)
    assert [a for a, b in zip(night, log.new, strict=True) if a != b] == [night[at] for at in sorted(log.kinds)]


@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is missing")
def test_no_detector_reads_a_label() -> None:
    for log in labelled_logs():
        assert log.kinds
        assert not {*log.kinds.values()} & {line.split(" ")[0] for line in [*log.good, *log.new]}
