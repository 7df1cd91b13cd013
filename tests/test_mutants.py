"""The changes of the code that `make mutants` makes."""

import ast
from pathlib import Path

import pytest

from tests import mutants
from tests.mutants import candidates, changed, found, kept

CODE = '''
class A:
    def f(self, x: int = 3) -> int:
        """Return 1."""
        if x < 2 and self.known:
            raise ValueError(f"{x} < 2")
        self.x = "ä" + g(x, self[1:])
        while True:
            break
        return x * 2
'''
CHANGES = [
    ("logic", "x < 2 and self.known", "x < 2 or self.known"),
    ("comparison", "x < 2", "x <= 2"),
    ("constant", "x < 2", "x < 3"),
    ("removal", "self.x = 'ä' + g(x, self[1:])", "pass"),
    ("constant", "self[1:]", "self[0:]"),
    ("loop", "break", "continue"),
    ("return", "return x * 2", "return None"),
    ("arithmetic", "x * 2", "x / 2"),
    ("constant", "x * 2", "x * 3"),
]


def test_a_change_replaces_its_code_and_nothing_else_and_no_message_hint_or_default() -> None:
    every = [*candidates("a.py", ast.parse(CODE))]
    assert [mutant[:6] for mutant, _ in every] == [("a.py", "A.f", *change, 0) for change in CHANGES]
    before = ast.unparse(ast.parse(CODE))
    for mutant, node in every:
        after = ast.unparse(ast.parse(changed(CODE, node, mutant.replacement)))
        assert before != after == before.replace(mutant.original, mutant.replacement)


def test_a_change_is_found_again_after_its_file_has_moved_and_those_that_are_kept_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len({mutant[:6] for mutant in kept()}) == len(kept()) == 300
    monkeypatch.setattr(mutants, "TOP", tmp_path)
    every = [mutant for mutant, _ in candidates("a.py", ast.parse(CODE))]
    (tmp_path / mutants.HOUSE / "room").mkdir(parents=True)
    (tmp_path / mutants.HOUSE / "room" / "b.py").write_text("x = 1\n" + CODE.replace("x * 2", "x * 9"), "utf-8")
    assert [every[number].original for number in found(every)] == [before for _, before, _ in CHANGES[:6]]
