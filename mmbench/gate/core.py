"""One core for what is timed by turns: a core that was idle is slow to wake up, and no two cores are equally fast.

On a shared host with two cores the blocks of a pair of the same code differed with a standard deviation of 5 to 7 %
where the system chose the cores, and of 2.5 % on one core.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress


def while_timed(processes: Sequence[int], device: str, threads: int) -> AbstractContextManager[None]:
    """Keep processes on one core, if one is what each of them needs.

    Args:
        processes: their ids.
        device: that their model is on.
        threads: of PyTorch in each.
    """
    return on_one_core(processes) if device == "cpu" and threads == 1 else nullcontext()


@contextmanager
def on_one_core(processes: Sequence[int]) -> Iterator[None]:
    """Keep the main threads of processes on the same core, and let them go where they might before afterwards.

    They stay where they are if their code has chosen cores itself, or the system cannot say.

    Args:
        processes: their ids.
    """
    cores = _shared(processes)
    _keep(processes, {max(cores)} if cores else set())
    try:
        yield
    finally:
        _keep(processes, cores)


def _shared(processes: Sequence[int]) -> set[int]:
    """The cores that each of them may use; none where that differs from those of this process."""
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        return set()
    own = os.sched_getaffinity(0)
    with suppress(OSError):  # one has ended, which who asks it next is told
        if all(os.sched_getaffinity(process) == own for process in processes):
            return own
    return set()


def _keep(processes: Sequence[int], cores: set[int]) -> None:
    for process in processes if cores else ():
        with suppress(OSError):  # as above
            os.sched_setaffinity(process, cores)
