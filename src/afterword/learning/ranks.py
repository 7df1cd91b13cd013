"""One network, several processes: the ranks that torchrun starts share the lanes and add up their gradients.

Every rank draws the whole step, its data and its dropout, and learns from its own lanes: rank r of n has lanes
⌊rB/n⌋ to ⌊(r+1)B/n⌋ - 1 of B. They never change, so a lane keeps its carried state, and what a step reads does not
depend on the number of ranks. Gradients and costs are summed over all ranks before they are used, so all ranks hold
the same weights, bit for bit. Only the first rank writes; all of them must see the run's folder.

If one rank is lost, torchrun ends the others, and starts all again if its options say so. If machines may join and
leave, it may start another number of ranks. All then continue from the last checkpoint.
torch is imported when several ranks meet, not before.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from afterword.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

WAIT_SECONDS = 1800  # for another rank: the first one may read a text, plan or write for long


def _set_by_torchrun(name: str, otherwise: int) -> int:
    found = all(needed in os.environ for needed in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return int(os.environ.get(name, otherwise)) if found else otherwise


def ranks() -> int:
    """Return how many processes torchrun has started for this run; 1 without it."""
    return _set_by_torchrun("WORLD_SIZE", 1)


def rank() -> int:
    """Return which of them this one is. The first, 0, is the one that writes and reports."""
    return _set_by_torchrun("RANK", 0)


def ranks_here() -> int:
    """Return how many of them run on this machine."""
    return _set_by_torchrun("LOCAL_WORLD_SIZE", 1)


def local_rank() -> int:
    """Return which of those on this machine this one is, and so which of its GPUs it has."""
    return _set_by_torchrun("LOCAL_RANK", 0)


def elastic() -> bool:
    """Return whether machines may join and leave: torchrun then has a new store for each start, and counts of restarts
    differ between machines."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "False"


def restarted() -> bool:
    """Return whether torchrun has, or if `elastic` may have, started the same command again after it lost a rank."""
    return elastic() or _set_by_torchrun("TORCHELASTIC_RESTART_COUNT", 0) > 0


@dataclass(frozen=True)
class Team:
    """The processes that train one network: one alone, or `size` of them, of which this is number `rank`."""

    rank: int = 0
    size: int = 1

    def lanes(self, B: int) -> slice:
        """Return which of `B` lanes are this rank's; none if there are fewer lanes than ranks."""
        return slice(B * self.rank // self.size, B * (self.rank + 1) // self.size)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks."""
        if self.size == 1:
            return
        import torch.distributed as dist
        from torch.nn.utils import parameters_to_vector, vector_to_parameters

        flat = parameters_to_vector(tensors)
        with _losses_reported():
            dist.all_reduce(flat)
        vector_to_parameters(flat, tensors)

    def agree(self, *questions: bool) -> list[bool]:
        """Return for each question whether any rank says yes."""
        if self.size == 1:
            return list(questions)
        import torch

        votes = torch.tensor(questions, dtype=torch.float32)
        self.add_up([votes])
        return votes.bool().tolist()

    def from_first(self, value: float) -> float:
        """Return the first rank's value."""
        if self.size == 1:
            return value
        import torch

        message = torch.tensor([value if self.rank == 0 else 0.0], dtype=torch.float64)
        self.add_up([message])
        return float(message)

    def wait(self) -> None:
        """Wait until all ranks are here."""
        self.agree(True)

    def leave(self) -> None:
        """Leave the other ranks at the end of a run."""
        if self.size > 1:
            import torch.distributed as dist

            dist.destroy_process_group()


ALONE = Team()


def meet() -> Team:
    """Find the other ranks: by gloo between processors, and by NCCL, if it is there, between GPUs."""
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    if ranks_here() == ranks() and sys.platform == "linux":  # one machine: listen to itself alone
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")  # a lost rank is then an error; else NCCL ends the process
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    with _losses_reported():
        store, number, size = next(rendezvous("env://"))
        # torchrun's store outlives a restart, and with it the addresses of the ranks before it
        start = "0" if elastic() else os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = dist.PrefixStore(start, store)  # type: ignore[attr-defined]
        dist.init_process_group(
            backend, store=store, rank=number, world_size=size, timeout=timedelta(seconds=WAIT_SECONDS)
        )
    return Team(number, size)


@contextlib.contextmanager
def _losses_reported() -> Iterator[None]:
    """Report a lost rank in one line."""
    try:
        yield
    except RuntimeError as error:  # torch's own errors of this kind are RuntimeErrors
        raise TrainingError(
            f"rank {rank()} of {ranks()} lost the others ({str(error).splitlines()[0][:120]}): "
            "start them all again with `resume`, which continues from the last checkpoint"
        ) from None
