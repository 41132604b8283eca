"""Multimodal compact bilinear pooling."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks, masked_mean
from mmbench_baselines.checks import require_positive

from .bilinear import neutral_if_missing, power_normalise


class MCB(Fusion):
    """Count sketch of the outer product of the vectors (MCB).

    y = W_o norm(FFT⁻¹(FFT(Ψ_1 x_1) ⊙ ... ⊙ FFT(Ψ_M x_M))) + b_o, with x_m the mean of modality m's tokens, Ψ_m its
    count sketch, (Ψx)_j = Σ_{i: h(i) = j} s(i) x_i, of eD numbers, and norm the signed square root followed by scaling
    to length 1 (so that of D = 1 only a sign is left). The product of spectra is a circular convolution, which is the
    count sketch of x_1 ⊗ ... ⊗ x_M. Places h and signs s are random but fixed: every instance of the same M, D and e
    has the same ones.

    Source: Fukui et al. 2016, "Multimodal Compact Bilinear Pooling for Visual Question Answering and Visual Grounding",
    with the convolution taken over M sketches; W_o stands for its classifier and brings eD back to D.
    Parameters: e·D² + D: 32,832 for D = 64, whatever M is.
    Cost: M + 1 Fourier transforms of eD numbers a sample besides.
    Modalities: any number. A missing one is a spectrum of ones, which leaves the others' sketch as it is; all missing
    gives the first column of W_o plus b_o.
    Options: `expansion`, e, the sketch's length in multiples of D.
    """

    place: Tensor
    sign: Tensor

    def __init__(self, modalities: Sequence[str], width: int, expansion: int = 8) -> None:
        super().__init__(modalities, width)
        require_positive(expansion=expansion)
        self.length = expansion * width
        shape = (len(self.modalities), width)
        random = torch.Generator().manual_seed(0)
        self.register_buffer("place", torch.randint(self.length, shape, generator=random))
        self.register_buffer("sign", torch.randint(2, shape, generator=random, dtype=torch.int8) * 2 - 1)
        self.output = nn.Linear(self.length, width)

    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Tokens {m: [B, T, D]} and masks {m: [B, T]} -> [B, D]."""
        spectra = [
            neutral_if_missing(self._spectrum(masked_mean(features[m], mask[m]), index), mask[m])
            for index, m in enumerate(self.modalities)
        ]
        sketch = power_normalise(torch.fft.irfft(reduce(torch.mul, spectra), n=self.length))
        fused: Tensor = self.output(sketch.to(features[self.modalities[0]].dtype))
        return fused

    def _spectrum(self, x: Tensor, index: int) -> Tensor:
        """Fourier transform of a vector's count sketch: [B, D] -> [B, eD // 2 + 1]."""
        # Not in half precision, which has no Fourier transform of every length.
        signed = x.to(torch.promote_types(x.dtype, torch.float32)) * self.sign[index]
        sketch = signed.new_zeros(len(x), self.length).index_add(1, self.place[index], signed)
        spectrum: Tensor = torch.fft.rfft(sketch)
        return spectrum
