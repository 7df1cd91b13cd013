"""The README.md of a saved model: what it is, what it learned from, how good it is, and what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from afterword.model.saved import SavedModel


def card(model: SavedModel, samples: Sequence[tuple[float, str]]) -> str:
    """A model card in Markdown. `samples` are (temperature, text)."""
    config, about = model.config, model.about
    corpus, validation = about["corpus"], about["validation"]
    names = ", ".join(PurePath(source).name for source in corpus["sources"])
    kind = "lines" if about["lines"] else "running text"
    if labels := about.get("labels"):
        kind = f"lines with {len(labels):,} labels"
    training, held_out = corpus["training"]["characters"], corpus["validation"]["characters"]
    lines = [
        f"# A model of {names}",
        "",
        "A small LSTM that was trained with Afterword on a text of its user's own.",
        "",
        "| | |",
        "| --- | --- |",
        f"| text | {names}: {kind}, {training:,} characters to learn from, {held_out:,} held out |",
        f"| tokens | `{model.tokenizer.kind}`, {config.vocabulary_size} rows |",
        f"| network | {config.num_layers} × {config.hidden_size} {config.cell.upper()},"
        f" embedding {config.embedding_size}, {config.parameters:,} parameters |",
        *([f"| begun from | {base['name']} (`{base['fingerprint'][:12]}`) |"] if (base := about.get("base")) else []),
        *(
            [f"| n-gram | up to {model.ngram.order} tokens, {model.mixture_weight:.0%} of each prediction |"]
            if model.ngram is not None
            else []
        ),
        f"| training | recipe `{about['recipe']}`, {about['training']['steps']:,} steps,"
        f" seed {about['training']['seed']} |",
    ]
    if validation:
        lines.append(
            f"| held-out text | {validation['bits_per_character']:.3f} bits per character"
            f" ({validation['nats_per_character']:.4f} nats) |"
        )
    lines += ["", "```", "afterword generate .", "```", "", "## Before you share it", "", *_disclosure(model), ""]
    if samples:
        lines += ["## What it writes", ""]
    for temperature, text in samples:
        fence = "````" if "```" in text else "```"
        lines += [f"At temperature {temperature:g}:", "", fence, text.strip("\n"), fence, ""]
    return "\n".join(lines)


def _disclosure(model: SavedModel) -> list[str]:
    """What the folder tells of the text."""
    if model.text is not None:
        holds = ["`model.safetensors` holds the training text itself, because writing starts from a window of it."]
    elif model.ngram is not None:
        holds = [
            f"`ngram.safetensors` holds nearly all of the training text: every passage of {model.ngram.order} tokens,",
            "so that what is in it once can be read there. `train --ngram 0` makes a model without that file.",
        ]
    else:
        holds = ["It has no n-gram, whose file would hold nearly all of the training text."]
    base = model.about.get("base")
    return [
        *holds,
        "Any language model may write by heart what it has read often, or what is like nothing else.",
        *([f"This one began from {base['name']}: the same holds for what that has read."] if base else []),
        "`config.json` has the names of the text files, `tokenizer.json` the characters of the text. Share this folder",
        "with those who may read the text; of a run share `model/` alone, since the rest of it holds the text.",
    ]
