"""mmbench measures multimodal models that fuse images, text and audio: how good they are, what they cost, and why.

The public API is `__all__`. Names are imported when they are first used, so that `import mmbench` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazy: a submodule of the same name would take the place of `registry` when it is imported.
from mmbench.registry import register, registry

if TYPE_CHECKING:
    from mmbench.adapters.module import wrap
    from mmbench.data.card import DatasetCard
    from mmbench.encoder import Encoder
    from mmbench.engine.evaluate import evaluate
    from mmbench.engine.score import score, score_against
    from mmbench.engine.train import train
    from mmbench.errors import HarnessError, MMBenchError, UsageError
    from mmbench.fusion import Fusion, masked_mean, present
    from mmbench.fusion_model import FusionModel
    from mmbench.metrics.metric import Metric
    from mmbench.model import Batch, BuildOptions, Classifies, Embeds, Fits, Generates, Model, Ready, Trains
    from mmbench.profile.stage import stage
    from mmbench.record.schema import RunRecord
    from mmbench.sample import Audio, Dataset, Modality, Prediction, Sample
    from mmbench.task import Task, TaskCard

    __version__: str

__all__ = [
    "Audio",
    "Batch",
    "BuildOptions",
    "Classifies",
    "Dataset",
    "DatasetCard",
    "Embeds",
    "Encoder",
    "Fits",
    "Fusion",
    "FusionModel",
    "Generates",
    "HarnessError",
    "MMBenchError",
    "Metric",
    "Modality",
    "Model",
    "Prediction",
    "Ready",
    "RunRecord",
    "Sample",
    "Task",
    "TaskCard",
    "Trains",
    "UsageError",
    "__version__",
    "evaluate",
    "masked_mean",
    "present",
    "register",
    "registry",
    "score",
    "score_against",
    "stage",
    "train",
    "wrap",
]

_MODULES = {
    "mmbench.adapters.module": ("wrap",),
    "mmbench.data.card": ("DatasetCard",),
    "mmbench.engine.evaluate": ("evaluate",),
    "mmbench.engine.score": ("score", "score_against"),
    "mmbench.engine.train": ("train",),
    "mmbench.errors": ("HarnessError", "MMBenchError", "UsageError"),
    "mmbench.encoder": ("Encoder",),
    "mmbench.fusion": ("Fusion", "masked_mean", "present"),
    "mmbench.fusion_model": ("FusionModel",),
    "mmbench.metrics.metric": ("Metric",),
    "mmbench.model": ("Batch", "BuildOptions", "Classifies", "Embeds", "Fits", "Generates", "Model", "Ready", "Trains"),
    "mmbench.profile.stage": ("stage",),
    "mmbench.record.schema": ("RunRecord",),
    "mmbench.sample": ("Audio", "Dataset", "Modality", "Prediction", "Sample"),
    "mmbench.task": ("Task", "TaskCard"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  # slow to import, and seldom asked for

        value: Any = version("mmbench")
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'mmbench' has no attribute {name!r}")
    globals()[name] = value  # so that the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
