"""Batch norm over the samples of all processes, so that several learn what one does."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmbench.collective import sum_over_processes


def synchronise_batch_norm(model: nn.Module) -> None:
    """Let every batch norm of the model use the statistics of all processes in training; names and weights stay.

    PyTorch's own `SyncBatchNorm` is for CUDA alone. Layers of other classes, derived ones too, stay as they are.
    """
    for module in model.modules():
        module.__class__ = _SYNCHRONISED.get(type(module), type(module))


class _Synchronised(_BatchNorm):
    """Source: Ioffe and Szegedy 2015, "Batch Normalization"; running statistics as `torch.nn.BatchNorm1d` has them."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # as the base class calls it
        """[N, C, ...] -> the same shape and dtype; N may differ between processes."""
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)  # type: ignore[no-untyped-call]  # as PyTorch has it
        dims = [0, *range(2, input.dim())]
        shape = [1, -1, *[1] * (input.dim() - 2)]
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        own_count = values.new_tensor([values.numel() / values.shape[1]])
        total = sum_over_processes(torch.cat([values.sum(dims), own_count]))
        count = total[-1].detach()
        mean = total[:-1] / count
        centred = values - mean.view(shape)
        # Not from the sum of squares, which loses digits where the mean is large.
        variance = sum_over_processes(centred.square().sum(dims)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        factor = (variance + self.eps).rsqrt()
        if self.affine:
            factor = factor * self.weight
        result = centred * factor.view(shape)
        if self.affine:
            result = result + self.bias.view(shape)
        return result.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch, the variance of which is unbiased."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), momentum)


class _BatchNorm1d(_Synchronised, nn.BatchNorm1d):
    pass


class _BatchNorm2d(_Synchronised, nn.BatchNorm2d):
    pass


class _BatchNorm3d(_Synchronised, nn.BatchNorm3d):
    pass


_SYNCHRONISED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: _BatchNorm1d,
    nn.BatchNorm2d: _BatchNorm2d,
    nn.BatchNorm3d: _BatchNorm3d,
}
