"""The engine of pages against NumPy, run by node, and its pruned n-gram."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.generation.sampling import FILTERS, Sampling
from afterword.language_model import LanguageModel
from afterword.model.folder.defaults import LINES, RECURRING_WORDS, RUNNING_TEXT
from afterword.model.folder.saved import SavedModel, load_model
from afterword.model.ngram.tables import Ngram, start_row
from afterword.settings import LIMITS, kinds_of
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from afterword.wings.export.browser import PageSettings, model_html, pack
from afterword.wings.export.pruning import _prune, tree_of
from tests.bases.small import base_of
from tests.tiny import save_tiny

NODE = shutil.which("node")
TEXT = "the cat sat on the mat, and the rat ran at the cat.\nThat was that: 14 rats 😀 at…\n"
UNKNOWN = "a<|end|> <0x4a> cats \tThé Zweite—naïve 😀\u00a0x\r\n\n  end"
BOTH = "for (const wasm of [true, false])"


def run(folder: Path, script: str, script_of_model: str) -> Any:
    """Return what the body `script` returns, in which `load` loads the model."""
    if NODE is None:
        pytest.skip("node is missing: apt-get install nodejs")
    (folder / "model.mjs").write_text(script_of_model, encoding="utf-8")
    body = f'import {{ load }} from "./model.mjs";\nconst main = async () => {{ {script} }};\n'
    (folder / "main.mjs").write_text(body + "console.log(JSON.stringify(await main()));\n", encoding="utf-8")
    done = subprocess.run([NODE, "main.mjs"], cwd=folder, capture_output=True, encoding="utf-8", timeout=100)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def made(tokenizer: Tokenizer, mixed: bool = True, lines: bool = False, **sizes: Any) -> SavedModel:
    """Return a model with random weights; if `mixed`, with an n-gram of TEXT."""
    model = base_of(tokenizer, lines, **sizes).model
    if mixed:
        ids = np.minimum(tokenizer.encode(TEXT), tokenizer.rows - 1)
        assert tokenizer.end is not None
        ngram = Ngram.learn(ids, tokenizer.rows, tokenizer.end, start_row(tokenizer, lines))
        model = dataclasses.replace(model, ngram=ngram, mixture_weight=0.4)
    return model


def pruned(ngram: Ngram, most: float, parts: int) -> Ngram:
    """Return the part of `ngram` of which a page makes a tree of at most `most` bytes."""
    return Ngram(ngram.rows, ngram.boundary, ngram.start, _prune(ngram, most, parts))


def written(model: SavedModel, **options: Any) -> str:
    return pack(model, PageSettings(**options))[0].script()


KNOWN = "".join(sorted(set(TEXT)))
MODELS = {
    "characters": made(CharTokenizer.of(KNOWN)),
    "lower case, one layer": made(CharTokenizer.of(KNOWN, lowercase=True), num_layers=1, hidden_size=21),
    "symbols": made(SymbolTokenizer.of(KNOWN, texts=[TEXT, "Thé"]), num_layers=3, residual=False),
    "more than 256 rows": made(CharTokenizer.of(["\n", *map(chr, range(0x4E00, 0x4F00))]), mixed=False),
    "lines, without an n-gram": made(CharTokenizer.of(KNOWN.replace("\n", "")), mixed=False, lines=True),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_text_costs_what_it_costs_in_numpy(name: str, tmp_path: Path) -> None:
    model = MODELS[name]
    script = f"""const found = [];
        {BOTH} found.push(Array.from(await (await load({{ wasm }})).score({json.dumps(TEXT + UNKNOWN)})));
        return found;"""
    for parts, most, within in ((1, 1e6, 0.2), (2, 1e6, 1e-3), (2, 900, 1e-3)):  # random weights are large
        ngram = None if model.ngram is None else pruned(model.ngram, most, parts)
        fast, plain = run(tmp_path, script, written(model, weight_bytes=parts, ngram_megabytes=most / 1e6))
        assert fast == plain
        expected = LanguageModel(dataclasses.replace(model, ngram=ngram)).score(TEXT + UNKNOWN).token_nats
        np.testing.assert_allclose(fast, expected, atol=within)


@pytest.mark.parametrize("tokenizer", [CharTokenizer.of(KNOWN + "\t"), SymbolTokenizer.of(KNOWN + "\t", texts=[TEXT])])
def test_a_drawn_label_is_one_that_the_model_knows(tokenizer: Tokenizer, tmp_path: Path) -> None:
    labels = {"that": 3, "that was": 2, "rat": 1}
    model = made(tokenizer, mixed=False, lines=True)
    model = dataclasses.replace(model, about={**model.about, "labels": labels})
    script = """const model = await load(), found = [];
        for (const [seed, prompt] of Array.from({ length: 60 }, (_, k) => [k, ["", "that", "rat\\t"][k % 3]]))
          found.push(prompt + (await model.generate({ prompt, seed, maxTokens: 30, temperature: seed % 4 })).text);
        const ways = [];
        for (const prompt of ["", "that", "rat\t"]) ways.push([await model.next(prompt), await model.words(prompt)]);
        return [found, ways];"""
    texts, ways = run(tmp_path, script, written(model))
    (first, words), (after, longer), (free, _) = [[{one["text"] for one in each} for each in way] for way in ways]
    assert (first, after) == ({"t", "r"}, {"\t", " "})
    assert words <= {"that", "rat"}
    assert {one[0] for one in longer} <= {"\t", " "}
    assert len(free) > 3
    assert {text.partition("\t")[0] for text in texts if "\t" in text} == {*labels}
    assert all("\t" in text for text in texts)


@pytest.mark.parametrize("name", ["characters", "lower case, one layer", "symbols"])
def test_the_likeliest_words_are_those_of_python(name: str, tmp_path: Path) -> None:
    prompts = ["the cat", "the ca", "that was that: ", "the rat at the mat.", "that' "]
    script = f"""const model = await load(), found = [];
        for (const prompt of {json.dumps(prompts)}) found.push(await model.words(prompt, {{ count: 3 }}));
        return found;"""
    model = LanguageModel(MODELS[name])
    for prompt, found in zip(prompts, run(tmp_path, script, written(MODELS[name], weight_bytes=2)), strict=True):
        expected = model.next_words(prompt, 3)
        assert [one["text"] for one in found] == [one.text for one in expected], prompt
        assert [one["probability"] for one in found] == pytest.approx([one.probability for one in expected], rel=0.03)


@pytest.mark.parametrize("name", MODELS)
def test_a_seed_writes_the_same_text_as_in_python(name: str, tmp_path: Path) -> None:
    model = LanguageModel(MODELS[name])
    options: list[dict[str, Any]] = [
        {"temperature": 0.8, "minP": 0.05, "seed": 1},
        {"prompt": "the c", "temperature": 1.2, "minP": 0.0, "seed": 2**64 - 1},
        {"prompt": "", "temperature": 0, "minP": 0.0, "seed": 7},
        {"prompt": UNKNOWN, "temperature": 0.5, "minP": 0.3, "seed": 2**32},
    ]
    asked = json.dumps([{**one, "seed": str(one["seed"]), "maxTokens": 60} for one in options])
    script = f"const model = await load(), found = []; for (const one of {asked}) "
    script += "found.push(await model.generate(one)); return found;"
    found = run(tmp_path, script, written(MODELS[name], weight_bytes=2))
    for one, sample in zip(options, found, strict=True):
        one["min_p"] = one.pop("minP")
        expected = model.generate(max_tokens=60, repetition_penalty=1, new_word_p=0, **{"prompt": None, **one})
        assert sample["text"] == expected.text
        assert (sample["tokens"], sample["finishReason"]) == (expected.tokens, expected.finish_reason)
        assert sample["logProbability"] == pytest.approx(expected.log_probability, abs=0.05)


def test_every_number_of_the_engine_is_described_limited_and_applied_as_in_python(tmp_path: Path) -> None:
    random, settings = np.random.default_rng(0), {field.name: field.metadata for field, _ in kinds_of(Sampling)}
    logits = random.normal(size=(50, 30)) * 3
    logits -= logits.max(axis=1, keepdims=True)
    values = [0, 1e-3, 0.05, 0.3, 0.5, 0.999, 1, 1.5, 3, 20, 100, 101, -1]
    script = f"""const {{ NUMBERS }} = await import("./model.mjs"), rows = {json.dumps(np.exp(logits).tolist())};
        const each = one => {json.dumps(values)}.map(value => one.fits(value) && rows.map(row => one.keep(row, value)));
        return NUMBERS.map(one => [one, each(one)]);"""
    exported = written(load_model(save_tiny(tmp_path / "tiny"))) + "export { NUMBERS };"
    for number, results in run(tmp_path, script, exported):
        about = settings[number["name"]]
        assert (number["off"], number["label"]) == (about["off"], number["name"].replace("_", "-"))
        assert about["help"].partition(" (")[0] == number["hint"]
        for value, found in zip(values, results, strict=True):
            fits = all(about[limit] is None or holds(value, about[limit]) for limit, (holds, _) in LIMITS.items())
            assert bool(found) == fits, (number["name"], value)
            if fits and value:
                keep, _ = FILTERS.get(number["name"], (lambda logits, t: logits / t, 1))
                np.testing.assert_allclose(found, np.exp(keep(logits, value)), rtol=1e-9, atol=1e-300)


def test_the_program_of_the_documentation_runs(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    program = re.search(r'```js\nimport \{ load \} from "./book.js";(.*?)```', docs, re.DOTALL)
    assert program is not None
    assert run(tmp_path, f"{program[1]}; return text.length;", written(load_model(save_tiny(tmp_path / "tiny")))) > 100


def test_writing_ends_before_a_stop_string_and_tells_each_token_only_what_is_certain(tmp_path: Path) -> None:
    script = """const model = await load(), pieces = [];
        const whole = await model.generate({ seed: 3, maxTokens: 80 });
        const stop = whole.text.slice(20, 23);
        const onToken = ({ text }) => pieces.push(text);
        const cut = await model.generate({ seed: 3, maxTokens: 80, stop: [stop, "never"], onToken });
        const none = await model.generate({ seed: 3, maxTokens: 0 });
        return { whole, stop, cut, pieces, none };"""
    found = run(tmp_path, script, written(load_model(save_tiny(tmp_path / "tiny", mixed=True))))
    text, stop = found["whole"]["text"], found["stop"]
    assert found["cut"]["text"] == text[: text.index(stop)] == "".join(found["pieces"])
    assert found["cut"]["finishReason"] == "stop"
    assert len(found["pieces"]) == found["cut"]["tokens"] < found["whole"]["tokens"] == 80
    assert (found["none"]["text"], found["none"]["tokens"]) == ("", 0)


def test_an_unknown_option_and_a_value_beyond_its_limit_are_refused_with_what_is_meant(tmp_path: Path) -> None:
    script = """const model = await load(), said = async call => String(await call().catch(error => error));
        return Promise.all([
            said(() => model.generate({ maxToken: 3 })),
            said(() => model.generate({ noCopy: 30 })),
            said(() => model.score("ab", { Signal: null })),
            said(() => model.next("ab", { seed: 3 })),
            said(() => load({ wasn: false })),
            ...[5000, NaN, -1].map(temperature => said(() => model.generate({ temperature }))),
            said(() => model.generate({ minP: 1 })),
            said(() => model.generate({ maxTokens: NaN })),
            said(() => model.generate({ temperature: 100, minP: undefined, maxTokens: 0, seed: undefined })),
        ]);"""
    unknown, every, *others = run(tmp_path, script, written(load_model(save_tiny(tmp_path / "tiny"))))
    assert unknown == "TypeError: unknown option maxToken: did you mean maxTokens?"
    assert every.startswith("TypeError: unknown option noCopy: generate has prompt, maxTokens, temperature, ")
    assert others == [
        "TypeError: unknown option Signal: did you mean signal?",
        "TypeError: unknown option seed: next has signal",
        "TypeError: unknown option wasn: did you mean wasm?",
        *["RangeError: temperature must be from 0 to 100"] * 3,
        "RangeError: minP must be from 0 to below 1",
        "RangeError: maxTokens must be 0 or more",
        "[object Object]",
    ]


def test_an_aborted_text_rejects_its_promise_and_the_next_one_is_as_ever(tmp_path: Path) -> None:
    script = """const model = await load(), abort = new AbortController();
        const before = await model.generate({ prompt: "abc", seed: 3, maxTokens: 50 });
        const endless = model.generate({ maxTokens: 1e9, signal: abort.signal });
        setTimeout(() => abort.abort());
        const name = await endless.catch(error => error.name);
        const after = await model.generate({ prompt: "abc", seed: 3, maxTokens: 50 });
        return [name, before.text === after.text];"""
    assert run(tmp_path, script, written(load_model(save_tiny(tmp_path / "tiny")))) == ["AbortError", True]


def test_a_text_that_begins_alike_is_not_read_again_and_predicts_the_same(tmp_path: Path) -> None:
    script = """const text = "the cat sat on the mat and ".repeat(9);
        const [kept, fresh] = [await load(), await load()];
        await kept.next(text + "that");
        let steps = 0;
        const { step } = kept;
        kept.step = (...one) => (steps += 1, step.apply(kept, one));
        return [await kept.next(text + "rat"), await fresh.next(text + "rat"), steps, text.length];"""
    kept, fresh, steps, length = run(tmp_path, script, written(MODELS["characters"]))
    assert kept == fresh
    assert 0 < steps < length / 2
    assert sum(one["probability"] for one in kept) == pytest.approx(1, abs=0.1)


def test_a_model_that_relies_on_its_words_gets_a_min_p_that_suffices_without_them(tmp_path: Path) -> None:
    script = "const { facts } = await load(); return facts.writing.minP;"
    for writing, least in ((RUNNING_TEXT, 0.05), (RECURRING_WORDS, 0.05), (LINES, 0)):
        model = dataclasses.replace(MODELS["characters"], writing=writing)
        assert run(tmp_path, script, written(model)) == least


def test_no_text_of_a_model_or_its_user_can_leave_its_place() -> None:
    hostile = "</script><img src=x onerror=alert(1)>\u2028@@SCRIPT@@\"'&"
    settings = PageSettings(description=hostile, author=hostile, licence=hostile)
    exported, _ = pack(base_of(CharTokenizer.of(hostile + "\n")).model, settings)
    whole = model_html(exported, settings, hostile)
    assert whole.count("</script>") == 2
    assert whole.count("<img") == 0
    assert "\u2028" not in exported.script()
    assert re.search(r"<h1>&lt;/script&gt;.*@@SCRIPT@@&quot;", whole)


def test_the_less_of_an_ngram_is_kept_the_smaller_its_tree_and_the_costlier_its_text() -> None:
    random, rows = np.random.default_rng(0), 30
    words = [random.integers(0, rows - 2, 5) for _ in range(60)]
    text = np.concatenate([words[int(k)] for k in np.minimum(random.zipf(1.3, 3000), len(words)) - 1])
    ngram = Ngram.learn(text, rows, rows - 2, 0)
    costs, shares = list[float](), list[float]()
    for most in (1e9, 20_000, 5_000, 1_000, 0):
        tree, left = tree_of(ngram, most), pruned(ngram, most, 1)
        assert tree.levels == [(len(level.contexts), len(level.tokens)) for level in left.levels]
        assert len(tree.data) <= max(most, 3 * rows)
        assert len(left.levels[0].tokens) == len(ngram.levels[0].tokens)  # single tokens always stay
        found = left.probabilities(text[None, :-1], 0)[0]
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
        costs.append(-np.log(found[np.arange(len(found)), text[1:]]).mean())
        shares.append(tree.share)
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]
    assert shares[0] == 1 > shares[1]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] > 0
