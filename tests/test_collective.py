"""Two processes with a part of the rows each find what one finds with all: values, gradients, running statistics."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import distributed, nn

from mmbench.collective import gather_rows, mean_over_processes, sum_over_processes
from mmbench.contrastive import contrastive_loss
from mmbench.engine.sync_batch_norm import synchronise_batch_norm
from mmbench.fusion_factory import FusionFactory
from mmbench.model import BuildOptions
from mmbench.sample import Sample


def picture(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8))


PARTS = {"equal": (3, 3), "unequal": (4, 2), "all in one": (6, 0)}
"""How many of six rows each process has."""

GROUPS = torch.tensor([7, -3, 7, 2**60, -3, 1])
LAYERS = {
    "1d": nn.BatchNorm1d(3, eps=1e-3, momentum=None),
    "tokens": nn.BatchNorm1d(3, affine=False),
    "2d": nn.BatchNorm2d(3),
    "no statistics": nn.BatchNorm1d(3, track_running_stats=False),
}
SHAPES = {"1d": (6, 3), "tokens": (6, 3, 7), "2d": (6, 3, 4, 5), "no statistics": (6, 3)}
SAMPLES = [
    Sample("0", {"text": "is it red", "image": picture(0)}, "yes"),
    Sample("1", {"text": "is it blue", "image": picture(1)}, "no"),
    Sample("2", {"text": "what is it"}, "red"),
    Sample("3", {"text": "is it big", "image": picture(2)}, "yes"),
    Sample("4", {"image": picture(3)}, "never seen"),
    Sample("5", {"image": picture(4)}, "no"),
]
"""The second half has one pair alone, and the last third no text at all."""

MODELS = [("concat", "independent"), ("concat", "joint"), ("decision-mean", "independent")]

SCRIPT = """
import sys
import torch
from torch import distributed
tests, folder, rank = sys.argv[1:]
sys.path.insert(0, tests)
from test_collective import find
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=int(rank), world_size=2)
torch.save(find(int(rank)), f"{folder}/{rank}.pt")
distributed.destroy_process_group()
"""


def find(rank=None):
    """All results by parts and name, {what: tensor}: of one of two processes, or of one that has all rows."""
    found = {}
    for parts, (first, _) in PARTS.items():
        rows = slice(6) if rank is None else (slice(first), slice(first, 6))[rank]
        found[parts] = {"contrastive": contrast(rows), "collective": collect(rows)}
        if parts != "all in one":  # as it is with a sampler that leaves no process without samples
            found[parts] |= {layer: normalise(layer, rows) for layer in LAYERS}
            found[parts] |= {f"{fusion} {space}": learn(fusion, space, rows) for fusion, space in MODELS}
    return found


def seeded(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def summed(parameters):
    """Their gradients over all processes."""
    gradients = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in parameters])
    if distributed.is_initialized():
        distributed.all_reduce(gradients)
    return gradients


def share(rows):
    """The part of the batch that a process has, which is what its loss counts in training."""
    return len(range(6)[rows]) / 6


def collect(rows):
    own = seeded(6, 2)[rows]
    count = torch.tensor(len(own))
    return {
        "sum": sum_over_processes(own.sum(0)),
        "rows": gather_rows(own),
        "mean": mean_over_processes(own.mean() if count else own.sum(), count),
        "nothing": mean_over_processes(torch.tensor(0.0), torch.tensor(0)),
    }


def contrast(rows):
    one, other = (nn.Parameter(seeded(6, 3, seed=seed)) for seed in (1, 2))
    scale = nn.Parameter(torch.tensor(3.0, dtype=torch.float64))
    loss = contrastive_loss(one[rows], other[rows], GROUPS[rows], scale)
    (share(rows) * loss).backward()
    alone = contrastive_loss(one[rows], other[rows]).detach()
    return {"loss": loss.detach(), "each its own": alone, "gradients": summed([one, other, scale])}


def normalise(name, rows):
    layer = copy.deepcopy(LAYERS[name]).double()
    if distributed.is_initialized():
        synchronise_batch_norm(layer)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.5, 2.0, generator=torch.Generator().manual_seed(0))
    values = nn.Parameter(100 + seeded(*SHAPES[name], seed=3))
    for _ in range(2):
        result = layer(values[rows])
    (result * seeded(*SHAPES[name], seed=4)[rows]).sum().backward()
    found = {"result": gather_rows(result.detach()), "gradients": summed([values, *layer.parameters()])}
    if layer.track_running_stats:
        found["evaluated"] = layer.eval()(values).detach()
    return found | layer.state_dict()


def learn(fusion, representation, rows):
    torch.manual_seed(0)
    encoders = {"image": "cnn,size=16,channels=[4]", "text": "embedding"}
    build = BuildOptions(encoders, width=4, representation=representation)
    known = [sample for sample in SAMPLES if sample.target != "never seen"]
    model = FusionFactory(fusion, build=build).create("mine", tuple(encoders), known)
    if distributed.is_initialized():
        synchronise_batch_norm(model)
    loss = model.loss(model.collate(SAMPLES[rows]))
    (share(rows) * loss).backward()
    return {"loss": loss.detach(), "gradients": summed(model.parameters())}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(Path(__file__).parent), str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([*command, str(rank)], env=environment, stderr=subprocess.PIPE, text=True) for rank in (0, 1)
    ]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.fixture(scope="module")
def one():
    return find()


@pytest.mark.parametrize("parts", PARTS)
def test_two_processes_find_what_one_does(one, two, parts):
    for name, expected in one[parts].items():
        for found in (process[parts][name] for process in two):
            assert found.keys() == expected.keys()
            for what, value in expected.items():
                # Losses of models are computed in float32.
                torch.testing.assert_close(found[what], value, rtol=1e-5, atol=1e-6, msg=f"{name}: {what}")


def test_parts_alone_would_find_something_else(one):
    """What is compared above does depend on the other process's rows."""
    half = slice(3)
    for layer in LAYERS:
        assert not torch.allclose(normalise(layer, half)["result"], one["equal"][layer]["result"][half])
    assert not torch.allclose(contrast(half)["loss"], one["equal"]["contrastive"]["loss"])


def test_names_of_weights_stay():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    before = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    synchronise_batch_norm(model)
    assert {name: tensor.data_ptr() for name, tensor in model.state_dict().items()} == before
    assert isinstance(model[1], nn.BatchNorm2d)
