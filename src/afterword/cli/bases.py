"""`afterword bases`: the installed bases, from which a run can begin."""

from __future__ import annotations

from typing import Any

import click

from afterword.bases.base import Base, load_installed
from afterword.bases.installed import installed
from afterword.cli.output import note, shown, strict_json
from afterword.operations.aligned import aligned, readable
from afterword.records import fact

TITLES = ("name", "size", "network", "text, characters", "bits per character", "folder")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
def bases(as_json: bool) -> None:
    """List the installed bases: models that every command takes by name, and from which a run can begin.

    The bits per character are those of text that was held out when the base was trained.
    """
    found = installed()
    usable, problems = load_installed(found)
    rows = []
    for base in usable:
        folder = found.folders[base.name]
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        rows.append({"name": base.name, "folder": str(folder), "bytes": size, **_facts(base)})
    if as_json:
        print(strict_json({"bases": rows, "notes": problems}, indent=2))
        return
    note(*problems)
    columns = ("name", "bytes", "network", "characters", "bits_per_character", "folder")
    table = [
        [f"{row[name] / 1e6:.1f} MB" if name == "bytes" else readable(row[name]) for name in columns] for row in rows
    ]
    print(shown(aligned([TITLES, *table], "<><>><")))


def _facts(base: Base) -> dict[str, Any]:
    config, about = base.config, base.model.about  # its maker may have left out facts
    return {
        "network": config.network,
        "parameters": config.parameters,
        "vocabulary": base.model.tokenizer.kind,
        "vocabulary_size": config.vocabulary_size,
        "sources": fact(about, "corpus", "sources"),
        "characters": fact(about, "corpus", "training", "characters"),
        "bits_per_character": fact(about, "validation", "bits_per_character"),
        "fingerprint": base.fingerprint,
    }
