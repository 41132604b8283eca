"""Weights files: a round trip, whole or not there, and refusals that say why."""

import json
import pickle
import resource

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmbench.checkpoint import Header, check_folder, file_sha256, load_tensors, read_weights, save_weights
from mmbench.errors import HarnessError, UsageError

HEADER = Header("film", {"width": 4, "labels": ["ja", "nein", "日本"]}, {"seed": 3, "lr": 0.003, "limit": None})


def module(width=4):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 3), nn.BatchNorm1d(3))


def test_round_trip(tmp_path):
    path = tmp_path / "a" / "b" / "film.safetensors"
    saved, fresh = module(), nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    saved(torch.randn(8, 4))  # moves the running statistics, which are buffers
    save_weights(path, saved, HEADER)
    header, tensors = read_weights(path)
    assert header == HEADER
    load_tensors(fresh, tensors, path)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name
    assert [p.name for p in path.parent.iterdir()] == ["film.safetensors"]


def test_same_content_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        save_weights(tmp_path / name, module(), HEADER)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert file_sha256(tmp_path / "one") == file_sha256(tmp_path / "two")


def test_sha256_reference(tmp_path):
    """Reference: the test vector "abc" of FIPS 180-2."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_header_of_any_length_is_no_pickle(tmp_path):
    """A file begins with its header's length, whose first byte may be that of a pickle (0x80)."""
    path = tmp_path / "film.safetensors"
    first_bytes = set()
    for length in range(0, 600, 8):  # safetensors pads headers to 8 bytes
        save_weights(path, module(), Header("x" * length, {}, {}))
        first_bytes.add(path.read_bytes()[0])
        header, _ = read_weights(path)
        assert len(header.model) == length
    assert 0x80 in first_bytes


def test_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "film.safetensors"
    save_weights(path, module(), HEADER)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(HarnessError, match=r"cannot write weights .*film\.safetensors: File too large"):
            save_weights(path, module(), Header("other", {}, {"note": "x" * len(before)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_folder_in_place_of_the_file(tmp_path):
    path = tmp_path / "film.safetensors"
    path.mkdir()
    with pytest.raises(HarnessError, match=r"cannot write weights .*film\.safetensors: Is a directory"):
        save_weights(path, module(), HEADER)
    assert list(tmp_path.iterdir()) == [path]


def test_check_folder_makes_it_and_leaves_nothing_in_it(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_check_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write weights to .*file/sub: Not a directory"):
        check_folder(tmp_path / "file" / "sub")


def test_missing_file(tmp_path):
    with pytest.raises(UsageError, match=r"weights file '.*absent\.safetensors' does not exist"):
        read_weights(tmp_path / "absent.safetensors")


class Bomb:
    """Would be run by unpickling."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle was run",))


@pytest.mark.parametrize("how", ["torch zip", "torch legacy", "pickle"])
def test_pickles_are_refused_and_not_run(tmp_path, how):
    path = tmp_path / "film.safetensors"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    else:
        torch.save({"weight": Bomb()}, path, _use_new_zipfile_serialization=how == "torch zip")
    with pytest.raises(UsageError, match="is a pickle, which can run code when it is read; mmbench reads safetensors"):
        read_weights(path)


@pytest.mark.parametrize("keep", [0, 4, 8, 40, -100, -1])
def test_truncated_file(tmp_path, keep):
    path = tmp_path / "film.safetensors"
    save_weights(path, module(), HEADER)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UsageError, match=r"is not a whole safetensors file \(truncated or damaged\)"):
        read_weights(path)


def test_text_file(tmp_path):
    path = tmp_path / "film.safetensors"
    path.write_text("these are not the weights that you are looking for")
    with pytest.raises(UsageError, match="is not a whole safetensors file"):
        read_weights(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_safetensors_of_another_program(tmp_path, metadata):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata)
    with pytest.raises(UsageError, match="was not written by `mmbench train`: its header names no mmbench model"):
        read_weights(path)


def test_newer_format(tmp_path):
    path = tmp_path / "model.safetensors"
    content = {"format": 2, "model": "film", "architecture": "told in a new way"}
    save_file({"weight": torch.zeros(2)}, path, {"mmbench": json.dumps(content)})
    with pytest.raises(UsageError, match="has weights format 2; this mmbench reads up to 1: upgrade mmbench"):
        read_weights(path)


@pytest.mark.parametrize("content", ["not JSON", "[]", '{"format": 1}', '{"format": "1", "model": "film"}'])
def test_damaged_header(tmp_path, content):
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, path, {"mmbench": content})
    with pytest.raises(UsageError, match=r"model\.safetensors"):
        read_weights(path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (module(5), r"0\.weight is \(3, 4\) there, \(3, 5\) in the model"),
        (nn.Sequential(nn.Linear(4, 3)), r"1\.bias is \(3,\) there, absent in the model"),
        (nn.Sequential(*module(), nn.Linear(3, 2)), r"2\.bias is absent there, \(2,\) in the model"),
    ],
)
def test_other_architecture(tmp_path, other, message):
    path = tmp_path / "film.safetensors"
    save_weights(path, module(), HEADER)
    _, tensors = read_weights(path)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(UsageError, match=f"is of another architecture: {message}"):
        load_tensors(other, tensors, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


def test_scalar_state_is_not_taken_for_absent(tmp_path):
    """A shape of () is false in Python, and still a tensor."""
    path = tmp_path / "film.safetensors"
    save_weights(path, module(), HEADER)
    _, tensors = read_weights(path)
    other = module()
    other[1].num_batches_tracked = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(UsageError, match=r"num_batches_tracked is \(\) there, \(2,\) in the model"):
        load_tensors(other, tensors, path)
