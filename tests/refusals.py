"""What is refused, as data: requests, typed as for the command, and what is said of them. Options are in backticks.

tests/operations/test_refusals.py asks for each of them as the command, in Python and, if all that it names is served,
over HTTP. What is declared with an option (type, limits, choices, needs and excludes) is tested for all of them in
tests/operations/test_declarations.py.
"""

from __future__ import annotations

import os
from pathlib import Path

from afterword.commands import commands, learned_kinds
from afterword.model.folder.saved import load_model, save_model
from afterword.operations.train import train
from tests.bases.small import SYMBOLS, base_of, classic_base, save
from tests.cases import cases
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
    "key": b"a-key-of-the-server",
    "labels": b"even\ta text\nodd\tanother text\n" * 20,
    **cases("FILES"),
}
OF_TEXT = ["generate {0}", "generate {0} --prompt a --num 3", "novelty {0}", "inspect {0} a"]
OF_TEXT += [f"{name} {{0}} text" for name in ("score", "surprises", "novelty")]
OF_TEXT += cases("OF_TEXT")
OF_TEXT += ["compare {0} english --file text", "serve {0} --port 0"]


def make_place(place: Path) -> None:
    """Write what the requests name: texts, models of text, those that have learned something else, and bases."""
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    save_tiny(place / "tiny")
    save_tiny(place / "mixed", mixed=True)
    save_tiny(place / "lines", lines=True)
    labelled = load_model(place / "lines")
    labelled.about["labels"] = {"vowel": 1, "b d": 1}
    save_model(place / "labelled", labelled, "# Tiny\n")
    for name, base in {
        "chars": base_of("\nab", num_layers=1),
        "symbols": base_of(SYMBOLS),
        "plain": base_of("\nab", cell="rnn"),
        "classic": classic_base(),
    }.items():
        save(place / name, base)
    cut = save(place / "cut") / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-1])
    train(place / "book", out=place / "ran", base="none", steps=2, hidden_size=4, threads=1)
    (place / "folder").mkdir()
    os.mkfifo(place / "pipe")
    for name, make in cases("MODELS").items():
        make(place / name)


OF_THE_COMMAND = [  # which no other way of asking has
    ("genrate", "no such command 'genrate'; did you mean generate? (see afterword --help)"),
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
    ("surprises tiny text --csv --json", "leave one of them out"),
    ("surprises tiny empty --csv", "empty is empty: there is"),
    ("generate tiny --out ''", "the path is empty: name a file"),
    ("train book --config ''", "the path is empty: name a file"),
    ("generate tiny --log-probabilities 2", "give --json too"),
    ("train -", "standard input has no name: name the run's folder with --out"),
]
UNSERVED = [  # whose fields have other limits or another form over HTTP
    (f"generate tiny --pattern {'a' * 100_000}", "pattern is too large"),
    ("generate tiny --pattern a* --max-tokens 100001", "at most 100,000 characters"),
    ("generate tiny --logit-bias e", "logit-bias must be a token and a number"),
    ("generate tiny --logit-bias ab=1", "logit-bias must name a token of this model"),
    ("generate tiny --logit-bias a=nan", "logit-bias must be a token and a number"),
    ("inspect tiny", "give either a text to read, or a file with `file`"),
]
REFUSED = [
    # models and files
    *[(f"{name} no/such", "no model at no/such: no such folder") for name in ("info", "generate")],
    ("compare tiny no/such --file text", "no model at no/such"),
    ("compare tiny tiny --file text", "a model is named twice: name each once"),
    ("compare tiny mixed", "name one with `file`"),
    ("compare lines labelled --file text --lines", "labelled knows labels that lines does not: name labelled first"),
    *[
        (f"compare {names} --file text", "classic is classic, so it does not predict where a line ends, as ")
        for names in ("lines classic", "tiny classic --lines", "classic tiny --lines")
    ],
    ("info", "info needs one of the two: `model` or `system`"),
    ("score tiny nothing", "cannot read nothing"),
    ("score tiny latin", "latin is not utf-8 at byte 6: try `encoding` cp1252, common on Windows, or give the"),
    ("score tiny text --encoding klingon", "unknown encoding 'klingon'"),
    *[(f"score {name} -", "standard input is empty: there is nothing to score") for name in ("tiny", "lines")],
    ("score lines blank", "blank is empty: there is nothing to score"),
    *[(f"compare tiny mixed --file -{more}", "standard input is empty: there is") for more in ("", " --lines")],
    ("surprises tiny empty --html x.html", "empty is empty: there is"),
    ("novelty tiny empty", "is not available: give the folder of its run"),
    ("novelty ran empty", "the text to look for copies in is empty"),
    ("novelty tiny text -n 3", "`num` and `file` exclude each other"),
    # outputs
    ("inspect tiny ab --html /", "/ is a folder: name a file"),
    ("inspect tiny ab --png no/such/file", "the folder no/such does not exist; make it first"),
    ("inspect tiny ab --html one --png ./one", "one is named twice"),
    ("inspect tiny ab --png x.jpg", "x.jpg: this file will be PNG, so its name must end in .png"),
    ("inspect tiny ab --html text.txt", "text.txt: this file will be HTML, so its name must end in .html or .htm"),
    ("surprises tiny text --html there.html", "there.html exists already"),
    # what a model can do
    ("compare mixed tiny --file text --with ngram", "tiny: this model has no n-gram"),
    ("generate tiny --new-word-p 0.3", "`new_word_p` needs an n-gram"),
    ("score mixed text --adapt --hold forget=1", "a held model does not adapt"),
    ("score tiny text --hold forget=1 --engine fast", "`engine` fast cannot hold a part of the network at a value"),
    ("generate tiny --hold l7.u0=1", "unknown layer l7"),
    ("generate tiny --unique", "`unique` and `novel` are for models of lines"),
    ("generate lines --novel", "is not available: give the folder of its run"),
    ("generate tiny --no-copy 20", "is not available: give the folder of its run"),
    ("generate tiny --label x", "knows no labels"),
    ("generate labelled --label vowl", "unknown label 'vowl': did you mean 'vowel'? the model knows '"),
    ("generate labelled --label klingon", "unknown label 'klingon': the model knows '"),
    # what is written
    ("generate tiny --stop ''", "stop must be text of at least one character"),
    ("generate tiny --prompt ab\ud800", "character 2 of the text is a lone surrogate (U+D800)"),
    ("generate tiny --prompt-file no/such", "cannot read no/such"),
    ("generate tiny --prompts no/such", "cannot read no/such"),
    ("generate tiny --prompts blank", "has no line to continue"),
    ("generate tiny --pattern (a", "pattern is invalid: unclosed group"),
    ("generate tiny --pattern (?=a)b", "look-around"),
    (r"generate tiny --pattern '(a)\1'", "backreferences are not supported"),
    (r"generate tiny --pattern 'a\'", "ends in a single backslash"),
    ("generate tiny --pattern x", "no text of the characters that this model knows can match pattern"),
    ("generate tiny --starts-with ab --contains xay", "can match starts-with and contains: it does not know 'x', 'y'"),
    ("generate tiny --pattern a --starts-with b", "can match pattern and starts-with"),
    ("generate tiny --only a --contains b", "can match only and contains"),
    ("generate tiny --pattern a{9} --max-tokens 5", "no text of up to 5 characters (max-tokens) can match pattern"),
    ("generate tiny --pattern ((a{1000}){1000}){1000} --max-tokens 500", "no text of up to 500 characters"),
    ("generate tiny --pattern a --stop b", "`stop` and `pattern` exclude each other"),
    ("generate tiny --pattern a --no-copy 20", "`no_copy` and `pattern` exclude each other"),
    # what is inspected
    ("inspect tiny ab --file x", "give either a text to read, or a file with `file`"),
    ("inspect tiny ''", "the text to look at is empty"),
    (f"inspect tiny {'a' * 20_001}", "the text has 20,001 tokens; at most 20,000 can be shown with this model"),
    ("inspect lines 'a\nb'", "give it one line"),
    ("inspect tiny ab --stretch 7:9", "the stretch 7:9 is empty: the text ends before it"),
    ("inspect tiny ab --stretch 7", "write it as 1000:3000"),
    *[(f"inspect tiny abab --stretch {part}", f"the stretch {part} is empty: LAST must be") for part in ("3:1", ":0")],
    ("inspect tiny ab --units l0.u6", "unknown unit u6: a layer of this model has u0 to u5"),
    ("inspect tiny ab --units l2.u0", "unknown layer l2: the model has the layers l0 to l1"),
    *[(f"inspect tiny ab --units '{unit}'", "write it as l0.u42") for unit in ("u3", "l0", "l0.u-1", "unit", "l0.u١")],
    *[(f"inspect tiny ab --hold '{part}'", f"'{part}' is invalid") for part in ("", "forget", "l0.u1.u2=1")],
    ("inspect tiny ab --hold l0=1", "names no part"),
    ("inspect tiny ab --hold gate=1", "unknown part 'gate'"),
    ("inspect tiny ab --hold forget=wide", "is not a number"),
    *[(f"inspect tiny ab --hold forget={value}", "forget must be from 0 to 1") for value in (1.5, "nan")],
    ("inspect tiny ab --hold l0.u0.hidden=-2", "from -1 to 1"),
    ("inspect tiny ab --hold cell=inf", "a finite number"),
    ("inspect tiny ab --hold l0.u6=1", "unknown unit u6: a layer of this model has u0 to u5"),
    ("inspect tiny ab\ud800", "lone surrogate"),
    *cases("REFUSED"),
    # what is trained
    ("train https://a.org/b.txt", "cannot read https://a.org/b.txt: download it first, then name"),
    ("plan nothing", "cannot read nothing: "),
    ("train short --out run", "5 characters; at least 64 are needed"),
    ("train same --out run", "same has only one distinct character to train on: give a text with more"),
    ("train nul --out run", "contains a NUL at byte 14, which is invalid in a text: "),
    *[(f"train book --out run --encoding '{name}'", f"unknown encoding '{name}'") for name in ("hex", "")],
    *[
        (f"train book --out run --validation {share}", "`validation` must be a fraction above 0 and below 1")
        for share in ("0", "1", "-0.1", "nan")
    ],
    ("train book --out run --validation nowhere.txt", "cannot read nowhere.txt: "),
    *[
        (f"train book --out run --vocabulary '{name}'", f"`vocabulary` must be char or words, not {name}")
        for name in ("word", "char:", "Char")
    ],
    ("train text --out run --labels", "text:1 has no tab: with `labels` every line is a label, a tab and a text"),
    ("train book --out run --batch-size 60000", "`batch_size` 60000"),
    ("train book --out book", "book is a file: give `out` a folder"),
    ("train book --out book/deeper", "cannot write in book/deeper: choose another `out`"),
    ("train --resume run", "run holds no run: there is no such folder"),
    ("train --resume tiny", "tiny holds no run: run.json is missing"),
    ("train book --out ran", "replace it with `overwrite`"),
    ("train --resume ran --steps 9", "`steps` is 2 in the run ran, not 9: leave it out"),
    ("train --resume ran --overwrite", "leave out `out` and `overwrite`"),
    ("train --resume ran --base chars", "the run ran began from scratch, not from chars: leave `base` out"),
    ("train --repeat ran --out ran --overwrite", "is the run to repeat: give `out` another folder"),
    ("train --repeat ran --out new book", "`repeat` takes the text from the run ran: leave out `texts`"),
    ("train --repeat ran --out new --steps 5", "`steps` is 2 in the run ran, not 5"),
    ("train --repeat ran --out new --lines", "`lines` is false in the run"),
    ("train --repeat ran --out new --threads 2", "threads was 1 and is 2: the run cannot be repeated bit for bit here"),
    (
        "plan book --hidden-size 16384 --num-layers 16 --steps 1",
        "16 layers of 16384 units in batches of 8 × 64 need about 625 GiB and this machine has ",
    ),
    *[
        (f"plan {text} --recipe classic --{option}", says)
        for text, option, says in (
            ("book", "lines", "the classic recipe reads running text: leave `lines` out"),
            ("labels", "labels", "the classic recipe reads running text: leave `labels` out"),
            ("book", "vocabulary words", "the classic recipe reads characters: leave `vocabulary` out"),
            ("book", "embedding-size 3", "the classic recipe has no embedding: leave `embedding_size` out"),
            ("book", "schedule cosine", "the classic recipe has a constant rate: leave `schedule` cosine out"),
            ("book", "cell rnn", "the classic recipe is only for `cell` lstm"),
            ("book", "base chars", "the classic recipe does not begin from a base: leave `base` out"),
        )
    ],
    # what it begins from, which is looked at before the text
    *[
        (f"{name} nothing --base {base}", says)
        for name in ("train", "plan")
        for base, says in (
            ("none/here", "base: no model at none/here: no such folder"),
            ("book", "base: no model at book: it is a file"),
            ("folder", "base: no model at folder: it has no config.json"),
            ("cut", "file not fully covered); take a fresh copy of the model"),
            ("classic", "base classic is a classic model, and no run begins from one: give another, or `base` none"),
            (
                "chars --hidden-size 300",
                "has 6 as its hidden size, not 300: leave `hidden_size` out, or give `base` none",
            ),
            ("chars --num-layers 2", "base chars has 1 as its number of layers, not 2"),
            ("chars --embedding-size 5", "base chars has 4 as its embedding size, not 5"),
            ("chars --cell rnn", "base chars is made of lstm cells: give `cell` lstm"),
            ("plain", "base plain is made of rnn cells: give `cell` rnn"),
            ("chars --vocabulary words", "base chars has its own vocabulary (char), not words: leave `vocabulary` out"),
            ("symbols --vocabulary char", "base symbols has its own vocabulary (words), not char: leave `vocabulary`"),
        )
    ],
    # what is served
    ("serve no/such --port 0", "no model at no/such"),
    ("serve --port 0", "there is nothing to serve: give `models`, `run` or `train`"),
    ("serve tiny tiny --port 0", "two models are named tiny"),
    ("serve tiny --host 0.0.0.0 --port 0", "can be reached from other machines: give a key"),
    ("serve tiny --host no.such.host --port 0 --api-key-file key", "cannot listen on no.such.host:"),
    ("serve tiny --port 0 --api-key-file no/such", "cannot read the key from no/such"),
    ("serve tiny --port 0 --api-key-file /dev/zero", "cannot read the key from /dev/zero: it is not a regular file"),
    ("serve tiny --port 0 --api-key-file pipe", "cannot read the key from pipe: it is not a regular file"),
    *[
        (f"serve tiny --port 0 --root-path {path}", "`root_path` must be a path like /aw")
        for path in ("/aw/", "/a/../b")
    ],
    ("serve tiny --port 0 --root-path /v1/aw", "root-path must not begin with the server's own path /v1"),
    *[(f"serve tiny --port 0 --allow-host {name}", "`allow_host` must be a name as") for name in ("a.org/", "ü.de")],
    ("serve --port 0 --run no/such", "no/such is not a run: `run` takes a folder that afterword train made"),
    ("serve --port 0 --train text", "train cannot make the folder text"),
    # of wings
    *[
        (line.format(name), learned_kinds()[name].refused)
        for name in cases("MODELS")
        for line in OF_TEXT
        if line.split()[0] in commands()
    ],
]
