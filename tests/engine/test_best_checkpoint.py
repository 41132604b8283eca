"""The weights of the best epoch are stored, or none."""

import shutil

import pytest

from mmbench.checkpoint import read_weights
from mmbench.engine.progress import TrainProgress
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import HarnessError

OPTIONS = TrainOptions(epochs=2, batch_size=64, workers=0, learning_rate=1e-12)
"""Nothing is learned, so the first epoch is the best one."""


class Loser(TrainProgress):
    """Loses all checkpoints, or the weights in them, while the last epoch is learned."""

    def __init__(self, folder, pattern):
        self.folder, self.pattern = folder, pattern

    def step(self, done, total):
        if done == total:
            for path in self.folder.glob(self.pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("pattern", [".*.training/checkpoint-*", ".*.training/checkpoint-*/model.safetensors"])
def test_best_checkpoint_that_vanishes_is_an_error(tiny, tmp_path, pattern):
    output = tmp_path / "mine.safetensors"
    with pytest.raises(HarnessError):
        train("text-only", tiny, options=OPTIONS, output=output, progress=Loser(tmp_path, pattern))
    assert not output.exists()


def test_weights_of_the_best_epoch_are_stored(tiny, tmp_path):
    trained = train("text-only", tiny, options=OPTIONS, output=tmp_path / "mine.safetensors")
    assert [epoch.is_best for epoch in trained.history] == [True, False]
    assert read_weights(trained.path)[0].training["validation"] == trained.best.metrics
