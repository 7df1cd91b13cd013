"""Take wings off copies of the house, and check what is left.

    python -m tests.without               each wing by itself: the linter, the import contracts, the help, every command
    python -m tests.without odd hub       the same for these wings alone
    python -m tests.without --tests       the tests: the core's without any wing, and those of each half of the wings
                                          without the other half; not those in a browser, hostile ones, and of prose

What goes is the row of the wing in `afterword.commands`, what it names, and its lines in `afterword/__init__.py`, which
names functions for type checkers.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from afterword.commands import CORE, WINGS
from tests.everywhere import copy_files

TABLE, PACKAGE = "src/afterword/commands.py", "src/afterword/__init__.py"
IMPORTS = """
from afterword.commands import WINGS, attached_files, elsewhere, places, public_names, resolve
names = [begins for wing in WINGS.values() for begins in wing.elsewhere]
own = [place for kind in ("routes", "scripts", "facts") for place in places(kind)]
files = [one.place for one in attached_files().values()]
for place in [*public_names().values(), *files, *map(elsewhere, names), *own]:
    resolve(place)
import afterword.serving.server
"""
CHECKS = (
    ("-m", "ruff", "check", "--quiet", "."),
    ("-c", "from importlinter.cli import lint_imports_command as lint; lint()"),
    ("-m", "afterword", "--help"),
    ("-W", "error", "-c", IMPORTS),
)
PYTEST = ("-m", "pytest", "-n", "3", "--dist", "worksteal")
OTHERS = ("browser", "hostile", "wings", "test_docs.py", "test_interface.py")


def copied(place: Path, wings: Sequence[str]) -> None:
    """Copy the house to `place`, without `wings`."""
    copy_files(place)
    for wing in wings:
        for gone in (f"src/afterword/wings/{wing}", f"tests/wings/{wing}", *WINGS[wing].files):
            for path in [*place.glob(gone)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, without in ((TABLE, without_row), (PACKAGE, without_imports)):
            (place / name).write_text(without((place / name).read_text("utf-8"), wing), "utf-8")


def without_row(source: str, wing: str) -> str:
    """Return the table without the row of `wing`."""
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        match node:
            case ast.Assign([ast.Name("WINGS")], ast.Dict(keys, values)):
                each = zip(keys, values, strict=True)
                [(key, value)] = [one for one in each if isinstance(one[0], ast.Constant) and one[0].value == wing]
                assert key is not None
                del lines[key.lineno - 1 : value.end_lineno]
    return "".join(lines)


def without_imports(source: str, wing: str) -> str:
    """Return the package's names for type checkers without those of `wing`, whose commands the core may have too."""
    core = {name: (one.place or f"operations.{name}:").partition(":")[0] for name, one in CORE.items()}
    block = re.search(r"(^    from afterword\..*\n)+", source, re.MULTILINE)
    assert block is not None
    own = re.findall(rf"^    from afterword\.wings\.{wing}\..*\n", block[0], re.MULTILINE)
    names = {line.rpartition(" as ")[2].strip() for line in own}
    left = {*block[0].splitlines(keepends=True)} - {*own}
    left |= {f"    from afterword.{core[name]} import {name} as {name}\n" for name in names & core.keys()}
    return source.replace(block[0], "".join(sorted(left)))


def checked(wings: Sequence[str], checks: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield what each of `checks` that fails says of the house without `wings`."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copied(place, wings)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place / "src"), str(place)])}
        for one in checks:
            command = [sys.executable, *one]
            done = subprocess.run(
                command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            if done.returncode:
                yield f"without {', '.join(wings)}: {' '.join(one)[:80]}\n{done.stdout.decode()[-6000:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wings", nargs="*", metavar="WING", default=[*WINGS])
    parser.add_argument("--tests", action="store_true")
    asked = parser.parse_args()
    if asked.tests:
        half, others = asked.wings[::2], asked.wings[1::2]
        each = [(asked.wings, [f"--ignore=tests/{other}" for other in OTHERS])]
        each += [
            (gone, [f"tests/wings/{wing}" for wing in left]) for gone, left in ((half, others), (others, half)) if left
        ]
        failed = [found for wings, tests in each for found in checked(wings, [(*PYTEST, *tests)])]
    else:
        failed = [found for wing in asked.wings for found in checked([wing], CHECKS)]
    print(*failed, sep="\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
