"""One network, several processes: the ranks that torchrun starts share out the lanes and add up their gradients.

Every rank draws the whole step, its data and its dropout, and learns from its own lanes: rank r of n has lanes
⌊rB/n⌋ to ⌊(r+1)B/n⌋ - 1 of B, always the same ones, so that carried state stays with its lane and what a step reads
does not depend on the number of ranks. Gradients and costs are summed over all ranks before anything is done with
them, so all ranks hold the same weights, bit for bit. Only the first rank writes; the run's folder must be seen by all.

torch is imported when several ranks meet, not before.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from afterword.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

    from afterword.learning.recipe import Device

STEP_SECONDS = 25  # a rank that the others wait for longer than this, within a step, is lost
WRITE_SECONDS = 1800  # the same while the first rank writes


def ranks() -> int:
    """How many processes torchrun has started for this run; 1 without it."""
    found = all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))
    return int(os.environ["WORLD_SIZE"]) if found else 1


def rank() -> int:
    """Which of them this one is. The first, 0, is the one that writes and reports."""
    return int(os.environ["RANK"]) if ranks() > 1 else 0


def ranks_here() -> int:
    """How many of them run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if ranks() > 1 else 1


def local_rank() -> int:
    """Which of those on this machine this one is, and so which of its GPUs it has."""
    return int(os.environ.get("LOCAL_RANK", "0")) if ranks() > 1 else 0


def restarted() -> bool:
    """Whether torchrun has started the same command again, after a rank was lost."""
    return ranks() > 1 and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


class Team:
    """The processes that train one network: one alone, or `size` of them, of which this is number `rank`."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size
        self._store: Any = None
        self._patient: Any = None  # the same ranks, waiting longer for each other

    @property
    def first(self) -> bool:
        return self.rank == 0

    def lanes(self, B: int) -> slice:
        """Which of `B` lanes are this rank's; none, where there are fewer lanes than ranks."""
        return slice(B * self.rank // self.size, B * (self.rank + 1) // self.size)

    def meet(self) -> None:
        """Find the other ranks. What the first does before `start` may take as long as it likes."""
        import torch.distributed as dist
        from torch.distributed.rendezvous import rendezvous

        with self._losses():
            store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=300)))
        # the store outlives a restart, and with it the messages of the ranks before it
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self._store = dist.PrefixStore(f"afterword/{attempt}", store)  # type: ignore[attr-defined]

    def send(self, status: int) -> None:
        """From the first rank to all: everything is ready (0), or nothing will come of it, with this exit status."""
        self._store.set("ready", str(status))

    @property
    def all_have_it(self) -> bool:
        """Whether every other rank has received what the first one sent."""
        return bool(self._store.add("received", 0) >= self.size - 1)

    def receive(self) -> int | None:
        """The message of the first rank, to be received once; None as long as it has sent none."""
        with self._losses():
            if not self._store.check(["ready"]):
                return None
            status = int(self._store.get("ready"))
            self._store.add("received", 1)
            return status

    def start(self, device: Device) -> None:
        """From here on the ranks go in step: gloo between processors; NCCL, where there is one, between GPUs."""
        import torch.distributed as dist

        if ranks_here() == self.size and sys.platform == "linux":  # one machine: listen to itself alone
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        gpus = device == "cuda" and dist.is_nccl_available()
        if gpus:  # a lost rank is then an error with a message; otherwise NCCL ends the process
            os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
        with self._losses():
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if gpus else "gloo",
                store=dist.PrefixStore("step", self._store),  # type: ignore[attr-defined]
                rank=self.rank,
                world_size=self.size,
                timeout=timedelta(seconds=STEP_SECONDS),
            )
            self._patient = dist.new_group(timeout=timedelta(seconds=WRITE_SECONDS), backend="gloo")

    def part(self) -> None:
        """Let the other ranks go, at the end of a run."""
        if self._patient is not None:
            import torch.distributed as dist

            dist.destroy_process_group()
            self._patient = None

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Put in the place of each tensor its sum over all ranks."""
        if self.size == 1:
            return
        import torch
        import torch.distributed as dist

        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with self._losses():
            dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def agree(self, *questions: bool) -> list[bool]:
        """For each question, whether any rank says yes."""
        if self.size == 1:
            return list(questions)
        import torch

        votes = torch.tensor([float(yes) for yes in questions])
        self.add_up([votes])
        return [bool(vote) for vote in votes]

    def from_first(self, value: float) -> float:
        """The first rank's value."""
        if self.size == 1:
            return value
        import torch
        import torch.distributed as dist

        message = torch.tensor([value], dtype=torch.float64)
        with self._losses():
            dist.broadcast(message, src=0)
        return float(message)

    def wait(self) -> None:
        """Until all ranks are here; the first may have written for long."""
        if self.size > 1:
            import torch.distributed as dist

            with self._losses():
                dist.barrier(group=self._patient)

    @contextlib.contextmanager
    def _losses(self) -> Iterator[None]:
        """Report a lost rank in one line."""
        try:
            yield
        except RuntimeError as error:  # torch's own errors of this kind are RuntimeErrors
            raise TrainingError(
                f"rank {self.rank} of {self.size} lost the others ({str(error).splitlines()[0][:120]}): "
                "start them all again with --resume, which goes on from the last checkpoint"
            ) from None


ALONE = Team()
