"""Where a network learns: the processor or a GPU, which of them is at hand, and what each of them likes.

torch is imported inside the functions: a GPU that a processors' build of it cannot have is refused without loading it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from afterword.errors import OptionError, TrainingError
from afterword.learning.ranks import local_rank, ranks_here
from afterword.learning.recipe import Device, Precision

if TYPE_CHECKING:
    import torch


def why_no_gpu() -> str | None:
    """Why this process cannot learn on a GPU, as the middle of a sentence; None where it can."""
    if "torch" not in sys.modules and version("torch").endswith("+cpu"):
        return "PyTorch is installed here in its build for processors"
    import torch

    if not torch.cuda.is_available():
        built = torch.backends.cuda.is_built()  # type: ignore[no-untyped-call]
        return "PyTorch finds no GPU here" if built else "PyTorch is installed here in its build for processors"
    if torch.cuda.device_count() < ranks_here():
        return f"{ranks_here()} ranks on this machine find {torch.cuda.device_count()} of it: each needs a GPU"
    return None


def check_device(asked: str) -> None:
    """Raise OptionError where `asked` is "cuda" and there is no GPU to learn on."""
    why = why_no_gpu() if asked == "cuda" else None
    if why:
        raise OptionError(f"device cuda: {why}; give --device cpu, or auto, or see pytorch.org for its CUDA build")


def chosen(asked: str) -> Device:
    """The device that `asked` ("auto", "cpu" or "cuda") comes to here; auto is a GPU where there is one."""
    check_device(asked)
    return "cuda" if asked == "cuda" or (asked == "auto" and why_no_gpu() is None) else "cpu"


def opened(device: Device, precision: Precision) -> torch.device:
    """`device` made ready for this rank, so that equal steps give equal bits and float32 means float32."""
    import torch

    if device == "cpu":
        return torch.device("cpu")
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"
    torch.cuda.set_device(local_rank())
    return torch.device("cuda", local_rank())


def moved(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`tensor` of the processor on `device`: to a GPU from pinned memory, so that nobody waits for the copy."""
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def precisions_to_try(device: Device, hidden_size: int) -> tuple[Precision, ...]:
    """In which precisions layers of `hidden_size` units may be fastest on `device`, the likeliest first.

    On a GPU PyTorch's autocast runs LSTM layers by cuDNN in float16 whatever its type is said to be, so bfloat16 would
    be float16 there, but without a scaled loss. See docs/decisions.md.
    """
    return ("float16", "float32") if device == "cuda" else (_precision_of_this_processor(hidden_size),)


def _precision_of_this_processor(hidden_size: int) -> Precision:
    """bfloat16 where the processor multiplies it in hardware and the matrices are large enough for it to pay."""
    import torch

    fast = any(
        getattr(torch.cpu, name, lambda: False)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return "bfloat16" if fast and hidden_size >= 128 else "float32"


def precision_on(device: Device, precision: Precision, hidden_size: int) -> Precision:
    """In which precision a run goes on on `device` that had `precision` on another: the same where that will do."""
    usable = precisions_to_try(device, hidden_size)
    return precision if precision in ("float32", *usable) else usable[0]


def embedding_size(device: Device, hidden_size: int) -> int:
    """How wide an embedding `device` likes: cuDNN's fast kernel takes inputs of multiples of 128 alone."""
    return min(128 if device == "cuda" else 64, hidden_size)


def gpu_memory() -> int:
    """Bytes that are free on this rank's GPU."""
    import torch

    torch.cuda.empty_cache()  # what was measured before may keep some of it
    free, _ = torch.cuda.mem_get_info(local_rank())
    return int(free)


def described(device: Device) -> str:
    """What bits depend on in a device: "cpu" (the processor is recorded elsewhere), or the GPU and its programs."""
    if device == "cpu":
        return "cpu"
    import torch

    name = torch.cuda.get_device_name(local_rank())
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return f"{name} (CUDA {torch.version.cuda}, cuDNN {cudnn})"


@contextlib.contextmanager
def memory_reported() -> Iterator[None]:
    """Report in one line a GPU whose memory does not suffice."""
    try:
        yield
    except RuntimeError as error:
        import torch

        if not isinstance(error, torch.OutOfMemoryError):
            raise
        raise TrainingError(
            "the GPU's memory is full: make batch-size, seq-length, hidden-size or num-layers smaller, "
            "or end what else runs on it"
        ) from None
