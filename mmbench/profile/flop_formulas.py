"""Floating-point operations of single operators, from the shapes of what they read and write.

A multiply-add counts two, of complex numbers eight; a bias is left out, as is usual. Masked or padded positions count:
the operators here compute them, or leave them out in ways that shapes do not show (causal attention).
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

Formula = Callable[..., int]
"""Takes an operator's arguments, and its result as `out_val`."""


def matrix_product(left: Tensor, right: Tensor, *_: object, **__: object) -> int:
    """`[..., M, K]` by `[..., K, N]` or `[K]`: 2·M·K·N each."""
    columns = right.shape[-1] if right.dim() > 1 else 1
    return 2 * left.numel() * columns


def added_product(_: Tensor, left: Tensor, right: Tensor, *__: object, **___: object) -> int:
    """A matrix product with something added."""
    return matrix_product(left, right)


def outer_sum(_: Tensor, left: Tensor, right: Tensor, *__: object, **___: object) -> int:
    """`self + left ⊗ right`: a multiply-add each element."""
    return 2 * left.numel() * right.numel()


def linear(inputs: Tensor, weight: Tensor, *_: object, **__: object) -> int:
    """`[..., K]` by a weight `[N, K]`."""
    return 2 * (inputs.numel() // weight.shape[1]) * weight.numel()


def multiplication(left: object, right: object, *_: object, out_val: Tensor, **__: object) -> int:
    """An outer product counts one a product (nothing is added); any other multiplication is pointwise and counts none.

    Outer means that each operand is spread over the other's dimensions, so that the result is larger than both. This
    is how tensor fusion (Zadeh et al. 2017) and `einsum("bi,bj->bij")` reach the device.
    """
    operands = [operand for operand in (left, right) if isinstance(operand, Tensor)]
    outer = len(operands) == 2 and out_val.numel() > max(operand.numel() for operand in operands)
    return out_val.numel() if outer else 0


def convolution(
    inputs: Tensor,
    weight: Tensor,
    _: object,
    __: object,
    ___: object,
    ____: object,
    transposed: bool,
    *_____: object,
    out_val: Tensor,
    **______: object,
) -> int:
    """Each output element (of a transposed convolution: each input element) takes its share of the kernel.

    Groups are in the weight's shape `[C_out, C_in / groups, ...]`; products with padding count.
    """
    return 2 * (inputs if transposed else out_val).numel() * prod(weight.shape[1:])


def plain_convolution(
    _: Tensor, weight: Tensor, *__: object, out_val: Tensor | tuple[Tensor, ...], **___: object
) -> int:
    """A convolution that cannot be transposed."""
    result = out_val if isinstance(out_val, Tensor) else out_val[0]
    return 2 * result.numel() * prod(weight.shape[1:])


def transposed_convolution(inputs: Tensor, weight: Tensor, *_: object, **__: object) -> int:
    """A convolution that is always transposed."""
    return 2 * inputs.numel() * prod(weight.shape[1:])


def attention(query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object) -> int:
    """Scores and weighted sum, `[B, H, S, D]` by `[B, H or fewer, L, D]`: 2·B·H·S·L·(D + D_v), no softmax."""
    return 2 * prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def recurrent(inputs: Tensor, weights: list[Tensor], *_: object, **__: object) -> int:
    """All layers and directions: at each step `[rows, I]` every matrix is used once; gates are pointwise.

    Of an LSTM of one layer 2·rows·4H·(I + H), of a GRU 2·rows·3H·(I + H). Packed sequences have a row for each step
    that is there.
    """
    return 2 * prod(inputs.shape[:-1]) * sum(weight.numel() for weight in weights if weight.dim() == 2)


def recurrent_layer(inputs: Tensor, weight_input: Tensor, weight_hidden: Tensor, *_: object, **__: object) -> int:
    """One layer in one direction."""
    return recurrent(inputs, [weight_input, weight_hidden])


def trilinear(
    first: Tensor,
    second: Tensor,
    third: Tensor,
    expand_first: list[int],
    expand_second: list[int],
    expand_third: list[int],
    summed: list[int],
    *_: object,
    **__: object,
) -> int:
    """First by second, then by third, each summed as soon as it can be.

    `nn.Bilinear`: `x1 [B, I] W [O, I, J]` is 2·B·O·I·J, and by `x2 [B, J]` 2·B·O·J.
    """
    spread = [_unsqueezed(first, expand_first), _unsqueezed(second, expand_second), _unsqueezed(third, expand_third)]
    sizes: list[int] = [max(dims) for dims in zip(*spread, strict=True)]
    early = set(summed) & set(expand_third)
    late = set(summed) - early
    pair = [size for dim, size in enumerate(sizes) if not (dim in expand_first and dim in expand_second)]
    rest = [size for dim, size in enumerate(sizes) if dim not in early]
    return prod(pair) * (2 if early else 1) + prod(rest) * (2 if late else 1)


def _unsqueezed(tensor: Tensor, at: list[int]) -> list[int]:
    shape = list(tensor.shape)
    for dim in sorted(at):
        shape.insert(dim, 1)
    return shape


# Those that PyTorch's counter has too are here where it reads another operator's arguments or depends on its version.
_FORMULAS: dict[str, Formula] = {
    "aten::mm": matrix_product,
    "aten::bmm": matrix_product,
    "aten::mv": matrix_product,
    "aten::dot": matrix_product,
    "aten::vdot": matrix_product,
    "aten::addmm": added_product,
    "aten::_addmm_activation": added_product,
    "aten::addmv": added_product,
    "aten::baddbmm": added_product,
    "aten::addbmm": added_product,
    "aten::addr": outer_sum,
    "aten::mkldnn_linear": linear,
    "aten::mul": multiplication,
    "aten::convolution": convolution,
    "aten::_convolution": convolution,
    "aten::convolution_overrideable": convolution,
    "aten::mkldnn_convolution": plain_convolution,
    "aten::cudnn_convolution": plain_convolution,
    "aten::cudnn_convolution_relu": plain_convolution,
    "aten::cudnn_convolution_add_relu": plain_convolution,
    "aten::miopen_convolution": plain_convolution,
    "aten::_slow_conv2d_forward": plain_convolution,
    "aten::_conv_depthwise2d": plain_convolution,
    "aten::conv_depthwise3d": plain_convolution,
    "aten::cudnn_convolution_transpose": transposed_convolution,
    "aten::miopen_convolution_transpose": transposed_convolution,
    "aten::_scaled_dot_product_flash_attention_for_cpu": attention,
    "aten::_scaled_dot_product_flash_attention": attention,
    "aten::_scaled_dot_product_efficient_attention": attention,
    "aten::_scaled_dot_product_cudnn_attention": attention,
    "aten::_scaled_dot_product_fused_attention_overrideable": attention,
    "aten::_scaled_dot_product_attention_math_for_mps": attention,
    "aten::_cudnn_rnn": recurrent,
    "aten::miopen_rnn": recurrent,
    "aten::mkldnn_rnn_layer": recurrent_layer,
    "aten::_trilinear": trilinear,
}


def find_formula(operator: OpOverload | HigherOrderOperator) -> Formula | None:
    """The formula of an operator: ours, else one registered in `torch.utils.flop_counter` by PyTorch or the user.

    An operator that works in place has the formula of the one that does not.
    """
    if not isinstance(operator, OpOverload):
        return _registered(operator)
    name = operator._schema.name
    return _FORMULAS.get(name) or _FORMULAS.get(name.removesuffix("_")) or _registered(operator.overloadpacket)


def count(formula: Formula, args: tuple[Any, ...], kwargs: dict[str, Any], result: object) -> int:
    """What a formula gives for one call; four times as much for complex numbers."""
    flops = int(formula(*args, **kwargs, out_val=result))
    return 4 * flops if isinstance(result, Tensor) and result.is_complex() else flops


def shapes_tell(args: tuple[Any, ...], kwargs: dict[str, Any], result: object) -> bool:
    """Whether shapes tell the work of a call: not on sparse or nested tensors, nor where the result is no fraction."""
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
    return all(map(_is_dense, given)) and not (results and _is_integer(results[0]))


def _is_dense(tensor: Tensor) -> bool:
    return not tensor.is_nested and (tensor.layout == torch.strided or tensor.is_mkldnn)


def _registered(operator: object) -> Formula | None:
    found: Formula | None = flop_registry.get(operator)
    return found


def _is_integer(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())
