"""Memory of a model at rest: its parameters and buffers, what is shared counted once."""

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mmbench.profile.results import StaticMemory

_Key = tuple[str, int]


class _Seen:
    """Byte ranges of storages that were counted, so that tied tensors and views of each other count once."""

    def __init__(self) -> None:
        self._ranges: dict[_Key, list[tuple[int, int]]] = {}

    def new_bytes(self, tensor: Tensor) -> int:
        """Bytes of a tensor that were not counted before; they are from now on."""
        if not tensor.numel():
            return 0
        size = tensor.element_size()
        start = int(tensor.storage_offset()) * size
        last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
        end = start + (last + 1) * size
        ranges = self._ranges.setdefault(_key(tensor), [])
        fresh = end - start - sum(max(0, min(end, b) - max(start, a)) for a, b in ranges)
        if fresh:
            ranges[:] = _merged([*ranges, (start, end)])
        return fresh


def static_memory(model: object) -> StaticMemory | None:
    """Count parameters and buffers; `None` of what is no `nn.Module`.

    A tensor that is reached by several names, or that is a view into another's storage, counts once, and as trainable
    if it is by any name. A buffer that shares a parameter's storage counts with the parameter.
    """
    if not isinstance(model, nn.Module):
        return None
    parameters = sorted(model.parameters(), key=lambda p: not p.requires_grad)  # trainable by any name
    seen = _Seen()
    numbers = {True: 0, False: 0}
    of_parameters: Counter[str] = Counter()
    for parameter in parameters:
        fresh = seen.new_bytes(parameter)
        numbers[parameter.requires_grad] += fresh // parameter.element_size()
        of_parameters[_name(parameter)] += fresh
    of_buffers: Counter[str] = Counter()
    for buffer in model.buffers():
        for part in _dense(buffer):
            of_buffers[_name(part)] += seen.new_bytes(part)
    return StaticMemory(
        parameters=sum(numbers.values()),
        trainable_parameters=numbers[True],
        parameter_bytes=of_parameters.total(),
        buffer_bytes=of_buffers.total(),
        bytes_by_dtype=dict(sorted((of_parameters + of_buffers).items())),
    )


def _key(tensor: Tensor) -> _Key:
    if tensor.is_meta:  # has no memory, so no address: the storage object itself
        return "meta", tensor.untyped_storage()._cdata
    return str(tensor.device), tensor.untyped_storage().data_ptr()


def _dense(tensor: Tensor) -> Iterable[Tensor]:
    """The dense tensors that hold a tensor's values, and of a sparse one their places too."""
    if tensor.layout is torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout is torch.sparse_csr:
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    return [tensor]


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
