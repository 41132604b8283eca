"""Samples: plain, frozen, lazy."""

import dataclasses

import numpy as np
import pytest

from mmbench.sample import Audio, Chain, Dataset, Modality, Prediction, Sample, Subset


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

    def __init__(self, size=10, name=""):
        self.size = size
        self.name = name
        self.taken = []

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        self.taken.append(index)
        return Sample(f"{self.name}{index}", {})


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


def test_chain_is_one_data_set_after_the_other():
    parts = [Counted(2, "a"), Counted(0, "b"), Counted(3, "c")]
    chain = Chain(parts)
    assert isinstance(chain, Dataset)
    assert len(chain) == 5
    assert [part.taken for part in parts] == [[], [], []]
    assert [chain[index].id for index in range(5)] == ["a0", "a1", "c0", "c1", "c2"]
    assert [chain.place(index) for index in range(5)] == [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
    assert [part.taken for part in parts] == [[0, 1], [], [0, 1, 2]]


def test_chain_ends():
    assert [sample.id for sample in Chain([Counted(0), Counted(1, "a"), Counted(0)])] == ["a0"]
    assert list(Chain([])) == []
    for index in (-1, 3):
        with pytest.raises(IndexError, match=f"there is no sample {index} of 3"):
            Chain([Counted(1), Counted(2)])[index]


def test_chain_of_parts_of_chains():
    whole = Chain([Subset(Counted(10, "a"), [7, 2]), Chain([Counted(1, "b"), Counted(1, "c")])])
    assert [sample.id for sample in Subset(whole, [3, 0, 2])] == ["c0", "a7", "b0"]
