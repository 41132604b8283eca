"""The FLOPs pass: work and traffic of one batch, counted operator by operator as it runs.

What counts: products of matrices and what is made of them, see `flop_formulas`; what does not, by convention, see
`flop_free`. An operator that is neither is listed with its calls, so that a partial count never looks whole. Among
those are Fourier transforms, linear solvers, distances, quantised and sparse products, and fused operators of other
packages. `torch.utils.flop_counter.register_flop_formula` teaches one to this pass as well as to PyTorch's counter.

Two ways to run a model hide its operators and are off while counting: the fast path of `nn.TransformerEncoder` and
`nn.MultiheadAttention` in evaluation, which is one operator of unknown work, and `torch.compile`.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch._C import DispatchKey
from torch._ops import HigherOrderOperator, OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmbench.profile.flop_formulas import count, find_formula, shapes_tell
from mmbench.profile.flop_free import is_free
from mmbench.profile.results import FlopsPass, StageFlops
from mmbench.profile.stage import OTHER, observed
from mmbench.profile.traffic import bytes_moved

B = TypeVar("B")


def count_flops(work: Callable[[B], object], batch: B, *, batch_size: int) -> FlopsPass:
    """Count the work of one batch.

    Args:
        work: puts a batch to the model.
        batch: ready on the model's device.
        batch_size: samples in it, one or more.

    Returns:
        FLOPs and bytes by stage, each without the stages within it; they sum to the whole.

    Raises:
        ValueError: `batch_size` is below one.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; a batch has one sample or more")
    tally = _Tally()
    with _plain_operators(), observed(tally), _CountMode(tally):
        work(batch)
    flops, moved = sum(tally.flops.values()), sum(tally.bytes.values())
    return FlopsPass(
        batch_size=batch_size,
        flops=flops,
        flops_per_sample=flops / batch_size,
        bytes=moved,
        stages=[StageFlops(name=name, flops=tally.flops[name], bytes=tally.bytes[name]) for name in tally.names],
        not_counted=dict(sorted(tally.unknown.items())),
    )


@dataclass(eq=False)
class _Tally:
    """An observer of stages that adds each operator to the innermost one."""

    flops: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    _entered: dict[str, None] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Stages in order of first entry, then `other`."""
        return [*(name for name in self._entered if name != OTHER), OTHER]

    def enter(self, name: str) -> None:
        """Operators are of stage `name` from here."""
        self._entered[name] = None
        self._open.append(name)

    def leave(self, name: str) -> None:
        """Operators are of the stage around it again."""
        self._open.pop()

    def add(
        self, operator: OpOverload | HigherOrderOperator, args: tuple[Any, ...], kwargs: dict[str, Any], result: object
    ) -> None:
        """Add one call."""
        stage = self._open[-1] if self._open else OTHER
        self.bytes[stage] += bytes_moved(operator, args, kwargs, result)
        formula = find_formula(operator)
        if formula is not None and shapes_tell(args, kwargs, result):
            self.flops[stage] += count(formula, args, kwargs, result)
        elif not (isinstance(operator, OpOverload) and is_free(operator)):
            self.unknown[_name(operator)] += 1


class _CountMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator before a device does; takes those apart that are made of others, as `FlopCounterMode` does.

    Outside `inference_mode` PyTorch has taken them apart already.
    """

    supports_higher_order_operators = True

    def __init__(self, tally: _Tally) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._tally = tally

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether to load the compiler in order to keep it out: seconds, for what `_plain_operators` does already."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _has_parts(func) and find_formula(func) is None and not _has_nested(args):
            # Not `func.decompose`, which prefers parts written for tracing, and those copy what is a view here.
            with self:
                return func._op_dk(DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        result = func(*args, **kwargs)
        self._tally.add(func, args, kwargs, result)
        return result


def _has_parts(operator: OpOverload | HigherOrderOperator) -> bool:
    """Whether an operator is made of others for every device that has nothing better."""
    if not isinstance(operator, OpOverload):
        return False
    name = str(operator.name())  # type: ignore[no-untyped-call]
    return torch._C._dispatch_has_kernel_for_dispatch_key(name, DispatchKey.CompositeImplicitAutograd)


def _has_nested(args: tuple[Any, ...]) -> bool:
    """Nested tensors have kernels of their own for what others take apart."""
    return any(isinstance(leaf, Tensor) and leaf.is_nested for leaf in tree_leaves(args))


def _name(operator: OpOverload | HigherOrderOperator) -> str:
    return operator._schema.name if isinstance(operator, OpOverload) else f"higher_order::{operator._name}"


@contextmanager
def _plain_operators() -> Iterator[None]:
    """Models run as separate operators within; all is as before afterwards, whatever happens."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        if "torch._dynamo" in sys.modules:  # else nothing was compiled, and asking would load the compiler
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield
