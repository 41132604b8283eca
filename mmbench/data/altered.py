"""Samples whose inputs are altered as they are taken."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.random import Generator

from mmbench.data.alteration import Alteration
from mmbench.data.noise import NOISES
from mmbench.sample import Alters, Dataset, Modality, Sample


class Altered:
    """`samples`, each with its inputs altered; the samples themselves are never changed.

    What is drawn depends on seed, sample, modality and noise alone: batches, workers and order make no difference.
    """

    def __init__(self, samples: Dataset, alteration: Alteration) -> None:
        self._samples = samples
        self._alteration = alteration
        self._donors = {
            modality: _random(alteration.seed, "shuffle", modality).permutation(len(samples))
            for modality in alteration.shuffle
        }

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int, /) -> Sample:
        sample = self._samples[index]
        inputs, duration = dict(sample.inputs), sample.duration
        for modality in self._alteration.drop:
            if inputs.pop(modality, None) is not None and modality == Modality.AUDIO:
                duration = None
        for modality in self._alteration.shuffle:
            if inputs.get(modality) is not None:
                donor = self._donor(modality, index)
                inputs[modality] = donor.inputs[modality]
                if modality == Modality.AUDIO:
                    duration = donor.duration
        for modality, name, level in self._alteration.noise:
            if inputs.get(modality) is not None:
                random = _random(self._alteration.seed, "noise", modality, name, sample.id)
                inputs[modality] = NOISES[modality][name](inputs[modality], level, random)
        return replace(sample, inputs=inputs, duration=duration)

    def unaltered(self, index: int) -> Sample:
        """The sample as it was."""
        return self._samples.unaltered(index) if isinstance(self._samples, Alters) else self._samples[index]

    def _donor(self, modality: str, index: int) -> Sample:
        """The sample whose value takes the place of that of sample `index`, which has the modality.

        The first one with the modality along the permutation's cycle. That is a permutation of those that have it, as
        likely as any other of them, found without looking at all: who lacks the modality goes on lacking it.
        """
        order, position = self._donors[modality], index
        while True:
            position = int(order[position])
            donor = self._samples[position]
            if donor.inputs.get(modality) is not None:
                return donor


def _random(seed: int, *names: Any) -> Generator:
    digest = sha256("\0".join(map(str, (seed, *names))).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
