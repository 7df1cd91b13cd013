"""Mistakes that no declaration knows: each gets one line and status 2, before anything is printed or written.

What is declared with an option (type, limits, choices, needs and excludes) is tested for all of them in
tests/operations.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cases import cases
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.tiny import hourly, long_csv, save_tiny, save_tiny_series

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
    "few": b"abc\n" * 10,
    "equal": b"abc\n" * 50,
    "good": b"abc\nabd\n" * 500,
    "broken": b'{"finding": 1}\n',
    "csv": b"finding,detector,why\n1,text,odd\n",
    "read": b"file,line,text,bits,bits_per_character\na,1,b,9,9\n",
    "half": b'{"finding": 1, "lines": [{"file": "a", "line": 1, "text": "a\\ud800"}]}\n',
    "table": long_csv(hourly(1)),
}
OF_TEXT = ["generate series", "generate series --prompt a --num 3", "novelty series", "inspect series a"]
OF_TEXT += [f"{name} series text" for name in ("score", "surprises", "odd", "calibrate", "novelty")]
OF_TEXT += ["compare series english --file text", "push series me/mine", "serve series --port 0"]
OF_TEXT += cases("OF_TEXT")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files and with models: tiny, mixed, lines and series."""
    place = tmp_path_factory.mktemp("mistakes")
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    save_tiny(place / "mixed", mixed=True)
    save_tiny(place / "lines", lines=True)
    save_tiny_series(place / "series")
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
        ("inspect tiny ab --html one --step ./one", "one is named twice"),
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
        ("inspect tiny abcdabcd --find z", "matches nothing in this text"),
        ("inspect tiny abcdabcd --find '(?s).'", "matches everything in this text"),
        ("inspect tiny abcdabcd --find (", "is not a regular expression"),
        *cases("MISTAKES"),
        # what is odd
        ("odd lines text", "afterword calibrate"),
        *[(f"odd lines text {one}", f"{one.split()[0]} is for training, but") for one in ("--network 1", "--out x")],
        ("odd lines text --no-auto-mask", "--no-auto-mask is for training"),
        *[(f"odd {one} text --false-alarms 1e-320", "from 1e-09 to below 1") for one in ("lines", "good")],
        ("odd lines", "give at least one FILE, or --accepted alone"),
        ("odd text --accepted", "only a model keeps accepted lines"),
        ("odd equal text", "needs at least 99 good lines"),
        ("odd good text --false-alarms 0.0001", "needs at least"),
        ("odd good text --mask [", "is not a regular expression"),
        ("odd good text --out /dev/null", "is a file: give --out a folder"),
        ("odd good nothing", "cannot read nothing"),
        ("odd good empty", "is empty"),
        ("odd good latin", "is not utf-8"),
        ("odd good nul", "NUL"),
        *[(f"calibrate lines {one}", "has no lines") for one in ("empty", "blank")],
        ("calibrate lines few", "calibration needs at least 24 lines"),
        ("calibrate lines nul", "NUL"),
        ("calibrate lines latin", "is not utf-8"),
        ("calibrate english good", "is an installed base"),
        ("accept lines", "there is nothing to accept: give a LINE, or --from"),
        ("accept lines ''", "a LINE is one line that is not empty"),
        ("accept lines 'x\ny'", "give several one by one"),
        ("accept lines x\udcff", "character 1 of the text is a lone surrogate (U+DCFF), the byte FF, not valid"),
        ("accept lines --from broken", "has a finding that cannot be read: lines"),
        *[(f"accept lines --from {one}", "as odd --json prints them") for one in ("csv", "read")],
        ("accept lines --from half", "cannot be read: it contains a lone surrogate, which is not valid"),
        ("accept lines x", "run afterword calibrate MODEL FILE"),
        # what is trained
        ("plan nothing", "nothing"),
        ("train short --out run", "5 characters; at least 64 are needed"),
        ("train same --out run", "only one distinct character"),
        ("train book --out run --encoding klingon", "unknown encoding 'klingon'"),
        ("train book --out run --validation 2", "validation must be"),
        ("train book --out run --validation nowhere.txt", "nowhere.txt"),
        ("train book --out run --vocabulary word", "vocabulary must be"),
        ("train good --out run --labels", "good:1 has no tab: with --labels every line is a label, a tab and a text"),
        ("train book --out run --seq-length 60000", "seq-length"),
        ("train book --out book", "is a file"),
        ("train book --out book/deeper", "cannot"),
        ("train -", "--out"),
        ("train --resume run", "there is no such folder"),
        ("train --resume tiny", "holds no run"),
        ("train --repeat run --out new", "there is no such folder"),
        ("plan book --hidden-size 16384 --num-layers 16 --steps 1", "GiB"),
        # series and texts
        *[
            (f"{line}", "this model has learned series of numbers, not text: use afterword forecast")
            for line in OF_TEXT
        ],
        ("forecast table", "missing horizon: give --horizon with the number of values to forecast"),
        ("forecast", "missing FILE"),
        ("forecast series table table", "give one table, with a model before it or without, not 3 names"),
        ("forecast series", "is a folder: name a table too"),
        ("forecast none table", "none"),
        ("forecast series table --season 7", "season 7 is not this model's, which is 24"),
        ("forecast tiny table", "this is a model of text, which cannot forecast: train one with afterword forecast"),
        ("forecast series table --keep new", "--keep keeps a new network, and that of series exists already"),
        ("forecast table --horizon 3 --keep new --method naive", "--keep keeps an LSTM, and --method naive has none"),
        ("forecast table --horizon 3 --keep series", "series exists already: name a new folder"),
        # what is sent and taken
        ("push tiny me", "write USER/NAME"),
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
