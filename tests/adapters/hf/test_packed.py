"""Batches whose inputs do not all have one row a sample."""

import pytest
import torch

from mmbench.adapters.hf.packed import PackedBatch, packed_rows

TOKENS = torch.zeros(4, 7)
ONES = (1, 1, 1, 1)


def never(row):
    raise AssertionError(f"sample {row} was asked by itself")


@pytest.mark.parametrize(
    ("inputs", "images", "expected"),
    [
        ({"pixel_values": torch.zeros(4, 3, 8, 8)}, ONES, {}),
        ({"pixel_values": torch.zeros(2, 3, 8, 8)}, (0, 1, 0, 1), {"pixel_values": (0, 1, 0, 1)}),
        (
            {"pixel_values": torch.zeros(20, 5), "image_grid_thw": torch.tensor([[1, 2, 2], [1, 2, 4], [1, 4, 2]])},
            (1, 1, 0, 1),
            {"pixel_values": (4, 8, 0, 8), "image_grid_thw": (1, 1, 0, 1)},
        ),
        (
            {"pixel_values": torch.zeros(24, 5), "image_grid_thw": torch.tensor([[1, 2, 4]] + [[1, 2, 2]] * 4)},
            (2, 1, 1, 1),
            {"pixel_values": (12, 4, 4, 4), "image_grid_thw": (2, 1, 1, 1)},
        ),
    ],
)
def test_rows_that_the_numbers_tell(inputs, images, expected):
    assert packed_rows({"input_ids": TOKENS, "attention_mask": TOKENS, **inputs}, images, never) == expected


def test_rows_of_one_sample():
    inputs = {"input_ids": TOKENS[:1], "pixel_values": torch.zeros(9, 3)}
    assert packed_rows(inputs, (1,), never) == {"pixel_values": (9,)}


def test_tiles_are_counted_by_asking_each_sample():
    tiles = (1, 3, 0, 2)
    inputs = {"input_ids": TOKENS, "pixel_values": torch.zeros(6, 3, 8, 8)}
    found = packed_rows(inputs, (1, 1, 0, 1), lambda row: {"pixel_values": torch.zeros(tiles[row], 3, 8, 8)})
    assert found == {"pixel_values": tiles}


def test_padded_rows_are_told_from_packed_ones():
    """Four rows for four samples of which two have an image: padding of each, or two tiles of both."""
    inputs = {"input_ids": TOKENS, "pixel_values": torch.zeros(4, 2, 3, 8, 8)}
    assert packed_rows(inputs, (1, 0, 1, 0), lambda row: {"pixel_values": torch.zeros(1, 1, 3, 8, 8)}) == {}
    found = packed_rows(inputs, (1, 0, 1, 0), lambda row: {"pixel_values": torch.zeros(2, 2, 3, 8, 8)})
    assert found == {"pixel_values": (2, 0, 2, 0)}


def test_rows_that_cannot_be_divided():
    inputs = {"input_ids": TOKENS, "pixel_values": torch.zeros(11, 3)}
    with pytest.raises(ValueError, match="pixel_values has 11 rows, which cannot be divided among 4 samples"):
        packed_rows(inputs, ONES, lambda row: {"pixel_values": torch.zeros(2, 3)})


def test_parts_have_their_own_rows():
    patches = torch.arange(14).reshape(7, 2)
    batch = PackedBatch(
        3,
        {"input_ids": torch.arange(6).reshape(3, 2), "pixel_values": patches},
        {"image": torch.tensor([True, False, True])},
        rows={"pixel_values": (4, 0, 3)},
    )
    last = batch.part(1, 3)
    assert (len(last), last.rows) == (2, {"pixel_values": (0, 3)})
    assert torch.equal(last.inputs["pixel_values"], patches[4:])
    assert last.mask["image"].tolist() == [False, True]
    none = batch.part(1, 2)
    assert none.inputs.keys() == {"input_ids"}
    assert torch.equal(last.part(1, 2).inputs["pixel_values"], patches[4:])
    moved = batch.to("cpu")
    assert (moved.rows, len(moved)) == (batch.rows, 3)
