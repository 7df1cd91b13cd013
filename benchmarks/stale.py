"""List the figures that are older than what they depend on:

    python -m benchmarks.stale            each, and the tables that changed since its commit
    python -m benchmarks.stale --count    only how many

A figure is the newest result of a command in benchmarks/results/. It names its commit and its tables; the files of each
table are in TABLES of benchmarks/commands.py. A result without a commit, or of one that this repository lacks, is of
unknown age.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import click

from benchmarks import commands
from benchmarks.commands import DEPENDS, TABLES, as_written


def newest() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the newest result of each command, and all without a command, each with the name of its file."""
    for name in DEPENDS:
        if (commands.PLACE / "results" / f"{name}.jsonl").exists():
            yield from {
                result.get("command", k): (name, result) for k, result in enumerate(commands.results(name))
            }.values()


def changed(commit: str | None, tables: Sequence[str]) -> list[str] | None:
    """Return those of the tables whose files changed since the commit; None if it is not known."""
    found = []
    for table in tables if commit else ():
        asked = ["git", "-C", str(commands.PLACE.parent), "log", "-1", "--format=%h", f"{commit}..HEAD", "--"]
        done = subprocess.run([*asked, *TABLES.get(table, ["."])], capture_output=True, text=True)
        if done.returncode:
            return None
        found += [table] if done.stdout else []
    return found if commit else None


@click.command(help=as_written(__doc__))
@click.option("--count", is_flag=True, help="print only the number")
def main(count: bool) -> None:
    stale, unknown = 0, Counter[str]()
    for name, result in newest():
        tables = changed(result.get("commit"), result.get("depends", DEPENDS[name]))
        if tables is None:
            unknown[name] += 1
        elif tables:
            stale += 1
            if not count:
                click.echo(f"{name}.jsonl: {result['command']}, {result['date']}: changed since: {', '.join(tables)}")
    for name, number in unknown.items():
        if not count:
            click.echo(f"{name}.jsonl: {number} of unknown age")
    click.echo(f"{stale} figures are older than what they depend on; {unknown.total()} are of unknown age")


if __name__ == "__main__":
    main()
