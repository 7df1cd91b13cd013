"""A model as one JavaScript module, and as one HTML page with that module in it. Neither asks the network for anything.

The page is `web/page.html`, with `web/page.js` and the sheet that the server's page has too.
"""

from __future__ import annotations

import base64
import html
import zlib
from pathlib import Path

from afterword.model.folder.saved import SavedModel
from afterword.settings import Settings, setting, settings_class
from afterword.storage import is_whole_file, output, write_bytes
from afterword.web.engine import Packed
from afterword.web.pages import (
    BLANK,
    bundle,
    document,
    filled,
    imported,
    inline,
    not_exported,
    policy,
    read,
    style,
)
from afterword.wings.export.pruning import Tree, tree_of

# the scripts of a page, in the order of their imports; "api" replaces the server
SCRIPTS = (
    *("words", "shades", "shaded", "sheet", "history", "sentences", "branches", "vendor/preact", "api", "state"),
    *("look", "settings", "writer", "bars", "next", "choosing", "dialogs", "files", "keeping", "write", "tree"),
    "steer",
)
KNOWN = "the tokens of the training text, and what the LSTM learned by heart"


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


def pack(model: SavedModel, settings: PageSettings) -> tuple[Packed, list[str]]:
    """Return `model` as the engine reads it, and what its user should know, a sentence each.

    Raises OptionError for a model that the engine cannot run.
    """
    parts, most = settings.weight_bytes, settings.ngram_megabytes * 1e6
    if not (model.ngram and most):
        return Packed(model, parts), [f"the file reveals {KNOWN}"]
    tree = tree_of(model.ngram, most, parts)
    ngram = {"weight": model.mixture_weight, "start": model.ngram.start, "levels": tree.levels}
    return Packed(model, parts, ngram, tree.data), _notes(tree)


def write_js(model: SavedModel, path: Path, settings: PageSettings) -> list[str]:
    """Write `model` as a JavaScript module, and its types for TypeScript as NAME.d.ts.

    Return notes, a sentence each. Raises OptionError for a model that the engine cannot run, StorageError.
    """
    exported, notes = pack(model, settings)
    with output(path) as file:
        file.write(exported.script().encode())
    types = path.with_suffix(".d.mts" if path.suffix == ".mjs" else ".d.ts")
    if is_whole_file(path):
        if types.exists() and _web("engine.d.ts").partition("\n")[0] not in types.read_text("utf-8", "replace"):
            return [*notes, f"{types.name} exists and is not from export, so the types were not written"]
        write_bytes(types, _web("engine.d.ts").encode())
    return notes


def write_html(model: SavedModel, path: Path, settings: PageSettings) -> list[str]:
    """Write `model` as a page that people write on. Return and raise as `write_js`."""
    exported, notes = pack(model, settings)
    with output(path) as file:
        file.write(model_html(exported, settings, path.stem).encode())
    return notes


def model_html(exported: Packed, settings: PageSettings, name: str) -> str:
    """Return the page of a model. Its title is `name` unless `settings` have one.

    The weights are compressed, and separate from the script: a browser reads a script twice.
    """
    code = not_exported(exported.script(with_weights=False))
    scripts = bundle(SCRIPTS, {"api": _web("local.js")})
    script = "\n" + BLANK.sub("", "\n".join([code, scripts, imported(_web("page.js"))]))
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
        script_src=f"{inline(script)} 'wasm-unsafe-eval'", style_src=inline(css), worker_src="blob:", img_src="data:"
    )
    return document(filled(_web("page.html"), **parts), title=title, style=css, policy=allowed, head="\n".join(meta))


def _notes(tree: Tree) -> list[str]:
    """Return how much of the n-gram a page has, and what the page reveals of the training text."""
    kept, text = "all n-grams are kept", "nearly all of the training text"
    if tree.share < 1:
        kept = f"{tree.share:.0%} of the n-grams are kept, the most frequent"
        text = "the most frequent passages of the training text"
    reveals = f"{text}, {len(tree.levels)} tokens at a time; with `ngram_megabytes` 0, only {KNOWN}"
    return [kept, f"the file reveals {reveals}"]


def _web(name: str) -> str:
    return read("afterword.wings.export", "web", name)
