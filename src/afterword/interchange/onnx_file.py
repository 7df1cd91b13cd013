"""A model as one file of ONNX: the LSTM's graph in float32, with everything that a program needs to write with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from afterword.errors import OptionError
from afterword.model.folder.saved import SavedModel
from afterword.model.network.graphs import float_graph
from afterword.storage import output

LARGEST = 2**31 - 2**24  # bytes of weights: a file of ONNX has fewer than 2 GiB
ALONE = "it holds the LSTM alone, without the model's n-gram, so it predicts as --with lstm does"


def write_onnx(model: SavedModel, path: Path) -> list[str]:
    """Write the graph that `float_graph` describes, checked by ONNX's own checker; its metadata is `facts`.

    Raises OptionError for a plain recurrent network, one that is too large, or without the package onnx.
    """
    if model.config.cell != "lstm":
        raise OptionError("onnx takes only LSTMs, and this model was trained with --cell rnn: train it again without")
    if 4 * model.config.parameters > LARGEST:
        raise OptionError("this model is too large for ONNX, whose files have at most 2 GiB")
    try:
        from onnx import checker, helper
    except ImportError:
        raise OptionError("onnx needs its package: pip install 'afterword[onnx]'") from None
    graph = float_graph(model.config, model.weights)
    graph.producer_name = "afterword"
    graph.doc_string = (
        "An LSTM that predicts a text token by token. It was trained by Afterword; an n-gram is not included."
    )
    helper.set_model_props(graph, facts(model))
    checker.check_model(graph, full_check=True)
    with output(path) as file:
        file.write(graph.SerializeToString(deterministic=True))
    return [] if model.ngram is None else [ALONE]


def facts(model: SavedModel) -> dict[str, str]:
    """Return what a program must know of the model: its text, its sizes and its origin.

    Everything but `boundary_id`, a number that a classic model does not have, is JSON.
    """
    values = {
        "tokens": model.tokenizer.texts,
        "unseen": model.unseen,
        "config": dataclasses.asdict(model.config),
        "about": model.about,
    }
    found = {name: json.dumps(value, ensure_ascii=False, sort_keys=True) for name, value in values.items()}
    found["tokenizer"] = model.tokenizer.to_json()
    if model.tokenizer.end is not None:
        found["boundary_id"] = str(model.tokenizer.end)
    return found
