"""A model by its name: new for training, or with its weights for evaluation."""

from pathlib import Path

from torch import nn

from mmbench.adapter import LoadedModel
from mmbench.checkpoint import file_sha256, load_tensors, read_weights, source_of
from mmbench.errors import UsageError, unknown_name
from mmbench.fusion_factory import find_factory
from mmbench.model import ModelFactory, Ready, Stored
from mmbench.registry import registry

WEIGHTS_FOLDER = Path("weights")
"""Where `train` writes unless told otherwise, and where `load_model` looks before the installed packages."""


def model_factory(name: str) -> ModelFactory:
    """The factory registered as a model, or one around the fusion of that name.

    Raises:
        UsageError: no such name; says the nearest.
    """
    factory = find_factory(name)
    if factory is not None:
        return factory
    if name.endswith(".py"):
        raise UsageError(f"expected {name}:FACTORY, a function in that file that gives a model; {name!r} names none")
    if Path(name).is_dir():
        raise UsageError(f"no model is called {name!r}; the folder of that name is opened by --model hf:{name}")
    scheme, colon, _ = name.partition(":")
    if colon and scheme not in registry.names("adapter"):
        raise unknown_name("adapter", scheme, registry.names("adapter"))
    if colon:
        raise UsageError(f"model {name!r} comes from elsewhere: it can be evaluated, but not made or trained here")
    raise unknown_name("model", name, registry.model_names())


def weights_path(root: Path, task: str, dataset: str, model: str) -> Path:
    """Where weights of a model trained on a data set lie below `root`."""
    return root / task / dataset / f"{model}.safetensors"


def load_model(name: str, task: str, dataset: str, weights: Path | None = None) -> LoadedModel:
    """The model with its weights: from `weights`, else trained here (`WEIGHTS_FOLDER`), else shipped by a package.

    A factory that is `Ready` is not asked for any, unless `weights` names some.

    Raises:
        UsageError: no such model, no weights for it, or weights that do not belong to it.
    """
    factory = model_factory(name)
    if isinstance(factory, Ready) and weights is None:
        ready = factory.open(name)
        return LoadedModel(ready, ready.stored_config() if isinstance(ready, Stored) else {})
    path, source = (weights, source_of(weights)) if weights else _find_weights(name, task, dataset)
    header, tensors = read_weights(path)
    if header.model != name:
        raise UsageError(f"{source} holds weights of model {header.model!r}, not of {name!r}")
    model = factory.restore(name, header.config)
    if not isinstance(model, nn.Module):
        raise UsageError(f"model {name!r} is no torch.nn.Module, so it takes no weights file")
    load_tensors(model, tensors, path)
    return LoadedModel(model, header.config, source, file_sha256(path), header.training)


def _find_weights(name: str, task: str, dataset: str) -> tuple[Path, str]:
    local = weights_path(WEIGHTS_FOLDER, task, dataset, name)
    if local.is_file():
        return local, source_of(local)
    for package in registry.load_all("weights").values():
        folder = Path(package.__path__[0])
        shipped = weights_path(folder, task, dataset, name)
        if shipped.is_file():
            return shipped, f"{package.__name__}:{shipped.relative_to(folder).as_posix()}"
    raise UsageError(
        f"no weights of model {name!r} for {task} on {dataset}, neither below ./{WEIGHTS_FOLDER} nor in a package; "
        f"train it with `mmbench train --model {name} --task {task} --dataset {dataset}`, or give --weights FILE"
    )
