"""Data sets of the hub: copies in folders, read by the same code, and what happens without a network."""

import io
import json

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from mmbench.data.card import DatasetCard, HubSource
from mmbench.data.decode import load_image
from mmbench.data.hub import HubRows, StreamedRows, open_hub
from mmbench.errors import HarnessError, UsageError


def card(**fields):
    return DatasetCard(
        **{
            "name": "small",
            "tasks": ["image_classification"],
            "title": "",
            "format": "hub",
            "source": HubSource(kind="hub", repo="nobody/nothing", splits={"test": "validation"}),
            "revision": "main",
            "splits": {"test": 4},
            "default_split": "test",
            "licence": "MIT",
            **fields,
        }
    )


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A folder as a hub repository lays it out: Parquet with images and audio inside; the hub's own feature names."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    sound, picture = io.BytesIO(), io.BytesIO()
    soundfile.write(sound, np.zeros(160, dtype="float32"), 16000, format="WAV")
    Image.new("RGB", (4, 3), (9, 8, 7)).save(picture, "PNG")
    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pictures = [picture.getvalue()] * 3 + [b"no image"]
    table = pa.table(
        {
            "image": pa.array([{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(pictures)], cell),
            "audio": pa.array([{"bytes": sound.getvalue(), "path": "a.wav"}] * 4, cell),
            "label": pa.array([0, 1, 0, 1]),
        }
    )
    features = datasets.Features(
        {"image": datasets.Image(), "audio": datasets.Audio(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    info = {"info": {"features": features.to_dict()}}
    folder = tmp_path / "copy"
    folder.mkdir()
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(info)}), folder / "validation.parquet")
    return folder


def test_copy_is_read_undecoded(copy):
    rows = open_hub(card(columns={"image": "image", "label": "label"}).at(copy), "test")
    assert len(rows) == 4
    assert rows[1]["label"] == 1
    assert rows.names("label") == ["cat", "dog"]
    assert rows.names("image") is None
    assert set(rows[0]["audio"]) == {"bytes", "path"}
    assert load_image(rows[0]["image"]).getpixel((0, 0)) == (9, 8, 7)
    assert rows[3]["image"]["bytes"] == b"no image"  # fails when its batch is made, and not here


def test_copy_that_was_saved_to_disk(copy, tmp_path):
    rows = datasets.Dataset.from_dict({"text": ["a", "b"]})
    datasets.DatasetDict({"validation": rows}).save_to_disk(tmp_path / "saved")
    assert [row["text"] for row in open_hub(card().at(tmp_path / "saved"), "test")] == ["a", "b"]
    with pytest.raises(UsageError, match="saved has no split 'train'; it has validation"):
        open_hub(card().at(tmp_path / "saved"), "train")


def test_split_that_was_saved_alone_is_no_other_split(copy, tmp_path):
    """With a fixed count a wrong split may be noticed; without, train rows would be scored as test rows."""
    rows = datasets.load_dataset(str(copy), split="validation")
    rows.save_to_disk(tmp_path / "saved")
    free = card(splits={"test": None, "train": None})
    assert len(open_hub(free.at(tmp_path / "saved"), "test")) == 4
    with pytest.raises(UsageError, match=r"saved is one split \(validation\), not 'train'"):
        open_hub(free.at(tmp_path / "saved"), "train")
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "nameless")
    assert len(open_hub(free.at(tmp_path / "nameless"), "test")) == 1
    with pytest.raises(UsageError, match=r"nameless is one split \(it does not say which"):
        open_hub(free.at(tmp_path / "nameless"), "train")


def test_one_column_alone(copy):
    assert open_hub(card().at(copy), "test").column("label") == [0, 1, 0, 1]


def test_column_that_is_not_there(copy):
    with pytest.raises(UsageError, match="'small': no column 'img'; there are image, audio, label"):
        open_hub(card(columns={"image": "img"}).at(copy), "test")


def test_split_that_is_not_there(copy):
    with pytest.raises(UsageError, match="the copy in 'copy' cannot be read: Unknown split"):
        open_hub(card().at(copy), "train")


def test_without_a_network_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"'small' cannot be loaded from the hub: .*nothing.*give --data FOLDER"):
        open_hub(card(), "test")


def stream(copy, monkeypatch, length=4):
    return StreamedRows(datasets.load_dataset(str(copy), split="validation", streaming=True), length)


def test_stream_gives_the_same_rows(copy, monkeypatch):
    rows, whole = stream(copy, monkeypatch), HubRows(datasets.load_dataset(str(copy), split="validation"))
    assert [rows[index] for index in range(4)] == [whole[index] for index in range(4)]
    assert rows.names("label") == ["cat", "dog"]
    assert rows.columns == whole.columns


def test_stream_starts_again_for_what_it_no_longer_keeps(copy, monkeypatch):
    monkeypatch.setattr("mmbench.data.hub._WINDOW", 2)
    rows = stream(copy, monkeypatch)
    assert [rows[index]["image"]["path"] for index in (0, 3, 2, 0, 1)] == ["0.png", "3.png", "2.png", "0.png", "1.png"]


def test_stream_that_ends_early(copy, monkeypatch):
    rows = stream(copy, monkeypatch, length=5)
    with pytest.raises(HarnessError, match="the stream ended after 4 of 5 samples"):
        rows[4]


def test_stream_of_more_than_was_expected(copy, monkeypatch):
    rows = stream(copy, monkeypatch, length=3)
    assert rows[1]["label"] == 1
    with pytest.raises(HarnessError, match="the stream has more than the 3 samples that were expected"):
        rows[2]


def test_stream_that_fails_once_goes_on():
    """As a network does: the sample at hand fails, the next one does not."""
    failing = iter([True])

    class Stream:
        features, column_names = None, ["label"]

        def __iter__(self):
            for index in range(4):
                if index == 1 and next(failing, False):
                    raise ConnectionError("lost")
                yield {"label": index}

    rows = StreamedRows(Stream(), 4)
    assert rows[0]["label"] == 0
    with pytest.raises(ConnectionError, match="lost"):
        rows[1]
    assert [rows[index]["label"] for index in (1, 2, 3)] == [1, 2, 3]


def test_only_the_hub_is_streamed(copy):
    assert card().streamed().source.streaming
    with pytest.raises(UsageError, match="'small' is not read from the hub"):
        card().at(copy).streamed()
