from __future__ import annotations

import re
from pathlib import Path

from afterword.model.network import cell

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("classic.md", "gates.md")
SUMS = {"model/network/cell.py": cell.__doc__ or "", **{page: (DOCS / page).read_text("utf-8") for page in PAGES}}


def test_u_is_the_inputs_matrix_and_w_the_hidden_states_wherever_the_equations_stand() -> None:
    for name, text in SUMS.items():
        sums = re.findall(r"(?:σ|tanh)\((.*(?:U|W).*)\)", text)
        assert len(sums) >= 4, name
        for terms in sums:
            assert re.search(r"U\w* x\b|X_t U", terms), (name, terms)
            assert re.search(r"W\w* h\b|H_\S+ W", terms), (name, terms)
