"""Mistakes that no declaration knows: each gets one line and status 2, before anything is printed or written.

What is declared with an option (type, limits, choices, needs and excludes) is tested for all of them in
tests/operations.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from afterword.commands import commands, learned_kinds
from tests.cases import cases
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.tiny import save_tiny

SENTENCE = b"A text for all the rest of it. "
FILES = {
    "text": "abé\n\ndcb☃\n".encode(),
    "empty": b"",
    "there.html": b"",
    "blank": b"\n",
    "short": b"short",
    "same": b"a" * 1000,
    "latin": b"Latin \xe9 text. " * 20,
    "nul": b"a text with a \0 in it. " * 20,
    "book": SENTENCE * 20,
    **cases("FILES"),
}
OF_TEXT = ["generate {0}", "generate {0} --prompt a --num 3", "novelty {0}", "inspect {0} a"]
OF_TEXT += [f"{name} {{0}} text" for name in ("score", "surprises", "novelty")]
OF_TEXT += cases("OF_TEXT")
OF_TEXT += ["compare {0} english --file text", "serve {0} --port 0"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and with models: tiny, mixed, lines, and those that have not learned text."""
    place = tmp_path_factory.mktemp("mistakes")
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    save_tiny(place / "mixed", mixed=True)
    save_tiny(place / "lines", lines=True)
    for name, save in cases("MODELS").items():
        save(place / name)
    save_tiny(place / "tiny")
    return place


@pytest.mark.parametrize(
    ("line", "says"),
    [
        # of the command itself
        ("genrate", "no such command 'genrate'; did you mean generate? (see afterword --help)"),
        ("xyzzy", "no such command 'xyzzy' (see afterword --help)"),
        ("--verison", "--version"),
        ("generate tiny --sede 1", "did you mean '--seed'? (see afterword generate --help)"),
        ("train", "missing TEXT: name a text file, as in: afterword train book.txt"),
        ("plan", "missing TEXT: name a text file, as in: afterword plan book.txt"),
        ("generate", "missing argument 'MODEL' (see afterword generate --help)"),
        ("score tiny", "missing argument 'FILE...' (see afterword score --help)"),
        ("compare tiny --file -", "missing argument 'MODEL2...'"),
        ("generate tiny --temp 1", "no such option '--temp'; did you mean '--temperature'? (see"),
        ("train text --minute 1", "no such option '--minute'; did you mean '--minutes'? (see"),
        ("info a b", "unexpected extra argument (b): put text with spaces in quotation marks (see"),
        ("generate tiny It was", '(It was): put text with spaces in quotation marks, as in --prompt "It was " (see'),
        ("train https://a.org/b.txt", "cannot read https://a.org/b.txt: download it first, then name the file"),
        ("surprises tiny text --csv --json", "leave one of them out"),
        # models and files
        *[(f"{name} no/such", "no model at no/such: no such folder") for name in ("info", "generate", "novelty")],
        *[(f"{name} no/such text", "no model at no/such: no such folder") for name in ("score", "surprises")],
        ("compare tiny no/such --file text", "no model at no/such"),
        ("compare tiny tiny --file text", "is named twice"),
        ("compare tiny mixed", "name one with --file"),
        ("info", "info needs one of the two: MODEL or --system"),
        ("info english --system", "info needs one of the two: MODEL or --system"),
        ("score tiny nothing", "cannot read nothing"),
        ("score tiny latin", "encoding"),
        ("score tiny text --encoding klingon", "unknown encoding 'klingon'"),
        *[(f"score {name} -", "standard input is empty: there is nothing to score") for name in ("tiny", "lines")],
        ("score lines blank", "blank is empty: there is nothing to score"),
        *[(f"compare tiny mixed --file -{more}", "standard input is empty: there is") for more in ("", " --lines")],
        *[(f"surprises tiny empty{more}", "empty is empty: there is") for more in ("", " --csv", " --html x.html")],
        ("novelty tiny empty", "is not available: give the folder of its run"),
        ("novelty tiny text -n 3", "--num and FILE exclude each other"),
        # outputs
        ("inspect tiny ab --html /", "/ is a folder: name a file"),
        ("inspect tiny ab --png no/such/file", "the folder no/such does not exist; make it first"),
        ("inspect tiny ab --html one --png ./one", "one is named twice"),
        ("inspect tiny ab --png x.jpg", "x.jpg: this file will be PNG, so its name must end in .png"),
        ("inspect tiny ab --html text.txt", "text.txt: this file will be HTML, so its name must end in .html or .htm"),
        ("surprises tiny text --html there.html", "there.html exists already"),
        ("generate tiny --out ''", "the path is empty: name a file"),
        ("train book --config ''", "the path is empty: name a file"),
        # what a model can do
        ("score tiny text --with ngram", "this model has no n-gram"),
        ("compare mixed tiny --file text --with ngram", "tiny: this model has no n-gram"),
        ("score mixed text --adapt --hold forget=1", "a held model does not adapt"),
        *[
            (f"{command} --hold forget=1 --engine fast", "engine fast cannot hold a part of the network at a value")
            for command in ("generate tiny", "score tiny text")
        ],
        *[(f"{command} --hold l7.u0=1", "unknown layer l7") for command in ("generate tiny", "score tiny text")],
        ("generate tiny --unique", "--unique and --novel are for models of lines"),
        ("generate lines --novel", "is not available: give the folder of its run"),
        ("generate tiny --no-copy 20", "is not available: give the folder of its run"),
        ("generate tiny --label x", "knows no labels"),
        # what is written
        ("generate tiny --stop ''", "stop must be text of at least one character"),
        ("generate tiny --prompt a\udcff", "lone surrogate"),
        ("generate tiny --prompt-file no/such", "cannot read no/such"),
        ("generate tiny --prompts no/such", "cannot read no/such"),
        ("generate tiny --prompts blank", "has no line to continue"),
        ("generate tiny --pattern (a", "pattern is invalid: unclosed group"),
        ("generate tiny --pattern xyz", "no text of the characters that this model knows can match pattern"),
        ("generate tiny --pattern a --starts-with b", "can match pattern and starts-with"),
        ("generate tiny --pattern a{9} --max-tokens 5", "no text of up to 5 characters (max-tokens) can match pattern"),
        (f"generate tiny --pattern {'a' * 200_000}", "pattern is too large"),
        ("generate tiny --pattern a --stop b", "--stop and --pattern exclude each other"),
        ("generate tiny --logit-bias e", "logit-bias must be a token and a number"),
        ("generate tiny --logit-bias ab=1", "logit-bias must name a token of this model"),
        ("generate tiny --logit-bias a=nan", "logit-bias must be a token and a number"),
        ("generate tiny --log-probabilities 2", "give --json too"),
        # what is inspected
        ("inspect tiny", "give either a text to read, or a file with --file"),
        ("inspect tiny ab --file x", "give either a text to read, or a file with --file"),
        ("inspect tiny ''", "the text to look at is empty"),
        (
            f"inspect tiny {'a' * 20_001}",
            "at most 20,000 can be shown with this model: take a part of it, such as --str",
        ),
        ("inspect tiny ab --stretch 7:9", "the stretch 7:9 is empty: the text ends before it"),
        ("inspect tiny ab --stretch 7", "write it as 1000:3000"),
        *[
            (f"inspect tiny {'ab' * 500} --stretch {part}", f"the stretch {part} is empty: LAST must be greater")
            for part in ("500:100", "100:100", ":0")
        ],
        ("inspect tiny ab --units l0.u6", "unknown unit u6: a layer of this model has u0 to u5"),
        ("inspect tiny ab --units l2.u0", "unknown layer l2: the model has the layers l0 to l1"),
        ("inspect tiny ab --units u0", "write it as l0.u42"),
        ("inspect tiny ab --hold forget=2", "forget must be from 0 to 1"),
        ("inspect tiny ab\udcff", "lone surrogate"),
        *cases("MISTAKES"),
        # what is trained
        ("plan nothing", "nothing"),
        ("train short --out run", "5 characters; at least 64 are needed"),
        ("train same --out run", "only one distinct character"),
        ("train book --out run --encoding klingon", "unknown encoding 'klingon'"),
        ("train book --out run --validation 2", "validation must be"),
        ("train book --out run --validation nowhere.txt", "nowhere.txt"),
        ("train book --out run --vocabulary word", "vocabulary must be"),
        ("train text --out run --labels", "text:1 has no tab: with --labels every line is a label, a tab and a text"),
        ("train book --out run --seq-length 60000", "seq-length"),
        ("train book --out book", "is a file"),
        ("train book --out book/deeper", "cannot"),
        ("train -", "--out"),
        ("train --resume run", "there is no such folder"),
        ("train --resume tiny", "holds no run"),
        ("train --repeat run --out new", "there is no such folder"),
        ("plan book --hidden-size 16384 --num-layers 16 --steps 1", "GiB"),
        # of wings
        *[
            (line.format(name), learned_kinds()[name].refused)
            for name in cases("MODELS")
            for line in OF_TEXT
            if line.split()[0] in commands()
        ],
    ],
    ids=lambda value: value[:60].encode("ascii", "backslashreplace").decode(),
)
def test_a_mistake_gets_one_line_and_leaves_nothing(
    line: str, says: str, place: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    before = contents(place)
    assert says in error_line(run(*shlex.split(line)))
    assert contents(place) == before


def contents(place: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in place.rglob("*")}
