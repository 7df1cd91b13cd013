"""Send a model to the Hugging Face hub."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated

from afterword.bases.installed import folder_named
from afterword.model.folder.card import UNKNOWN, disclosure
from afterword.model.folder.saved import load_model, model_folder
from afterword.operations.operation import ModelName, Record, Request, argument, operation
from afterword.operations.work import Work
from afterword.settings import setting, settings_class
from afterword.wings.hub.repositories import HUB, Upload


@settings_class()
class Push(Request):
    """Send a model to the repository USER/NAME on the Hugging Face hub; create the repository if it does not exist.

    First, print the files to be sent and what they reveal of the training text, then ask. Afterwards, every command
    takes the model by the name hf://USER/NAME. This needs an access token: run hf auth login, or set HF_TOKEN.
    """

    example = "push book USER/book --private"

    model: Annotated[ModelName, argument("the model to send")]
    repository: Annotated[str, argument("the repository", metavar="USER/NAME")]
    _: KW_ONLY
    private: bool = setting("make a new repository private", default=False)
    license: str | None = setting("the licence, such as mit or cc-by-4.0, for its card", default=None, metavar="ID")
    language: str | None = setting("the language of the text, such as en, for the card", default=None, metavar="CODE")
    yes: bool = setting("send without asking", default=False)


class Pushed(Record):
    """The address of the model."""

    url: str

    def __str__(self) -> str:
        return self.url


@operation(Push)
def push(request: Push, work: Work) -> Pushed | None:
    folder = model_folder(folder_named(request.model))
    saved = load_model(folder)
    work.note(*saved.notes)
    card = {"license": request.license, "language": request.language}
    upload = Upload.of(folder, saved, request.repository, request.private, **card)
    place = "a new repository" if upload.replaced is None else "an existing repository"
    readers = "only those with access" if upload.private else "everybody"
    work.say(f"to {request.repository}, {place}, which {readers} can read:")
    for name, file in upload.files.items():
        work.say(f"  {name:<24} {len(file) if isinstance(file, bytes) else file.stat().st_size:>13,} bytes")
    work.say(f"what this reveals: {' '.join(disclosure(saved))}")
    if upload.about["license"] == UNKNOWN:
        work.note("the card gives no licence, so nobody may use the model: name one with `license`")
    if "language" not in upload.about:
        work.note("the card gives no language: name it with `language`, such as en")
    if not request.yes and not work.confirm(
        "send it?", "nothing was sent: push asks first, and there is no terminal; give `yes`"
    ):
        work.say("nothing was sent")
        return None
    pushed = Pushed(url=upload.send())
    work.say(f"next: afterword generate {HUB}{request.repository}")
    return pushed
