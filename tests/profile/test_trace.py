"""The trace: stages as ranges, nothing that names the machine, ready before it is written."""

import json
import platform

import pytest
import torch

from mmbench.profile.stage import stage
from mmbench.profile.trace import trace


@pytest.fixture(scope="module")
def write():
    """Of work with two stages, on two batches."""

    def work(batch):
        with stage("encode"):
            hidden = batch @ batch
        with stage("head"):
            return hidden.sum()

    return trace(work, [torch.ones(4, 4), torch.ones(8, 8)], torch.device("cpu"))


def test_stages_are_ranges_of_three_iterations(write, tmp_path):
    write(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    names = [event.get("name") for event in events]
    assert (names.count("encode"), names.count("head"), names.count("aten::mm")) == (3, 3, 3)


def test_nothing_names_the_machine_or_a_path(write, tmp_path):
    write(tmp_path / "trace.json")
    text = (tmp_path / "trace.json").read_text(encoding="utf-8")
    assert not {"host_name", "traceName"} & set(json.loads(text))
    assert str(tmp_path) not in text
    assert f'"{platform.node()}"' not in text


def test_what_cannot_be_written_is_an_os_error_and_may_be_tried_again(write, tmp_path):
    path = tmp_path / "absent" / "trace.json"
    with pytest.raises(OSError, match="absent"):
        write(path)
    path.parent.mkdir()
    write(path)
    assert json.loads(path.read_text(encoding="utf-8"))["traceEvents"]


def test_an_export_that_fails_does_so_before_there_is_anything_to_write(monkeypatch):
    monkeypatch.setattr("torch.profiler.profile.export_chrome_trace", lambda self, path: None)
    with pytest.raises(OSError, match=r"trace\.json"):
        trace(lambda batch: batch.sum(), [torch.ones(2)], torch.device("cpu"))
