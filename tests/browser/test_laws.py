"""What the scripts of the page compute, in node without a page: laws, and what Python computes too."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import subprocess
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import regex

from afterword.generation import next_words
from afterword.serving.http.static_files import page_file
from afterword.text.sentences import sentence_ends
from afterword.text.unicode import visible
from tests.inspection.test_gates import TEXT, made

NODE = shutil.which("node")
PAGE = Path(str(resources.files("afterword.serving").joinpath("page")))
SHARED = PAGE.parents[1] / "web"
LAWS = Path(__file__).with_name("laws.js").read_text(encoding="utf-8")
WORD = regex.compile(next_words.WORD.pattern.replace(r"\s*+", r"\s*+(", 1) + ")")  # without the space before it
TEXTS = [
    "I saw a man by the water. ",
    "“Well,” he said, “it isn’t mine -- but the dogs' tails are!”",
    "Zoë's naïve façade, a cafe\u0301 in Århus:\tétude.",
    "In 1066, 42 men paid 3.50 for 1,000 eggs (100%) at 10:45.",
    "Two  spaces   here,\nand a new line\n\n  then another word ",
    "He 😀 said 👍🏽ok👍🏽 to snake_case@example.org/a?b=c ...",
    "The Chinese 我们 know 東京is big and ひらがな too.",
    "A_b c’d e’ ’f g'h'i j''k — l… m/n ½ x² ﬁn Ⅳ ÿ",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts, as the server has them."""
    place = tmp_path_factory.mktemp("scripts")
    for folder in (SHARED, PAGE):
        shutil.copytree(folder, place / "static", dirs_exist_ok=True)
    (place / "package.json").write_text('{"type": "module"}')
    return place


def computed(place: Path, script: str, given: Any = None) -> Any:
    """Return the value of the expression `script`, in which `given` is known."""
    if NODE is None:
        pytest.skip("node is missing: apt-get install nodejs")
    (place / "given.json").write_text(json.dumps(given), encoding="utf-8")
    read = 'import { readFileSync } from "fs"; const given = JSON.parse(readFileSync("given.json", "utf-8"));'
    script = script.strip().replace("/static/", f"{place}/static/")
    (place / "main.js").write_text(f"{read}\nconsole.log(JSON.stringify(await ({script})));", encoding="utf-8")
    done = subprocess.run([NODE, "main.js"], cwd=place, capture_output=True, encoding="utf-8", timeout=100)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_the_laws_of_the_parts(place: Path) -> None:
    assert computed(place, LAWS.partition("\n")[2]) == []


def test_sentences_end_where_they_do_in_python(place: Path) -> None:
    source = Path(__file__).parents[1] / "text/test_unwrap.py"
    texts = [source.read_text("utf-8").replace("|", ""), TEXT, "Well. . . so… (No.) Mr. I.\n\nYou and I. Go"]
    parts = [*"aAI \n.!?…\"')”(–。」と", "Mr", "12", "--"]
    texts += ["".join(random.Random(k).choices(parts, k=60)) for k in range(100)]
    script = "import('/static/sentences.js').then(one => given.map(text => one.sentenceEnds(text)))"
    assert computed(place, script, texts) == [sentence_ends(text) for text in texts]
    early = """import('/static/sentences.js').then(({ sentenceEnds, certainEnd }) =>
        given.flatMap(text => [...Array(text.length).keys()].flatMap(k =>
        sentenceEnds(text).filter(end => end < certainEnd(text.slice(0, k))
        && !sentenceEnds(text.slice(0, k), false).includes(end)).map(end => [text, k, end]))))"""
    assert computed(place, early, texts[2:]) == []  # what only follows shows was never said to be certain


def test_words_are_those_of_python(place: Path) -> None:
    script = """import('/static/words.js').then(({ wordAt }) => given.map(text =>
        [...Array(text.length + 1).keys()].map(k => wordAt(text, k))))"""
    for text, found in zip(TEXTS, computed(place, script, TEXTS), strict=True):
        spans = [word.span(1) for line in re.finditer(".+", text) for word in WORD.finditer(text, *line.span())]
        units = [tuple(len(text[:at].encode("utf-16-le")) // 2 for at in span) for span in spans]
        assert sorted({(start, end) for start, end in found if start < end}) == units


def test_an_alternative_to_a_word_changes_that_word_alone(place: Path) -> None:
    model = made(hidden_size=20)
    text, rng = " ".join(TEXTS[:5]) * 3, random.Random(1)
    words = [*WORD.finditer(text)]
    found: list[tuple[int, int, list[str]]] = []
    while len(found) < 1000:
        word = rng.choice(words)
        given = [one.text for one in model.next_words(text[max(0, word.start(1) - 40) : word.start(1)], 20)]
        found.append((*word.span(1), [*given, "cats", "-", " two words", "it's", "a'", "x,", ""]))
    script = """import('/static/words.js').then(({ replaces }) => given.found.map(([from, to, all]) =>
        all.filter(one => replaces(one, given.text, from, to))))"""
    kept = computed(place, script, {"text": text, "found": found})
    assert sum(map(bool, kept)) == 1000
    spans = [one.span(1) for one in words]
    for (start, end, _), ones in zip(found, kept, strict=True):
        k = spans.index((start, end))
        for one in ones:
            now = [other[1] for other in WORD.finditer(text[:start] + one + text[end:])]
            assert now == [*(text[a:b] for a, b in spans[:k]), one, *(text[a:b] for a, b in spans[k + 1 :])]


def test_a_character_looks_as_it_does_in_a_terminal(place: Path) -> None:
    assigned = [chr(code) for code in range(0x3100) if unicodedata.category(chr(code)) != "Cn"]
    script = "import('/static/words.js').then(({ visible }) => given.map(one => visible(one)))"
    assert computed(place, script, assigned) == [visible(one) for one in assigned]


def test_what_is_vendored_is_what_its_manifest_says() -> None:
    for folder in (PAGE / "vendor", SHARED / "vendor"):
        files = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
        for one in files:
            assert hashlib.sha256((folder / one["file"]).read_bytes()).hexdigest() == one["sha256"]
            assert all((one["package"], one["version"]))
        named = {name for one in files for name in (one["file"], *one["licence_texts"])} | {"MANIFEST.json"}
        assert {path.name for path in folder.iterdir()} == named


def test_the_page_needs_nothing_that_its_policy_forbids() -> None:
    for path in [*PAGE.glob("*.html"), *PAGE.glob("*.js"), *SHARED.glob("*.js")]:
        script = "(inner|outer)HTML|insertAdjacentHTML"
        wrong = r"<style|\sstyle=|\son\w+=|<script>" if path.suffix == ".html" else script
        content = path.read_text(encoding="utf-8")
        assert not re.search(rf"{wrong}|\beval\(|new Function|https?://", content), path


def test_every_module_that_the_page_begins_with_is_asked_for_at_once(place: Path) -> None:
    found, ahead = set(), ["main.js"]
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            text = (place / "static" / name).read_text(encoding="utf-8")
            ahead += re.findall(r'^import [^;]*"\./([^"]+)";', text, re.M) if "/" not in name else []
    served = bytes(page_file({}, "index.html", "").body).decode()
    assert sorted(found - {"main.js"}) == sorted(re.findall(r'rel="modulepreload" href="static/([^"]+)"', served))
