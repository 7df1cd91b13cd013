"""How the ranks that share a run wait for the first one, which makes it ready."""

from __future__ import annotations

import time

from afterword.learning.ranks import STEP_SECONDS, Team

LOOK_EVERY = 0.02  # seconds


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
