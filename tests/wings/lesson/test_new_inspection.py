"""The row of CONTRIBUTING.md on a new inspection is true: it is followed in a copy of the source."""

from __future__ import annotations

import json
from pathlib import Path

from tests.test_contributing import copied

INSPECTION = '''
"""The token that surprises the model most."""

from dataclasses import dataclass

from afterword.language_model import LanguageModel
from afterword.wings.lesson.finding import Finding


@dataclass(frozen=True, repr=False)
class Surprise(Finding):
    token: str
    caption, head = "most surprising", ("token",)

    def rows(self) -> list[list[str]]:
        return [[self.token]]

    def to_dict(self) -> dict[str, object]:
        return {"token": self.token}


def surprising(model: LanguageModel, text: str) -> Surprise:
    """Find the token that surprises the model most."""
    trace = model.gates(text)
    return Surprise(trace.tokens[int(trace.nats.argmax())])
'''
FOUND = "                return Found(finding=surprising(model, text))\n"
WHERE = "from afterword.wings.lesson.surprising import surprising\n"


def test_a_new_inspection_is_a_file_a_line_of_the_table_and_an_option(model: Path, tmp_path: Path) -> None:
    house = copied(tmp_path)
    file = house.file("inspection", 0, "surprising")
    file.write_text(INSPECTION)
    table = house.file("inspection", 1)
    row = table.read_text("utf-8").replace('"horizon:horizon", ', '"horizon:horizon", "surprising:surprising", ')
    table.write_text(row, "utf-8")
    inspecting = file.with_name("inspecting.py")
    text = inspecting.read_text("utf-8")
    for place, new in (
        ("from afterword.wings.lesson.step_page", WHERE),
        ("    step: Output", '    surprising: bool = setting("find the most surprising token", default=False)\n'),
        ('            if what == "horizon"', f"            if what == 'surprising':\n{FOUND}"),
    ):
        text = text.replace(place, f"{new}{place}", 1)
    inspecting.write_text(text.replace("MEASURED = (", 'MEASURED = ("surprising", '), "utf-8")
    assert json.loads(house.run("inspect", model, "abca", "--surprising", "--json"))["token"] in "abc"
    call = f"import afterword; print(afterword.surprising(afterword.load({str(model)!r}), 'abca'))"
    assert house.python("-c", call).stdout.startswith(b"most surprising\n")
