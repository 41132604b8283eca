"""Batches of decoded values."""

import numpy as np
import pytest
from PIL import Image

from mmbench import Audio, Sample
from mmbench.adapters.raw import raw_batch
from mmbench.data.decode import DecodeError


def test_values_are_decoded_and_split():
    samples = [
        Sample("a", {"image": Image.new("L", (4, 2), 7), "text": "x"}),
        Sample("b", {"text": "y"}),
        Sample("c", {"audio": Audio(np.zeros(800, dtype=np.float32), 8000)}),
    ]
    batch = raw_batch(samples, ("image", "text", "audio"), rate=16000)
    assert len(batch) == 3
    assert batch.values["image"][0].mode == "RGB"
    assert batch.values["text"] == ("x", "y", None)
    assert (batch.values["audio"][2].rate, batch.values["audio"][2].samples.shape) == (16000, (1600,))
    assert {name: mask.tolist() for name, mask in batch.mask.items()} == {
        "image": [True, False, False],
        "text": [True, True, False],
        "audio": [False, False, True],
    }
    half = batch.to("cpu").part(1, 3)
    assert (half.size, half.values["text"]) == (2, ("y", None))
    assert half.mask["audio"].tolist() == [False, True]


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(DecodeError, match=r"a\.png: not an image"):
        raw_batch([Sample("a", {"image": tmp_path / "a.png"})], ("image",))
