"""A run that stands in a folder, as its record describes it, and what may be asked of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from afterword.bases.base import load_base
from afterword.errors import ModelError, OptionError, RunError
from afterword.learning.device import precision_on, why_no_gpu
from afterword.planning.settings import AUTO, NONE
from afterword.runs.folder import RunFolder
from afterword.runs.run import Run
from afterword.text.encoded import EncodedCorpus

MAY_CHANGE = ("device", "threads", "checkpoint_every")  # settings that a resumed run may have otherwise


def open_run(folder: RunFolder) -> Run:
    """The run in `folder` as its record tells it, without a state. Raises RunError."""
    record = folder.read_record()
    encoded = EncodedCorpus.open(folder.corpus)
    with damage_reported(folder):
        return Run(folder, record, encoded, [])


@contextlib.contextmanager
def damage_reported(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except (OSError, LookupError, TypeError, ValueError, ModelError) as error:
        raise RunError(f"the run in {folder.path} is damaged: {type(error).__name__}: {error}") from None


def take_settings(run: Run, asked: Mapping[str, Any]) -> None:
    """Let `run` have those settings that may change; raise OptionError for the first that contradicts the run."""
    begun, settled = run.record.asked, {**run.record.text, **run.recipe.record()}
    for name, value in asked.items():
        has = begun[name] if begun.get(name) is not None else settled.get(name)
        if name == "device":
            _take_device(run, value)
        elif name == "base":
            _check_base(run, value)
        elif name in MAY_CHANGE:
            _take(run, {name: value})
        elif value != has:
            raise OptionError(
                f"{name.replace('_', '-')} is {_told(has)} in the run {run.folder.path}, "
                f"not {_told(value)}: leave it out, or begin another run with another --out"
            )


def _check_base(run: Run, base: str) -> None:
    """Raise OptionError where `run` did not begin from `base`; "auto" lets it be."""
    had = run.record.base
    if base == AUTO:
        return
    found = None if base == NONE else load_base(base)
    if (found and found.fingerprint) != (had and had.fingerprint):
        changed = " as it is now" if found and had and found.name == had.name else ""
        raise OptionError(
            f"the run {run.folder.path} began from {had.name if had else 'nothing'}, not from "
            f"{base if found else 'nothing'}{changed}: leave --base out, or begin another run with another --out"
        )


def _take_device(run: Run, device: Any) -> None:
    """Let `run` go on on `device`, in a precision that is used there; "auto" leaves it where it was."""
    recipe = run.recipe
    if device in ("auto", recipe.device):
        return
    precision = precision_on(device, recipe.precision, recipe.hidden_size)
    _take(run, {"device": device, "precision": precision})
    if precision != recipe.precision:
        run.notes.append(f"{recipe.precision} is not for the other device: the run goes on in {precision}")


def _take(run: Run, changes: dict[str, Any]) -> None:
    """Change numbers of the plan, in memory: the record is written when the run has been compared with this machine."""
    run.recipe = dataclasses.replace(run.recipe, **changes)
    run.record = dataclasses.replace(run.record, plan=run.recipe)


def check_gpu(run: Run) -> None:
    """Raise OptionError where `run` learns on a GPU and there is none."""
    why = why_no_gpu() if run.recipe.device == "cuda" else None
    if why:
        raise OptionError(
            f"the run {run.folder.path} learns on a GPU, and {why}: --device cpu goes on on the processor"
        )


def _told(value: Any) -> str:
    """`value` as a config file has it."""
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value)
