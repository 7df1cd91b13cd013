"""The ranks that share a run, and how they wait for the first one, which makes it ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from afterword.errors import AfterwordError
from afterword.learning.ranks import STEP_SECONDS, Team, rank, ranks
from afterword.runs.existing import check_gpu, open_run
from afterword.runs.folder import RunFolder
from afterword.runs.run import Run

LOOK_EVERY = 0.02  # seconds


def together(make: Callable[[], Run], path: Path) -> Run:
    """The run that `make` begins, resumes or repeats in `path`; of torchrun's ranks the first makes it for all.

    Where it fails, the first rank raises, and the others leave with the same exit status.
    """
    if ranks() == 1:
        return make()
    team = Team(rank(), ranks())
    team.meet()
    if team.first:
        try:
            run = make()
        except BaseException as error:
            announce(team, error.exit_status if isinstance(error, AfterwordError) else 1)
            raise
        announce(team, 0)
    else:
        status = announced(team)
        if status:
            raise SystemExit(status)
        run = open_run(RunFolder(path))
        check_gpu(run)
    team.start(run.recipe.device)
    run.team = team
    run.share_checkpoint()
    return run


def announce(team: Team, status: int) -> None:
    """Send `status` to all ranks, and stay until they have it: without torchrun the message lives in this process."""
    team.send(status)
    for _ in range(round(STEP_SECONDS / LOOK_EVERY)):
        if team.all_have_it:
            return
        time.sleep(LOOK_EVERY)


def announced(team: Team) -> int:
    """The status that the first rank announces, however long it takes to be ready."""
    while (status := team.receive()) is None:
        time.sleep(LOOK_EVERY)
    return status
