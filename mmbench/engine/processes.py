"""The processes of one training run, as `torchrun` starts them; a run without it is one process."""

import atexit
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from mmbench.errors import MMBenchError

if TYPE_CHECKING:
    import torch
    from torch import nn

T = TypeVar("T")

_PATIENCE_S = 10.0


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """This process writes the files and speaks to the user; the others only compute."""
    return rank() == 0


def let_first_speak() -> None:
    """Wait before an error is told, in every process but the first.

    Where the first has the same error it ends meanwhile, and torchrun ends the others with it, so that the user reads
    one line. Whoever is still there has an error of its own.
    """
    if not is_first():
        time.sleep(_PATIENCE_S)


def join_processes(device: "torch.device") -> None:
    """Join the other processes, by gloo on the CPU and NCCL on CUDA, until this one ends; nothing without others."""
    from torch import distributed  # noqa: PLC0415  # the command line asks `is_first`, and must start fast

    if world_size() > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(distributed.destroy_process_group)  # not after each run: a group cannot be made twice


def gather(part: T) -> list[T]:
    """What each process has, by rank; any object that can be pickled between them."""
    from torch import distributed  # noqa: PLC0415

    if not distributed.is_initialized():
        return [part]
    parts: list[T | None] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, part)
    return parts  # type: ignore[return-value]  # each place is filled


def first_does(work: Callable[[], T]) -> T:
    """Let the first process do it; what it gives or raises, all give or raise, once it is done."""
    result, failure = None, None
    if is_first():
        try:
            result = work()
        except MMBenchError as error:
            failure = error
    result, failure = gather((result, failure))[0]
    if failure is not None:
        raise failure
    return result  # type: ignore[return-value]  # nothing failed, so the first process has given it


def raise_together(error: MMBenchError | None, device: "torch.device | str") -> None:
    """Raise the error of any process in all of them, so that none waits for another that has gone."""
    import torch  # noqa: PLC0415
    from torch import distributed  # noqa: PLC0415

    if distributed.is_initialized():
        found = torch.tensor(error is not None, dtype=torch.uint8, device=device)
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        if found:
            error = next(each for each in gather(error) if each is not None)
    if error is not None:
        raise error


def share_buffers(module: "nn.Module") -> None:
    """Give every process the first one's buffers: a layer may have gathered statistics of its own samples in each."""
    from torch import distributed  # noqa: PLC0415

    if distributed.is_initialized():
        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)
