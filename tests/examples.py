"""Write what the examples in docs/ print now into their pages, and name those that change: `make examples`.

A block below `<!-- derived -->` shows commands and what they print; if it has no command, those of the block before it
print it. They run in an empty folder. A block below `<!-- printed once: REASON -->` depends on something that differs
from run to run or from machine to machine, and stays as it was printed.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
MARK = r"(?P<mark><!-- (?P<kind>derived|printed once: [^\n]+) -->\n)?"
BLOCK = re.compile(rf"^{MARK}```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"(?:(?:afterword |printf |tail |#).*\n(?:    .*\n)*)*")  # a long one goes on below, indented


def commands(body: str) -> str:
    """Return the lines at the start of a block that are commands."""
    found = COMMANDS.match(body)
    return found[0] if found else ""


def printed(lines: str, folder: Path) -> str:
    """Return what commands print in `folder`, on standard output and standard error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    environment |= {"NO_COLOR": "1", "COLUMNS": "80"}
    out = ""
    for line in lines.replace("\\\n", "").splitlines():
        if given := shlex.split(line, comments=True):
            run = [sys.executable, "-m", *given]
            done = subprocess.run(run, cwd=folder, env=environment, stdout=-1, stderr=-2, text=True, encoding="utf-8")
            out += done.stdout
    return out


def derived(page: str) -> str:
    """Return the text of a page with its derived blocks as they are printed now."""
    shown = ""  # the commands of the block before

    def renewed(found: re.Match[str]) -> str:
        nonlocal shown
        own = "" if found["language"] else commands(found["body"])
        if found["kind"] != "derived":
            shown = own
            return found[0]
        with tempfile.TemporaryDirectory() as folder:
            return f"{found['mark']}```\n{own}{printed(own or shown, Path(folder)).rstrip()}\n```"

    return BLOCK.sub(renewed, page)


def main() -> None:
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        if (now := derived(page)) != page:
            print(path.relative_to(ROOT))
            path.write_text(now, encoding="utf-8")


if __name__ == "__main__":
    main()
