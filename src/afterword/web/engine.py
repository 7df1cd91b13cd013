"""A model packed for the engine that runs it in a browser.

`engine.js` runs a model; a module is that file and `tokenizer.js`, then the constant `MODEL`: facts in JSON, and one
block of bytes in base64. The block has the matrices in the order of `Model` there, as whole multiples of a scale per
row, then the tree of the n-gram, if there is one. Numbers are little-endian.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from afterword.errors import OptionError
from afterword.model.arrays import Array, in_bytes
from afterword.model.folder.defaults import RUNNING_TEXT
from afterword.model.folder.saved import SavedModel
from afterword.model.network.cell import layer_weights
from afterword.model.network.cells import check_claimed
from afterword.model.network.config import embedding_of
from afterword.web.pages import in_script, read

MOST_ROWS = 2**16 - 1
_web = partial(read, "afterword.web")


class Packed:
    """A model as a page or a module holds it. Raises OptionError for a model that the engine cannot run."""

    def __init__(
        self, model: SavedModel, weight_bytes: int, ngram: Mapping[str, Any] | None = None, tree: bytes = b""
    ) -> None:
        """Each weight has 1 or 2 bytes. `ngram` has the facts about an n-gram, and `tree` its bytes."""
        if model.config.window:
            raise OptionError("a page cannot run a classic model, which reads windows: use `onnx`")
        check_claimed(model.config.cell, "a page")
        if (rows := model.tokenizer.rows) > MOST_ROWS:
            raise OptionError(f"a page holds at most {MOST_ROWS:,} different tokens; this model has {rows:,}")
        self.data = b"".join(_weights(model, weight_bytes)) + tree
        self.facts = {**_facts(model), "parts": weight_bytes, "ngram": ngram}
        """The vocabulary, the sizes and the defaults of writing: `MODEL` without its data."""

    def script(self, with_weights: bool = True) -> str:
        """Return the module. Without weights, they must be put into `MODEL.data` before it loads, as bytes."""
        constant = in_script({**self.facts, "data": base64.b64encode(self.data).decode() if with_weights else ""})
        return f"{engine()}const MODEL = {constant};\n"


def engine() -> str:
    """Return the module up to its model, the constant `MODEL`."""
    kernel = "".join(_web("kernel.wasm.base64").split())
    return f'{_web("engine.js")}\n{_web("tokenizer.js")}\nconst KERNEL = "{kernel}";\n'


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
            # the low one of `RECURRING_WORDS` relies on new-word-p, which the engine does not have
            "minP": RUNNING_TEXT.min_p if model.writing.new_word_p else model.writing.min_p,
            "isOfLines": model.writing.opening == "boundary",
            "finishesSentences": model.writing.finish_sentence,
            "labels": list(model.about.get("labels") or ()),
        },
    }


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
