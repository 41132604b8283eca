"""Stages by the path of a module, for models that have no marks of their own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager

from torch import nn

from mmbench.errors import UsageError, unknown_name
from mmbench.profile.stage import stage


@contextmanager
def named_stages(model: object, paths: Mapping[str, str]) -> Iterator[None]:
    """Within the context, each forward pass of the modules at `paths` is a stage.

    A module enters its stage when it is called, so not where a model reads its weights or calls `forward` itself.
    `nn.TransformerEncoderLayer` does not take its fused path while it, or a module within it, has a stage: name what is
    around it.

    Args:
        model: has the modules.
        paths: of a module by the name of its stage, as in `nn.Module.named_modules`; "" is the model itself.

    Raises:
        UsageError: no such module, or the model is no `nn.Module`.
    """
    modules = {name: _at(model, path) for name, path in paths.items()}
    with ExitStack() as hooks:
        for name, module in modules.items():
            enter, leave = _hooks(name)
            # First in and last out, so that of two stages of one module the one nests in the other.
            hooks.callback(module.register_forward_pre_hook(enter, prepend=True).remove)
            hooks.callback(module.register_forward_hook(leave, always_call=True).remove)
        yield


def _at(model: object, path: str) -> nn.Module:
    if not isinstance(model, nn.Module):
        raise UsageError(f"stages by module path need a model that is an nn.Module, not a {type(model).__name__}")
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    if path not in modules:
        raise unknown_name("module", path, filter(None, modules))
    return modules[path]


def _hooks(name: str) -> tuple[Callable[..., None], Callable[..., None]]:
    """What a module does before and after its forward pass; entries are kept, since a module may call itself."""
    entered: list[AbstractContextManager[None]] = []

    def enter(*_: object) -> None:
        mark = stage(name)
        mark.__enter__()
        entered.append(mark)

    def leave(*_: object) -> None:
        # Called after an exception too, even one that another hook raised before this stage was entered.
        if entered:
            entered.pop().__exit__(None, None, None)

    return enter, leave
