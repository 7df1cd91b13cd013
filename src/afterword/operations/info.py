"""Print what a model is and what it was trained on."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Any

from afterword import __version__
from afterword.errors import OptionError
from afterword.operations.operation import ModelName, Record, Request, argument, operation
from afterword.operations.work import Work
from afterword.runs.environment import system
from afterword.settings import setting


@dataclass(frozen=True)
class Info(Request):
    """Print what a model is and what it was trained on.

    MODEL is its folder, the folder of its run, the name of a base, or hf://USER/NAME. A bug report should contain
    what `system` prints.
    """

    model: Annotated[ModelName | None, argument("the model")] = None
    _: KW_ONLY
    system: bool = setting(False, "print the versions and this machine's properties instead")


class About(Record):
    """The facts about a model, as `LanguageModel.info` returns them, or about this machine."""

    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.facts


@operation(Info)
def info(request: Info, work: Work) -> About:
    if request.system == (request.model is not None):
        raise OptionError("info needs one of the two: `model` or `system`")
    facts = {"afterword": __version__, **system()} if request.model is None else work.model(request.model).info()
    return About(facts=facts)
