"""List the installed bases, from which a run can begin."""

from __future__ import annotations

from typing import Any

from afterword.bases.base import load_installed
from afterword.bases.installed import installed
from afterword.operations.operation import Record, Request, operation
from afterword.operations.work import Work
from afterword.records import fact
from afterword.settings import settings_class
from afterword.wording import aligned, readable

COLUMNS = {
    "name": "name",
    "size": "bytes",
    "network": "network",
    "text, characters": "characters",
    "bits per character": "bits_per_character",
    "folder": "folder",
}


@settings_class()
class Bases(Request):
    """List the installed bases: models that every command takes by name, and from which a run can begin.

    The bits per character are measured on text that was held out from the base's training.
    """

    example = "bases"


class InstalledBases(Record):
    """The facts about each usable base, and a sentence about each base that cannot be used."""

    bases: list[dict[str, Any]]
    notes: list[str]

    def __str__(self) -> str:
        rows = [{**row, "bytes": f"{row['bytes'] / 1e6:.1f} MB"} for row in self.bases]
        return aligned([[*COLUMNS], *([readable(row[name]) for name in COLUMNS.values()] for row in rows)], "<><>><")


@operation(Bases)
def bases_(request: Bases, work: Work) -> InstalledBases:
    found = installed()
    usable, problems = load_installed(found)
    rows = []
    for base in usable:
        config, about, folder = base.model.config, base.model.about, found.folders[base.name]
        row = {
            "name": base.name,
            "folder": str(folder),
            "bytes": sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
            "network": config.network,
            "parameters": config.parameters,
            "vocabulary": base.model.tokenizer.kind,
            "vocabulary_size": config.vocabulary_size,
            "sources": fact(about, "corpus", "sources"),  # its maker may have left out facts
            "characters": fact(about, "corpus", "training", "characters"),
            "bits_per_character": fact(about, "validation", "bits_per_character"),
            "fingerprint": base.fingerprint,
        }
        rows.append(row)
    work.note(*problems)
    return InstalledBases(bases=rows, notes=problems)
