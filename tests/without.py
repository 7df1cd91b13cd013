"""Take each wing off a copy of the house, and check what is left.

    python -m tests.without               the linter, the import contracts, the help, every command and the server
    python -m tests.without --tests       and the tests, but for those in a browser and hostile ones
    python -m tests.without odd hub       of these wings alone

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

from afterword.commands import WINGS

ROOT = Path(__file__).parents[1]
TABLE, PACKAGE = "src/afterword/commands.py", "src/afterword/__init__.py"
IMPORTS = """
from afterword.commands import WINGS, attached, commands, found, functions
for place in [*functions().values(), *(one.place for one in attached().values())]:
    found(place)
for wing in WINGS.values():
    for place in (*wing.elsewhere.values(), *wing.routes, *wing.facts):
        found(place)
import afterword.serving.server
"""
CHECKS = (
    ("-m", "ruff", "check", "--quiet", "."),
    ("-c", "from importlinter.cli import lint_imports_command as lint; lint()"),
    ("-m", "afterword", "--help"),
    ("-W", "error", "-c", IMPORTS),
)


def copied(place: Path, wing: str | None) -> None:
    """Copy the house to `place`, without `wing`."""
    kept = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    gone = [f"src/afterword/wings/{wing}/*", f"tests/wings/{wing}/*", *(WINGS[wing].files if wing else ())]
    for name in filter(None, kept.stdout.decode().split("\0")):
        path = Path(name)
        if (ROOT / path).exists() and not any(
            path.match(one) or path.is_relative_to(one.removesuffix("/*")) for one in gone
        ):
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, place / path)
    if wing:
        table, package = place / TABLE, place / PACKAGE
        table.write_text(without_row(table.read_text("utf-8"), wing), "utf-8")
        package.write_text(without_imports(package.read_text("utf-8"), wing), "utf-8")


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
    """Return the package's names for type checkers without those of `wing`."""
    line = rf"^    from afterword\.wings\.{wing}\.\S+ import (\w+)\n"
    names = re.findall(line, source, re.MULTILINE)
    source = re.sub(line, "", source, flags=re.MULTILINE)
    return re.sub(rf'^    "({"|".join(names)})",\n', "", source, flags=re.MULTILINE) if names else source


def check(wing: str, tests: Sequence[str]) -> Iterator[str]:
    """Yield what fails of the house without `wing`."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copied(place, wing)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(place / "src"), str(place)])}
        for one in (*CHECKS, *([("-m", "pytest", *tests)] if tests else ())):
            done = subprocess.run(
                [sys.executable, *one], cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            if done.returncode:
                yield f"without {wing}: {' '.join(one)[:80]}\n{done.stdout.decode()[-4000:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wings", nargs="*", metavar="WING", default=[*WINGS])
    parser.add_argument("--tests", action="store_true")
    asked = parser.parse_args()
    tests = (
        ["-n", "2", "--dist", "worksteal", "--ignore=tests/browser", "--ignore=tests/hostile"] if asked.tests else []
    )
    failed = [one for wing in asked.wings for one in check(wing, tests)]
    print(*failed, sep="\n")
    sys.exit(bool(failed) and f"{len(failed)} checks failed")


if __name__ == "__main__":
    main()
