"""A run is done once more, from its folder alone."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from afterword.errors import RunError
from afterword.runs.environment import changes, check_ranks, check_torch, environment, versions
from afterword.runs.existing import damage_reported, open_run, take_settings
from afterword.runs.folder import RunFolder
from afterword.runs.place import check_place, check_sources, held
from afterword.runs.record import Environment
from afterword.runs.run import Run
from afterword.text.encoded import EncodedCorpus


def repeat(
    path: Path, out: Path, asked: Mapping[str, Any] | None = None, *, overwrite: bool = False, exact: bool = False
) -> Run:
    """Begin in `out` the run in the folder `path` once more: its plan, its text, and all that was decided on its way.

    Nothing is measured, and the text is the run's own encoded one. The corrections and rollbacks stand in the new
    record from the start, so that the steps and their rates are the same, and with them the bits. A run that was
    stopped midway is repeated so far, and then goes on to its planned end. `asked` and `exact` are as for `resume`.
    Raises RunError where there is no run, where it is damaged, and where `out` will not do; OptionError for a setting
    that contradicts it.
    """
    check_torch()
    folder = RunFolder(out)
    original = open_run(RunFolder(path))
    if os.path.realpath(path) == os.path.realpath(out):
        raise RunError(f"{out} is the run that is to be repeated: give --out another folder")
    check_sources([path], folder)
    with damage_reported(original.folder):
        take_settings(original, asked or {})
        now = environment(original.recipe.threads, original.recipe.device)
    had = [environment.parts for environment in original.record.environments]
    differences = ", ".join(dict.fromkeys(change for parts in had for change in changes(parts, now)))
    record = dataclasses.replace(original.record, versions=versions(), environments=(Environment(0, now),))
    notes = []
    if differences:
        if exact:
            raise RunError(
                f"{differences}: the run cannot be repeated exactly; leave --exact out to repeat it all the same"
            )
        notes.append(f"{differences}: the run is repeated, but perhaps not bit for bit")
    check_ranks(original.recipe)
    check_place(folder, overwrite, record.asked)
    with held(folder):
        check_place(folder, overwrite, record.asked)
        new = folder.begin_new()
        with damage_reported(original.folder):
            encoded = original.encoded.copy(new.corpus)
            if record.base is not None:
                new.write_base(original.folder.read_base(original.recipe.config(original.encoded.tokenizer)))
        if encoded.measured_fingerprint() != record.fingerprint:
            raise RunError(f"the text in {original.folder.corpus} is not the one that this run began with")
        new.write_record(record)
        folder.take(new)
        return Run(folder, record, EncodedCorpus.open(folder.corpus), notes)
