"""Samples: plain, frozen, lazy."""

import dataclasses

import numpy as np
import pytest

from mmbench.sample import Audio, Dataset, Modality, Prediction, Sample, Subset


def test_modality_is_its_string():
    assert {"image": 1}[Modality.IMAGE] == 1
    assert [str(modality) for modality in Modality] == ["image", "text", "audio"]


@pytest.mark.parametrize(
    "thing",
    [Sample("a", {}), Prediction("yes"), Audio(np.zeros(3, dtype=np.float32), 16_000)],
    ids=lambda x: type(x).__name__,
)
def test_values_are_frozen(thing):
    field = dataclasses.fields(thing)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(thing, field, None)


def test_samples_do_not_share_their_meta():
    assert Sample("a", {}).meta == {}
    assert Sample("a", {}).meta is not Sample("b", {}).meta


class Counted:
    """A data set that counts what is taken from it."""

    def __init__(self):
        self.taken = []

    def __len__(self):
        return 10

    def __getitem__(self, index):
        self.taken.append(index)
        return Sample(str(index), {})


def test_subset_takes_only_what_is_asked_for():
    data = Counted()
    subset = Subset(data, [7, 2, 2])
    assert isinstance(subset, Dataset)
    assert len(subset) == 3
    assert data.taken == []
    assert [subset[index].id for index in range(3)] == ["7", "2", "2"]
    assert data.taken == [7, 2, 2]


def test_subset_of_a_subset():
    subset = Subset(Subset(Counted(), range(5, 10)), [4, 0])
    assert [subset[index].id for index in range(2)] == ["9", "5"]


def test_subset_ends():
    with pytest.raises(IndexError):
        Subset(Counted(), [1])[1]
    assert [sample.id for sample in Subset(Counted(), [3, 1])] == ["3", "1"]
