"""What finding odd lines adds to a model, and examples of its commands for the laws over all commands."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import afterword
from afterword.language_model import LanguageModel
from afterword.model.ngram.mixture import Using
from afterword.storage import temporary_folder
from afterword.wings.odd.calibration import Calibration, Costs
from afterword.wings.odd.good_lines import GoodLines
from afterword.wings.odd.normal import CALIBRATION_FILE, LINES_FILE, calibrated, odd_lines, with_good_lines


def attachments(seed: int) -> dict[str, Any]:
    """Return what a model can have; all of it tells the seed."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 30, 50).astype(float)
    bits, expected = random.normal(3, 1, (2, 50)) * lengths
    normal = Costs(bits, expected, random.normal(8, 1, 50), lengths)
    return {
        CALIBRATION_FILE: Calibration.of(normal, random.normal(3, 1, 500), ["[0-9]+"], "both"),
        LINES_FILE: GoodLines.of([f"{word} {seed}" for word in "ab"] * 30),
    }


def attach(model: LanguageModel, seed: int) -> LanguageModel:
    """Return a model of lines that was calibrated. No attachment is like that of another `seed`."""
    random, letters = np.random.default_rng(seed), "abcdé"[:: 1 - 2 * (seed % 2)]
    lines = [f"{letters[k % 3]} {letters[k % 2]} {k % 7} {letters[4]}" for k in range(80)]
    lines += [f"a 10.0.{random.integers(4)}.{random.integers(250)} b {random.integers(1000)} b" for _ in range(80)]
    usual = GoodLines.of(lines)
    return with_good_lines(calibrated(model, [*map(usual.hide, lines)], masks=[f"x{seed}"]), usual)


def of_lines(model: LanguageModel) -> list[Callable[[str], object]]:
    """Return functions that take a text as one of several lines."""
    normal = calibrated(model, ["abcé"] * 100, masks=["[0-9]+"])
    return [
        lambda text: calibrated(model, [*["abcé"] * 30, text]),
        lambda text: odd_lines(normal, ["abc", text]),
    ]


def use(folder: Path) -> None:
    """Find odd lines by the model in `folder`."""
    today = "a b 3 é\nd d d\na 10.0.0.7 b 700000 b\n" + "a a\n" * 70
    with temporary_folder() as place:
        (place / "today.log").write_text(today)
        list(afterword.odd(folder, place / "today.log", all=True))


def models(lines: Path, place: Path) -> dict[str, Path]:
    """Return models like that in `lines`: with all that is usual, with the costs alone, and by the n-gram."""
    good = place / "good lines"
    good.write_text("".join(f"{'abcd'[k % 4] * (k % 7 + 1)}\n" for k in range(400)), "utf-8")
    mixed = (lines / "ngram.safetensors").exists()
    uses: dict[str, Using] = {"USUAL": "both", **({"NGRAM": "ngram"} if mixed else {})}
    for name, using in uses.items():
        shutil.copytree(lines, place / name)
        afterword.calibrate(place / name, good, using=using)
    calibrated(afterword.load(lines), good.read_text("utf-8").split()).save(place / "BARE")
    return {name: place / name for name in ("USUAL", "NGRAM", "BARE") if (place / name).exists()}


MIXED = ("bb", "☃☃☃ 12", "", "ccc")  # one that is odd
SOME = ("abcd", "☃☃☃ 12", "dcb\té")
COLUMNS = {  # commands whose answers have rows: lines whose rows differ in what they have, and a text without a row
    "odd": ("odd USUAL FILE", SOME, "\n"),
    "odd --as-read": ("odd USUAL FILE --as-read", SOME, "bb\n"),
    "odd --as-read --all": ("odd USUAL FILE --as-read --all", MIXED),
    "odd --as-read, bare": ("odd BARE FILE --as-read", SOME, "abcd\n"),
    "odd --as-read --all, bare": ("odd BARE FILE --as-read --all", MIXED),
}
FILES = {
    "few": b"abc\n" * 10,
    "equal": b"abc\n" * 50,
    "good": b"abc\nabd\n" * 500,
    "broken": b'{"finding": 1}\n',
    "csv": b"finding,detector,why\n1,text,odd\n",
    "read": b"file,line,text,bits,bits_per_character\na,1,b,9,9\n",
    "half": b'{"finding": 1, "lines": [{"file": "a", "line": 1, "text": "a\\ud800"}]}\n',
}
REFUSED = [
    ("odd lines text", "afterword calibrate"),
    ("odd lines text --out x", "`out` is for training, but"),
    *[(f"odd {one} text --false-alarms 1e-320", "from 1e-09 to below 1") for one in ("lines", "good")],
    *[(f"odd lines text --false-alarms {one}", f"must be from 1e-09 to below 1, not {one}") for one in (0, 1, 2)],
    ("odd equal text", "needs at least 99 normal lines"),
    ("odd good text --false-alarms 0.0001", "needs at least"),
    ("odd good text --mask [", "is not a regular expression"),
    ("odd good text --out /dev/null", "is a file: give `out` a folder"),
    ("odd good nothing", "cannot read nothing"),
    *[(f"calibrate lines {one}", "has no lines") for one in ("empty", "blank")],
    ("calibrate lines few", "calibration needs at least 24 lines"),
    ("calibrate english good", "is an installed base"),
    ("accept lines --remove", "there is nothing to accept: give a LINE, or `source`"),
    ("accept lines ''", "a LINE is one line that is not empty"),
    ("accept lines 'x\ny'", "give several one by one"),
    ("accept lines x\udcff", "character 1 of the text is a lone surrogate (U+DCFF), the byte FF, not valid"),
    ("accept lines --from broken", "has a finding that cannot be read: lines"),
    *[(f"accept lines --from {one}", "as odd --json prints them") for one in ("csv", "read")],
    ("accept lines --from half", "cannot be read: it contains a lone surrogate, which is not valid"),
    ("accept lines x", "run afterword calibrate MODEL FILE"),
]
OF_TEXT = ["odd {0} text", "calibrate {0} text"]
QUIET = {"odd": ["good.log today.log", "lines today.log"], "calibrate": ["run book.txt"], "accept": ["lines 'user z'"]}
QUIET_BEFORE = ["calibrate lines good.log"]
OPTIONS = {"false_alarms": [0.05, 0.2, 1e-6, 2]}


def judged(lines: Any, *options: Any, **masks: Any) -> Callable[[Any], object]:
    """Return a call that finds odd lines by a model that it calibrates."""
    return lambda model: odd_lines(calibrated(model, ["abc"] * 30, **masks), lines, *options)


IN_PYTHON = [
    (judged(["a"], masks="[0-9]+"), "masks must be a list of regular"),
    (judged(["a"], masks=[5]), "mask must be text, a regular expression, not 5"),
    (judged(["a"], "0.1"), "false_alarms= must be a number, not '0.1'"),
    (judged(["a"], 10**400), "false_alarms= must be a smaller number"),
    (judged(["a", None], 0.1), "line 2 of 2 must be a string, not NoneType"),
]
SERVED_REFUSALS = [
    ("/v1/odd", {"text": "a"}, "does not know what normal lines"),
    ("/v1/odd", {"text": "a", "false_alarms": 2}, "false_alarms must be"),
    ("/v1/odd", {"text": "\n" * 100_001}, "at most 100,000 lines"),
]
NEEDS_MORE = ["/v1/odd"]  # routes that a plain model refuses
TERMINAL = ["odd whole TEXT", "odd whole TEXT --as-read --all"]
WRITE = "open('big.log','w').write('open\tfile\tby\tuser\\n'*100_000)"
KILLED = [(f"-c import\tafterword;{WRITE};list(afterword.odd('big.log','big.log'))", "big.log")]
OTHERS = {"lines.json": "[1]"}  # files of other programs with our names
RECORDED = {
    "calibrate": ["calibrate", "lines-0", "lines.txt", "--json"],
    "odd model": ["odd", "lines-0", "other.txt", "--json", "--top", "20"],
    "odd good today": ["odd", "good.log", "today.log", "--json"],
}
RECORDED_HTTP = [("odd", "/v1/odd", {"model": "lines-0", "text": "Who's there?\nzzzz qqqq 17\n"})]
ATTACHMENTS, ATTACH, USE = [attachments], [attach], [use]
OF_LINES_MODEL, TEXT_CALLS = [models], [of_lines]
LOADED = {"odd": [{"files": "text"}]}  # which the uncalibrated model refuses

SCRIPTS = [("make_log.py", "good.log", "tutorial-odd", (40, 90, 150, 200, 260))]
