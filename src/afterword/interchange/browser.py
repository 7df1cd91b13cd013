"""A model as one JavaScript module, and as one HTML page with that module in it. Neither asks the network for anything.

`web/engine.js` runs a model; the module is that file and `web/tokenizer.js`, then the constant `MODEL`: facts in JSON,
and one block of bytes in base64. The block has the matrices in the order of `Model` there, as whole multiples of a
scale per row, then the tree of the n-gram (see `pruning`). Numbers are little-endian.

The page is `web/page.html`, with `web/page.js` and the sheet that the server's page has too.
"""

from __future__ import annotations

import base64
import html
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from afterword.errors import OptionError
from afterword.interchange.pruning import Tree, divergence, tree_of
from afterword.model.arrays import Array, in_bytes
from afterword.model.folder.defaults import HOTTEST, RUNNING_TEXT
from afterword.model.folder.saved import SavedModel
from afterword.model.network.cell import layer_weights
from afterword.model.network.cells import check_claimed
from afterword.model.network.config import embedding_of
from afterword.settings import Settings, setting, settings_class
from afterword.storage import is_whole_file, output, write_bytes
from afterword.web.pages import (
    bundle,
    document,
    filled,
    imported,
    in_script,
    inline,
    lean,
    not_exported,
    policy,
    read,
    style,
)

MOST_ROWS = 2**16 - 1
# the scripts of a page, in the order of their imports; "api" replaces the server
SCRIPTS = (
    *("words", "shades", "shaded", "sheet", "history", "sentences", "branches", "vendor/preact", "api", "state"),
    *("look", "settings", "writer", "bars", "next", "choosing", "dialogs", "files", "keeping", "write", "tree"),
    "steer",
)


@settings_class(kw_only=True)
class PageSettings(Settings):
    """The options of a module, and those of a page."""

    weight_bytes: int = setting(
        "the bytes of each weight and probability, 1 or 2", default=1, minimum=1, maximum=2, needs="html or js"
    )
    ngram_megabytes: float = setting(
        "keep the most frequent n-grams, up to this size; 0 leaves the n-gram out",
        default=2.0,
        minimum=0,
        needs="html or js",
    )
    title: str | None = setting("the title (default: the file's name)", default=None, needs="html")
    description: str | None = setting("a sentence below the title", default=None, needs="html")
    author: str | None = setting("the author", default=None, needs="html")
    licence: str | None = setting("the licence of the model", default=None, needs="html")


@settings_class()
class ExportSettings(PageSettings):
    """A file to write, in a format, with the options of "html" and "js"."""

    format: str
    path: str | os.PathLike[str]


def write_js(model: SavedModel, path: Path, settings: PageSettings) -> list[str]:
    """Write `model` as a JavaScript module, and its types for TypeScript as NAME.d.ts.

    Return notes, a sentence each. Raises OptionError for a model that the engine cannot run, StorageError.
    """
    exported = Exported(model, settings)
    with output(path) as file:
        file.write(exported.script().encode())
    types = path.with_suffix(".d.mts" if path.suffix == ".mjs" else ".d.ts")
    if is_whole_file(path):
        if types.exists() and _web("engine.d.ts").partition("\n")[0] not in types.read_text("utf-8", "replace"):
            return [*exported.notes, f"{types.name} exists and is not from export, so the types were not written"]
        write_bytes(types, _web("engine.d.ts").encode())
    return exported.notes


def write_html(model: SavedModel, path: Path, settings: PageSettings) -> list[str]:
    """Write `model` as a page that people write on. Return and raise as `write_js`."""
    exported = Exported(model, settings)
    with output(path) as file:
        file.write(model_html(exported, settings, path.stem).encode())
    return exported.notes


def model_html(exported: Exported, settings: PageSettings, name: str) -> str:
    """Return the page of a model. Its title is `name` unless `settings` have one.

    The weights are compressed, and separate from the script: a browser reads a script twice.
    """
    code = not_exported(exported.script(with_weights=False))
    scripts = bundle(SCRIPTS, {"api": _web("local.js")})
    script = "\n" + lean("\n".join([code, scripts, imported(_web("page.js"))]))
    css = style() + read("afterword.web", "sheet.css")
    about = {"description": settings.description, "author": settings.author, "license": settings.licence}
    meta = ['<link rel="icon" href="data:,">']
    meta += [f'<meta name="{name}" content="{html.escape(value)}">' for name, value in about.items() if value]
    shown = {"": settings.description, "By ": settings.author, "Licence: ": settings.licence}
    credits = [f"<p>{word}{html.escape(value)}</p>" for word, value in shown.items() if value]
    title = name if settings.title is None else settings.title
    weights = base64.b64encode(zlib.compress(exported.data, 1)).decode()  # a higher level gains 1 %
    parts = {"TITLE": html.escape(title), "CREDITS": "\n".join(credits)}
    parts |= {"SHEET": read("afterword.web", "sheet.template"), "WEIGHTS": weights, "SCRIPT": script}
    allowed = policy(
        script_src=f"{inline(script)} 'wasm-unsafe-eval'",
        style_src=inline(css),
        worker_src="blob:",
        img_src="data:",
    )
    body = filled(_web("page.html"), **parts)
    return document(body, title=title, style=css, policy=allowed, head="\n".join(meta))


class Exported:
    """A model as a page or a module holds it. Raises OptionError for a model that the engine cannot run."""

    def __init__(self, model: SavedModel, settings: PageSettings) -> None:
        _check(model)
        parts, most = settings.weight_bytes, settings.ngram_megabytes * 1e6
        tree = tree_of(model.ngram, most, parts) if model.ngram and most else None
        self.data = b"".join(_weights(model, parts)) + (b"" if tree is None else tree.data)
        self.facts = {**_facts(model), "parts": parts, "ngram": None}
        """The vocabulary, the sizes and the defaults of writing: `MODEL` without its data."""
        if tree is not None:
            self.facts["ngram"] = {"weight": model.mixture_weight, "start": tree.ngram.start, "levels": tree.levels}
        self.notes = _notes(model, tree)
        """What its user should know, a sentence each."""

    def script(self, with_weights: bool = True) -> str:
        """Return the module. Without weights, they must be put into `MODEL.data` before it loads, as bytes."""
        constant = in_script({**self.facts, "data": base64.b64encode(self.data).decode() if with_weights else ""})
        return f"{engine()}const MODEL = {constant};\n"


def engine() -> str:
    """Return the module up to its model, the constant `MODEL`."""
    kernel = "".join(_web("kernel.wasm.base64").split())
    return f'{_web("engine.js")}\n{_web("tokenizer.js")}\nconst KERNEL = "{kernel}";\n'


def _check(model: SavedModel) -> None:
    config, tokenizer = model.config, model.tokenizer
    if config.window:
        raise OptionError("a page cannot run a classic model, which reads windows: use `onnx`")
    check_claimed(config.cell, "a page")
    if tokenizer.rows > MOST_ROWS:
        raise OptionError(f"a page holds at most {MOST_ROWS:,} different tokens; this model has {tokenizer.rows:,}")


def _facts(model: SavedModel) -> dict[str, Any]:
    """Return the vocabulary, the sizes and the defaults of writing."""
    config, tokenizer = model.config, model.tokenizer
    return {
        "kind": tokenizer.kind,
        "lowercase": tokenizer.lowercase,
        "tokens": tokenizer.texts,
        "rows": tokenizer.rows,
        "sharing": config.byte_tokens,
        "boundary": tokenizer.end,
        "masked": model.masked,
        "blank": model.blank if model.writing.opening == "newline" else [],
        "embedding": config.embedding_size,
        "hidden": config.hidden_size,
        "layers": config.num_layers,
        "residual": config.residual,
        "writing": {
            "prompt": model.default_prompt,
            "maxTokens": model.writing.max_tokens,
            "temperature": model.writing.temperature,
            "hottest": HOTTEST,
            # the low one of `RECURRING_WORDS` relies on new-word-p, which the engine does not have
            "minP": RUNNING_TEXT.min_p if model.writing.new_word_p else model.writing.min_p,
            "isOfLines": model.writing.opening == "boundary",
            "finishesSentences": model.writing.finish_sentence,
            "labels": list(model.about.get("labels") or ()),
        },
    }


def _notes(model: SavedModel, tree: Tree | None) -> list[str]:
    """Return what the n-gram of a page costs, and what the page reveals of the training text."""
    known = "the tokens of the training text, and what the LSTM learned by heart"
    if tree is None:
        return [f"the file reveals {known}"]
    every, bits = tree.share == 1, divergence(model, tree.ngram)
    kept = "all n-grams are kept" if every else f"{tree.share:.0%} of the n-grams are kept, the most frequent"
    text = "nearly all of the training text" if every else "the most frequent passages of the training text"
    return [
        f"{kept}: the text that the model writes costs {bits:.3f} bits per character more than with the exact ones",
        f"the file reveals {text}, {tree.ngram.order} tokens at a time; with `ngram_megabytes` 0, only {known}",
    ]


def _weights(model: SavedModel, parts: int) -> Iterator[bytes]:
    """Yield the weights in the order in which the engine reads them."""

    def matrix(weight: Array) -> bytes:
        whole, scale = in_bytes(weight)
        if parts == 1:
            return scale.tobytes() + whole.tobytes()
        rest, finer = in_bytes(weight - whole * scale[:, None])
        return scale.tobytes() + finer.tobytes() + whole.tobytes() + rest.tobytes()

    weights = model.weights
    yield matrix(embedding_of(model.config, weights))
    for k in range(model.config.num_layers):
        layer = layer_weights(weights, k, model.config.cell)
        yield matrix(layer.weight_ih)
        yield matrix(layer.weight_hh)
        yield (layer.bias_ih + layer.bias_hh).tobytes()
    yield matrix(weights["output.weight"])
    yield weights["output.bias"].tobytes()


def _web(name: str) -> str:
    return read("afterword.interchange", "web", name)
