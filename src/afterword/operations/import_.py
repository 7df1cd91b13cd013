"""Make a model from a file of Keras or PyTorch."""

from __future__ import annotations

import shlex
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from afterword.errors import OptionError
from afterword.interchange.imported import import_model
from afterword.model.folder.card import card
from afterword.model.folder.saved import save_model
from afterword.operations.operation import FOLDER, Output, Request, Source, argument, operation
from afterword.operations.work import Work
from afterword.settings import setting


@dataclass(frozen=True)
class Import(Request):
    """Make a model from FILE: .keras or .h5 of Keras 3, or .safetensors with the names that export --torch writes."""

    file: Annotated[Source, argument("the weights of another program")]
    _: KW_ONLY
    out: Output | None = setting(None, "the new model's folder (required)", metavar="DIR", short="o", ending=FOLDER)
    vocabulary: Source | None = setting(
        None, "JSON file with the characters by row (default: tokenizer.json or vocabulary.json in the folder of FILE)"
    )


@operation(Import)
def import_(request: Import, work: Work) -> None:
    if request.out is None:
        raise OptionError("`out` is missing: name the new model's folder")
    model = import_model(Path(request.file), None if request.vocabulary is None else Path(request.vocabulary))
    save_model(Path(request.out), model, card(model, []))
    work.say(f"the model is in {request.out}: {model.config.network}, {len(model.tokenizer.characters):,} characters")
    work.say(f"next: afterword generate {shlex.quote(str(request.out))}")
