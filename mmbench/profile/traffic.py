"""Bytes that operators read and write, if no cache keeps anything from one to the next.

Each operator reads its input tensors once and writes its results once. Views are free, and so is memory that is only
asked for. This is what intensity in the roofline model rests on; kernels that read a tensor several times move more.
"""

from collections.abc import Iterable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._pytree import tree_leaves

_ALLOCATE = frozenset({"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"})
_RESIZE = frozenset({"resize_", "resize_as_", "set_", "_resize_output_"})

# Write without reading what was there, or what the result is to look like.
_OVERWRITE = (
    frozenset({"copy_", "fill_", "zero_", "normal_", "uniform_", "bernoulli_", "random_", "exponential_"})
    | {"full_like", "new_full", "new_ones", "new_zeros", "ones_like", "zeros_like"}
    | {"rand_like", "randint_like", "randn_like"}
)

# Read, of their first tensor, as much as they return.
_SELECT = frozenset({"embedding", "gather", "index", "index_select", "masked_select", "take", "_unsafe_index"})

# Touch, of their first tensor, as much as they are given to put there.
_PLACE = frozenset({"index_add_", "index_copy_", "index_put_", "_index_put_impl_", "put_", "scatter_", "scatter_add_"})


def bytes_moved(
    operator: OpOverload | HigherOrderOperator, args: tuple[Any, ...], kwargs: dict[str, Any], result: object
) -> int:
    """Bytes that one call reads and writes.

    Args:
        operator: what was called.
        args: positional arguments of the call.
        kwargs: the others.
        result: what it returned.
    """
    if not isinstance(operator, OpOverload):
        return _total(_tensors((args, kwargs))) + _total(_tensors(result))
    name = operator._schema.name.split("::")[1]
    read, written = _read(operator, args, kwargs), _written(operator, args, kwargs, result)
    if not written or name in _ALLOCATE or name in _RESIZE or _is_view(operator, read, written):
        return 0
    if name in _OVERWRITE:
        return _total(read[1:]) + _total(written)
    if name in _SELECT and read:
        return _total(read[1:]) + min(tensor_bytes(read[0]), _total(written)) + _total(written)
    if name in _PLACE:
        rest = _total(read[1:])
        return rest + 2 * min(tensor_bytes(read[0]), rest)
    return _total(read) + _total(written)


def tensor_bytes(tensor: Tensor) -> int:
    """Bytes that a tensor's elements take; what `expand` repeats counts once, a sparse tensor as if it were dense."""
    if tensor.is_nested or tensor.layout != torch.strided:
        return tensor.numel() * tensor.element_size()
    return prod(_extents(tensor)) * tensor.element_size()


def _extents(tensor: Tensor) -> Iterable[int]:
    return (size if stride else min(size, 1) for size, stride in zip(tensor.shape, tensor.stride(), strict=True))


def _read(operator: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """All input tensors, without those that only receive the result (`out=`)."""
    receive = {argument.name for argument in operator._schema.arguments if argument.is_out}
    return _tensors((args, {name: value for name, value in kwargs.items() if name not in receive}))


def _written(operator: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], result: object) -> list[Tensor]:
    """All results, and the arguments that are changed in place, whether returned or not."""
    names = [argument.name for argument in operator._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    changed = [argument.name for argument in operator._schema.arguments if _is_changed(argument)]
    return _tensors((result, [given.get(name) for name in changed]))


def _is_changed(argument: Any) -> bool:
    return argument.alias_info is not None and bool(argument.alias_info.is_write)


def _is_view(operator: OpOverload, read: list[Tensor], written: list[Tensor]) -> bool:
    """Whether the result lies in the memory of the input, and nothing was changed there."""
    if operator._schema.is_mutable:
        return operator.is_view or torch.Tag.inplace_view in operator.tags
    memory = {place for place in map(_memory, read) if place is not None}
    return all(_memory(tensor) in memory for tensor in written)


def _memory(tensor: Tensor) -> int | None:
    if tensor.is_nested or tensor.layout != torch.strided:
        return None
    return int(tensor.untyped_storage()._cdata)


def _tensors(tree: object) -> list[Tensor]:
    """The tensors in lists, tuples and dicts, in order, each once."""
    return list({id(leaf): leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)}.values())


def _total(tensors: Iterable[Tensor]) -> int:
    return sum(map(tensor_bytes, tensors))
