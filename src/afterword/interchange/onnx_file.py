"""A model as one file of ONNX: the LSTM's graph in float32, with everything that a program needs to write with it."""

from __future__ import annotations

import json
from pathlib import Path

from afterword.errors import OptionError, check_installed
from afterword.interchange.facts import facts, notes
from afterword.model.folder.saved import SavedModel
from afterword.model.network.graphs import float_graph
from afterword.storage import output

LARGEST_FILE = 2**31 - 2**24  # bytes of weights: a file of ONNX has fewer than 2 GiB
SAYS = "An LSTM that predicts a text token by token. It was trained by Afterword; an n-gram is not included."


def write_onnx(model: SavedModel, path: Path) -> list[str]:
    """Write the graph that `float_graph` describes, checked by ONNX's own checker. Its metadata is `facts` in JSON.

    Raises OptionError for another cell, a model that is too large, or without the package onnx.
    """
    known = notes(model, "a file of ONNX")
    if 4 * model.config.parameters > LARGEST_FILE:
        raise OptionError("this model is too large for ONNX, whose files have at most 2 GiB")
    check_installed("exporting to ONNX needs the package onnx: pip install 'afterword[onnx]'", "onnx")
    from onnx import checker, helper

    graph = float_graph(model.config, model.weights)
    graph.producer_name, graph.doc_string = "afterword", SAYS
    helper.set_model_props(graph, {name: json.dumps(fact, ensure_ascii=False) for name, fact in facts(model).items()})
    checker.check_model(graph, full_check=True)
    with output(path) as file:
        file.write(graph.SerializeToString(deterministic=True))
    return known
