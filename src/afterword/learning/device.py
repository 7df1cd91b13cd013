"""The device that a network learns on: which ones this machine has, and which settings suit each.

torch is imported inside the functions: if its build is for processors, a GPU is refused without loading it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from afterword.errors import OptionError, TrainingError
from afterword.learning.ranks import local_rank, ranks_here
from afterword.learning.recipe import Device, Precision
from afterword.model.malloc import keep_freed

if TYPE_CHECKING:
    import torch

MOST_KEPT = 2**30  # bytes of free memory at the end of the heap


def why_unusable(device: Device) -> str | None:
    """Return why this process cannot learn on `device`, as the middle of a sentence, or None if it can."""
    if device == "cuda" and "torch" not in sys.modules and version("torch").endswith("+cpu"):
        return "the installed PyTorch is its build for processors"
    import torch

    if device == "mps" and not (torch.backends.mps.is_available() and ranks_here() == 1):
        return "Apple's GPU needs Apple silicon, a PyTorch that supports it, and a single process"
    if device == "cuda" and not torch.cuda.is_available():
        built = torch.backends.cuda.is_built()  # type: ignore[no-untyped-call]
        return "PyTorch finds no GPU" if built else "the installed PyTorch is its build for processors"
    if device == "cuda" and torch.cuda.device_count() < ranks_here():
        return f"the {ranks_here()} ranks on this machine need a GPU each, and it has {torch.cuda.device_count()}"
    return None


def check_device(asked: Literal["auto", Device]) -> None:
    """Raise OptionError if `asked` is a GPU on which this process cannot learn."""
    if asked in ("cuda", "mps") and (why := why_unusable(asked)):
        raise OptionError(f"`device` {asked}: {why}; give cpu or auto, or see pytorch.org for other builds")


def chosen_device(asked: Literal["auto", Device]) -> Device:
    """Return the device for `asked`; auto is an NVIDIA GPU if there is one."""
    check_device(asked)
    return ("cpu" if why_unusable("cuda") else "cuda") if asked == "auto" else asked


def prepare_device(device: Device, precision: Precision) -> torch.device:
    """Prepare `device` for this rank, so that equal steps give equal bits and float32 means float32."""
    import torch

    if device == "cpu":
        # by default, glibc returns to the system most of what a step frees, and the system clears it again page by page
        keep_freed(None, MOST_KEPT)
    if device != "cuda":
        return torch.device(device)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.cuda.set_device(local_rank())
    return torch.device("cuda", local_rank())


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move `tensor` from the processor to `device`: for CUDA through pinned memory, so that nothing waits."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def precisions_to_try(device: Device, hidden_size: int) -> tuple[Precision, ...]:
    """Return the precisions that may be fastest for layers of `hidden_size` units on `device`, the likeliest first.

    On a GPU PyTorch's autocast runs LSTM layers by cuDNN in float16 whatever type it is given, so bfloat16 would be
    float16 there, but without a scaled loss. See docs/decisions.md.
    """
    return ("float16", "float32") if device == "cuda" else (_precision_of_this_processor(hidden_size),)


def _precision_of_this_processor(hidden_size: int) -> Precision:
    """Return bfloat16 if the processor multiplies it in hardware and the matrices are large enough for it to pay."""
    import torch

    fast = any(
        getattr(torch.cpu, name, lambda: False)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return "bfloat16" if fast and hidden_size >= 128 else "float32"


def precision_on(device: Device, precision: Precision, hidden_size: int) -> Precision:
    """Return the precision of a run that moves to `device` with `precision`: the same if it is usable there."""
    usable = precisions_to_try(device, hidden_size)
    return precision if precision in ("float32", *usable) else usable[0]


def embedding_size(device: Device, hidden_size: int) -> int:
    """Return the embedding size that suits `device`: cuDNN's fast kernel takes only inputs of multiples of 128."""
    return min(128 if device == "cuda" else 64, hidden_size)


def gpu_memory() -> int:
    """Return the number of free bytes on this rank's GPU."""
    import torch

    torch.cuda.empty_cache()  # earlier measurements may keep some of it
    return int(torch.cuda.mem_get_info(local_rank())[0])


def described(device: Device) -> str:
    """Return what bit-identical results on `device` need: its name, or for CUDA the same GPU and libraries."""
    if device != "cuda":
        return device
    import torch

    name = torch.cuda.get_device_name(local_rank())
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return f"{name} (CUDA {torch.version.cuda}, cuDNN {cudnn})"


@contextlib.contextmanager
def memory_reported() -> Iterator[None]:
    """Report in one line that the GPU's memory is full."""
    try:
        yield
    except RuntimeError as error:
        if "out of memory" not in str(error):  # on Apple's GPU, the error has no type of its own
            raise
        raise TrainingError(
            "the GPU's memory is full: make `batch_size`, `seq_length`, `hidden_size` or `num_layers` smaller, "
            "or end other programs that use it"
        ) from None
