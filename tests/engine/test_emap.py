"""The additive projection. Reference: the formulas of Hessel & Lee (2020) written out over all recombinations."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmbench.engine import emap
from mmbench.engine.emap import CannotRecombineError, predictions, project
from mmbench.engine.rows import Asking
from mmbench.errors import HarnessError
from mmbench.model import Batch
from mmbench.sample import Sample
from mmbench_tasks.vqa.task import VQA

N = 11


class Planted:
    """Three classes from numbers, one a modality."""

    name = "planted"
    labels = ("a", "b", "c")

    def __init__(self, modalities, function):
        self.modalities = modalities
        self.function = function

    def collate(self, samples):
        inputs = {m: torch.tensor([sample.inputs[m] for sample in samples]) for m in self.modalities}
        return Batch(len(samples), inputs, {m: torch.ones(len(samples), dtype=torch.bool) for m in self.modalities})

    def classify(self, batch):
        return self.function(*(batch.inputs[m] for m in self.modalities))


class Tokens(Planted):
    """The same in two steps; as many tokens as the position of the sample's batch, the first of which counts."""

    seen = 0

    def encode(self, batch):
        self.seen += 1
        tokens = {m: value[:, None, None].expand(-1, self.seen, 2) for m, value in batch.inputs.items()}
        mask = torch.zeros(batch.size, self.seen, dtype=torch.bool)
        mask[:, 0] = True
        return replace(batch, inputs=tokens, mask=dict.fromkeys(self.modalities, mask))

    def decide(self, encoded):
        assert all(mask[:, 0].all() and not mask[:, 1:].any() for mask in encoded.mask.values())
        return self.function(*(encoded.inputs[m][:, 0, 0] for m in self.modalities))


def samples(modalities, n=N):
    rng = np.random.default_rng(0)
    return [Sample(str(i), {m: float(rng.normal()) for m in modalities}, target="a") for i in range(n)]


def asking(batch_size=4):
    return Asking(VQA(), batch_size, 0, "cpu")


def additive(*values):
    return torch.stack([sum(v**k * (m + 1) for m, v in enumerate(values)) for k in (1, 2, 3)], dim=1)


def product(*values):
    found = torch.ones_like(values[0])
    for number, value in enumerate(values):
        found = found * (value + number)
    return torch.stack([found, found.sin(), values[0]], dim=1)


@pytest.mark.parametrize("kind", [Planted, Tokens])
@pytest.mark.parametrize("modalities", [("x", "y"), ("x", "y", "z"), ("x", "y", "z", "w")])
def test_additive_logits_are_their_own_projection(kind, modalities):
    found = project(kind(modalities, additive), asking(), samples(modalities))
    assert found.full.dtype == np.float64
    assert found.additive == pytest.approx(found.full, abs=1e-5)  # of logits up to 100, in float32


@pytest.mark.parametrize("kind", [Planted, Tokens])
def test_two_modalities_by_the_formula_of_the_paper(kind):
    data = samples(("x", "y"))
    f = np.array(
        [[product(*map(torch.tensor, ([a.inputs["x"]], [b.inputs["y"]]))).numpy()[0] for b in data] for a in data]
    )
    expected = [f[i].mean(axis=0) + f[:, i].mean(axis=0) - f.mean(axis=(0, 1)) for i in range(N)]
    found = project(kind(("x", "y"), product), asking(), data)
    assert found.full == pytest.approx(np.array([f[i, i] for i in range(N)]), abs=1e-6)
    assert found.additive == pytest.approx(np.array(expected), abs=1e-6)
    assert not np.allclose(found.additive, found.full, atol=0.1)


def test_three_modalities_each_against_the_rest():
    names = ("x", "y", "z")
    data = samples(names)

    def f(i, j, m):
        return product(*(torch.tensor([data[i if name == m else j].inputs[name]]) for name in names)).numpy()[0]

    alone = {m: np.array([np.mean([f(i, j, m) for j in range(N)], axis=0) for i in range(N)]) for m in names}
    mu = np.mean(list(alone.values()), axis=(0, 1))
    expected = sum(alone.values()) - 2 * mu
    assert project(Planted(names, product), asking(), data).additive == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("pairs", "numbers"), [(1, 10**6), (5, 10**6), (30, 10**6), (10**6, 7)])
def test_any_number_of_pairs_at_a_time_gives_the_same(monkeypatch, pairs, numbers):
    data, model = samples(("x", "y")), Planted(("x", "y"), product)
    whole = project(model, asking(), data)
    sizes = []
    monkeypatch.setattr(emap, "_MOST_PAIRS", pairs)
    monkeypatch.setattr(emap, "_MOST_NUMBERS", numbers)

    def watched(*values):
        sizes.append(len(values[0]))
        return product(*values)

    found = project(Planted(("x", "y"), watched), asking(), data)
    assert max(sizes) <= min(pairs, numbers)
    assert found.additive == pytest.approx(whole.additive, abs=1e-9)
    assert found.full == pytest.approx(whole.full, abs=1e-9)


def test_the_only_sample_is_its_own_projection():
    found = project(Planted(("x", "y"), product), asking(), samples(("x", "y"), 1))
    assert found.additive == pytest.approx(found.full, abs=1e-9)


def test_progress_ends_at_all_pairs():
    told = []
    project(Planted(("x", "y", "z"), product), asking(), samples(("x", "y", "z")), lambda *done: told.append(done))
    assert told[-1] == (3 * N**2, 3 * N**2)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_batches_of_another_form_cannot_be_recombined():
    class Packed(Planted):
        def collate(self, samples):
            batch = super().collate(samples)
            return replace(batch, inputs={"packed": torch.stack(list(batch.inputs.values()), dim=1)})

    with pytest.raises(CannotRecombineError, match="packed"):
        project(Packed(("x", "y"), product), asking(), samples(("x", "y")))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, y: torch.full((len(x), 3), torch.nan), "NaN logits"),
        (lambda x, y: x @ torch.ones(3, 3), "fails on recombined samples: RuntimeError"),
    ],
)
def test_a_model_that_fails_is_told(function, message):
    with pytest.raises(HarnessError, match=message):
        project(Planted(("x", "y"), function), asking(), samples(("x", "y")))


def test_a_broken_sample_is_named():
    data = [*samples(("x", "y")), Sample("broken", {"x": 1.0})]
    with pytest.raises(HarnessError, match="sample broken cannot be read: KeyError"):
        project(Planted(("x", "y"), product), asking(), data)


def test_predictions_are_what_the_task_makes_of_the_logits():
    model = Planted(("x", "y"), product)
    found = predictions(asking(), model, np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0]]))
    assert [prediction.value for prediction in found] == ["b", "a"]
    assert found[0].scores == pytest.approx(np.log(np.exp([0, 2, 1]) / np.exp([0, 2, 1]).sum()), abs=1e-6)


def test_an_encoder_that_fails_is_told():
    class Blind(Tokens):
        def encode(self, batch):
            raise ValueError("cannot see\na thing")

    with pytest.raises(HarnessError, match="fails on recombined samples: ValueError: cannot see a thing"):
        project(Blind(("x", "y"), product), asking(), samples(("x", "y")))
