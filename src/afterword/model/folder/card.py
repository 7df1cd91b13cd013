"""The README.md of a saved model: metadata for a model hub, its size, its text, how good it is, and samples."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from afterword.commands import attached_files, elsewhere, learned_kinds
from afterword.model.folder.saved import SavedModel

UNKNOWN = "unknown"  # a licence, in the words of the hub
SHARING = "## Before you share it\n\n"


def metadata(model: SavedModel) -> dict[str, Any]:
    """Return what a model hub sorts `model` by, in the hub's own words. The licence of the text is not known here."""
    found: dict[str, Any] = {"license": UNKNOWN, "library_name": "afterword", "pipeline_tag": "text-generation"}
    found["tags"] = ["afterword", model.config.cell]
    if model.learned:
        found["pipeline_tag"] = model.learned.task
    if model.about.get("validation"):
        found["metrics"] = ["perplexity"]
    base = (model.about.get("base") or {}).get("name", "")
    if elsewhere(base):
        found["base_model"] = base.partition("://")[2].partition("@")[0]
    return found


def card(model: SavedModel, samples: Sequence[tuple[float, str]], command: str = "afterword generate .") -> str:
    """Return a model card in Markdown, with its `metadata`. `samples` are (temperature, text); it shows `command`."""
    config, about = model.config, model.about
    corpus, validation, rows = about["corpus"], about["validation"], dict[str, str]()
    text, unit = "text", "character"
    kind = "lines" if about["lines"] else "running text"
    if labels := about.get("labels"):
        kind = f"lines with {len(labels):,} labels"
    for name, other in learned_kinds().items():
        if fact := about.get(name):
            text, unit, command, kind = other.source, other.unit, other.use, other.contents.format(**fact)
    names = ", ".join(PurePath(source).name for source in corpus["sources"])
    training, held_out = corpus["training"]["characters"], corpus["validation"]["characters"]
    rows[text] = f"{names}: {kind}, {training:,} {unit}s to learn from, {held_out:,} held out"
    origin = f"A small {config.kind.name}, trained with Afterword on its user's own {text}."
    if about["recipe"] == "ngram":
        origin = "The n-grams of its user's own text, counted by Afterword. Its network has learned nothing."
    rows |= {
        "tokens": f"`{model.tokenizer.kind}`, {config.vocabulary_size} rows",
        "network": f"{config.network}, embedding {config.embedding_size}, {config.parameters:,} parameters",
    }
    if base := about.get("base"):
        rows["begun from"] = f"{base['name']} (`{base['fingerprint'][:12]}`)"
    if model.ngram is not None:
        rows["n-gram"] = f"up to {model.ngram.order} tokens, {model.mixture_weight:.0%} of each prediction"
    if trained := about["training"]:
        rows["training"] = f"recipe `{about['recipe']}`, {trained['steps']:,} steps, seed {trained['seed']}"
    if validation:
        bits, nats = validation["bits_per_character"], validation["nats_per_character"]
        rows[f"held-out {text}"] = f"{bits:.3f} bits per {unit} ({nats:.4f} nats, perplexity {math.exp(nats):.2f})"
    lines = [f"# A model of {names}", "", origin, ""]
    lines += ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]
    lines += ["", "```", command, "```", "", *([] if model.learned else [SHARING + "\n".join(disclosure(model)), ""])]
    if samples:
        lines += ["## Samples", ""]
    for temperature, text in samples:
        fence = "````" if "```" in text else "```"
        lines += [f"At temperature {temperature:g}:", "", fence, text.strip("\n"), fence, ""]
    return card_text(metadata(model), "\n".join(lines))


def card_text(values: Mapping[str, Any], body: str) -> str:
    """Return a card with `values` as its front matter, in YAML, of which JSON is a part."""
    front = "".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items())
    return f"---\n{front}---\n\n{body}"


def disclosing(text: str, model: SavedModel) -> str:
    """Return a card that also has the sentences on what the attachments of `model` reveal."""
    missing = [line for name in model.attachments for line in attached_files()[name].reveals if line not in text]
    before, heading, after = text.partition(SHARING)
    lines = "".join(f"{line}\n" for line in missing)
    return f"{before}{heading}{lines}{after}" if heading or not missing else f"{text}\n{SHARING}{lines}"


def disclosure(model: SavedModel) -> list[str]:
    """Return the sentences on what the folder reveals of the text."""
    if model.text is not None:
        holds = ["`model.safetensors` contains the training text itself, because writing starts from a window of it."]
    elif model.ngram is not None:
        holds = [
            f"`ngram.safetensors` contains nearly all of the training text: {model.ngram.order} tokens at a time,",
            "even those that occur only once. `train --ngram 0` makes a model without that file.",
        ]
    else:
        holds = ["It has no n-gram, whose file would contain nearly all of the training text."]
    base = model.about.get("base")
    return [
        *holds,
        *(line for name in model.attachments for line in attached_files()[name].reveals),
        "Any language model may reproduce passages that it has read often, or that are unusual.",
        *([f"This one began from {base['name']}: the same is true of the text of that model."] if base else []),
        "`config.json` has the names of the text files, `tokenizer.json` the characters of the text. Share this folder",
        "only with people who may read the text; of a run, share only `model/`, because the rest contains the text.",
    ]
