"""Operators that count no floating-point operations by convention.

The literature counts what multiplies matrices (fvcore, PyTorch's `FlopCounterMode`): linear layers, convolutions,
attention, recurrent layers. What does a few operations an element is outside: pointwise work, reductions,
normalisation, softmax, pooling, interpolation, cumulative sums, losses; so is what moves, makes, sorts or picks
elements. The list is of what is outside; an operator that is neither here nor has a formula is *unknown*, and is
reported.
"""

import torch
from torch._ops import OpOverload

_MAKE = """
    _efficientzerotensor arange bartlett_window blackman_window empty empty_like empty_permuted empty_strided eye
    fft_fftfreq fft_rfftfreq full full_like hamming_window hann_window kaiser_window linspace logspace new_empty
    new_empty_strided new_full new_ones new_zeros ones ones_like range scalar_tensor tril_indices triu_indices zeros
    zeros_like
"""

_DRAW = """
    bernoulli binomial cauchy exponential geometric log_normal multinomial native_dropout normal normal_functional
    poisson rand rand_like randint randint_like randn randn_like random randperm rrelu_with_noise uniform
"""

_MOVE = """
    _chunk_cat _copy_from _index_put_impl _lazy_clone _pack_padded_sequence _pin_memory _resize_output _stack _to_copy
    _to_dense _unsafe_index _unsafe_index_put _unsafe_masked_index _unsafe_masked_index_put_accumulate _unsafe_view
    as_strided_scatter block_diag cat channel_shuffle clone col2im complex constant_pad_nd copy detach diag_embed
    diagonal_scatter embedding embedding_renorm fill flip gather im2col index index_copy index_fill index_put
    index_select lift lift_fresh masked_fill masked_scatter masked_select nonzero nonzero_static pixel_shuffle
    pixel_unshuffle put reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d
    replication_pad2d replication_pad3d resize resize_as roll rot90 scatter select_scatter set slice_scatter
    split_with_sizes_copy stack take to_mkldnn to_padded_tensor tril triu unfold_copy unsafe_split
    unsafe_split_with_sizes view_as_complex_copy zero
"""

_ORDER = """
    _unique _unique2 argmax argmin argsort bincount bucketize count_nonzero histc isin kthvalue mode msort
    searchsorted sort topk unique_consecutive unique_dim unique_dim_consecutive
"""

_REDUCE = """
    _aminmax _embedding_bag _embedding_bag_forward_only _is_all_true _is_any_true _logcumsumexp all amax amin aminmax
    any cummax cummin cumprod cumsum dist index_add index_reduce linalg_vector_norm logcumsumexp logsumexp max mean
    median min nanmedian nansum norm native_norm prod scatter_add scatter_reduce segment_reduce std std_mean sum trace
    var var_mean
"""

_NORMALISE = """
    _batch_norm_no_update _batch_norm_with_update _batch_norm_with_update_functional _fused_rms_norm _log_softmax
    _masked_softmax _native_batch_norm_legit _native_batch_norm_legit_functional _native_batch_norm_legit_no_training
    _safe_softmax _softmax _weight_norm_interface batch_norm_elemt batch_norm_stats cudnn_batch_norm miopen_batch_norm
    native_batch_norm native_group_norm native_layer_norm renorm
"""

_RESAMPLE = """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d adaptive_max_pool2d adaptive_max_pool3d affine_grid_generator
    avg_pool2d avg_pool3d cudnn_grid_sampler fractional_max_pool2d fractional_max_pool3d grid_sampler_2d
    grid_sampler_3d max_pool2d_with_indices max_pool3d_with_indices max_unpool2d max_unpool3d
    mkldnn_adaptive_avg_pool2d mkldnn_max_pool2d mkldnn_max_pool3d upsample_bicubic2d upsample_bilinear2d
    upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d
"""

# The products of a fused recurrent cell are operators of their own, before it.
_POINTWISE = """
    _prelu_kernel _thnn_fused_gru_cell _thnn_fused_lstm_cell _transform_bias_rescale_qkv binary_cross_entropy
    floor_divide binary_cross_entropy_with_logits glu huber_loss linalg_cross log_sigmoid_forward mse_loss
    nll_loss2d_forward polar nll_loss_forward smooth_l1_loss soft_margin_loss
"""

_OUTSIDE = frozenset(" ".join([_MAKE, _DRAW, _MOVE, _ORDER, _REDUCE, _NORMALISE, _RESAMPLE, _POINTWISE]).split())


def is_free(operator: OpOverload) -> bool:
    """Whether an operator counts none: pointwise, a view, a question that no tensor answers, or listed above.

    An operator that works in place is as the one that does not.
    """
    returns = operator._schema.returns
    if operator.is_view or set(operator.tags) & {torch.Tag.pointwise, torch.Tag.inplace_view}:
        return True
    if operator.namespace not in {"aten", "prim"}:
        return False
    if returns and not any("Tensor" in str(value.type) for value in returns):
        return True
    name = operator._schema.name.split("::")[1]
    plain = name.removesuffix("_")
    return name in _OUTSIDE or plain in _OUTSIDE or name.startswith("_assert") or _is_pointwise(plain)


def _is_pointwise(name: str) -> bool:
    packet = getattr(torch.ops.aten, name, None)
    return packet is not None and any(torch.Tag.pointwise in getattr(packet, each).tags for each in packet.overloads())
