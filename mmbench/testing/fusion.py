"""Conformance of a fusion: `check_fusion` runs a user's own strategy through what a comparison relies on."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.fusion import Features, Fusion, Masks
from mmbench.registry import registry

NAMES = ("image", "text", "audio", "depth")
TOKENS = (3, 5, 2, 4)
"""Tokens by modality: unequal, so that a strategy that needs them equal is found out."""


def check_fusion(fusion: str | type[Fusion], *, width: int = 16, modalities: Sequence[str] | None = None) -> None:
    """Assert that a fusion has the properties that training, evaluation and comparison rely on.

    It takes the numbers of modalities that `arity` says and refuses others; returns [B, D] in the dtype and on the
    device of its inputs; registers all that it learns, and every parameter and input gets a gradient; is deterministic
    in eval mode; treats each sample by itself; reads modalities by name; lets nothing under a mask matter, not even
    NaN; stays finite when modalities are missing, and then still uses those that are there; and its weights can be
    stored. Parameters are moved a little from where they start, so that a layer that starts at zero hides nothing.
    The caller's random state is left as it was.

    Args:
        fusion: the class, or its registered name.
        width: D to build it with (C at decision level).
        modalities: build it for these alone; by default for 1 to 4 modalities, as far as `arity` allows.

    Raises:
        AssertionError: says which property fails, for which modalities, and how.
        UsageError: no fusion is registered under the name.
    """
    cls = registry.load("fusion", fusion) if isinstance(fusion, str) else fusion
    if not (isinstance(cls, type) and issubclass(cls, Fusion)):
        raise AssertionError(f"{fusion!r} is not a subclass of mmbench.fusion.Fusion but {cls!r}")
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        # Not torch.manual_seed, which would also seed the caller's accelerators.
        torch.default_generator.manual_seed(0)
        _check_refusals(cls, width)
        for names in [tuple(modalities)] if modalities is not None else _name_lists(cls):
            _run(cls, names, width)


@dataclass(frozen=True, slots=True)
class _Case:
    """A fusion and a batch that holds every pattern of present modalities: all of them first, none last."""

    build: Callable[[], Fusion]
    fusion: Fusion
    features: Features
    mask: Masks

    def output(self, features: Features | None = None, mask: Masks | None = None) -> Tensor:
        """[B, D] of this batch or a changed one, without a graph."""
        with torch.no_grad():
            result: Tensor = self.fusion(features or self.features, mask or self.mask)
        return result

    def filled(self, junk: float) -> dict[str, Tensor]:
        """Put `junk` into the features wherever the mask is false."""
        return {m: torch.where(self.mask[m].unsqueeze(-1), x, junk) for m, x in self.features.items()}


def _name_lists(cls: type[Fusion]) -> list[tuple[str, ...]]:
    least, most = cls.arity
    counts = [n for n in range(1, len(NAMES) + 1) if n >= least and (most is None or n <= most)]
    return [_names(n) for n in counts or [least]]


def _names(count: int) -> tuple[str, ...]:
    return (*NAMES, *(f"modality{i}" for i in range(len(NAMES), count)))[:count]


def _check_refusals(cls: type[Fusion], width: int) -> None:
    least, most = cls.arity
    for count in [least - 1] if most is None else [least - 1, most + 1]:
        try:
            cls(_names(count), width)
        except ValueError:
            continue
        raise AssertionError(
            f"{cls.__name__} does not refuse {count} modalities with a ValueError; arity is {cls.arity}"
        )


def _run(cls: type[Fusion], names: tuple[str, ...], width: int) -> None:
    for says, check in _CHECKS:
        try:
            check(_case(cls, names, width))
        except Exception as error:  # whatever a strategy raises is a finding, to be told with the property it breaks
            reason = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            raise AssertionError(f"{cls.__name__} with {', '.join(names)}: {says}: {reason}") from error


def _case(cls: type[Fusion], names: tuple[str, ...], width: int) -> _Case:
    def build() -> Fusion:
        fusion = cls(names, width).eval()
        with torch.no_grad():
            for parameter in fusion.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return fusion

    # Up to four modalities every pattern fits; beyond that, all, each missing, each alone, none.
    count = len(names)
    patterns = list(product((True, False), repeat=count))
    if count > len(NAMES):
        patterns = [p for p in patterns if sum(p) in {0, 1, count - 1, count}]
    features, mask = {}, {}
    for index, name in enumerate(names):
        tokens = 1 if cls.level == "decision" else TOKENS[index % len(TOKENS)]
        there = torch.tensor([p[index] for p in patterns]).unsqueeze(1).repeat(1, tokens)
        if tokens > 1:
            there[1::2, -1] = False
        features[name] = torch.randn(len(patterns), tokens, width)
        mask[name] = there
    return _Case(build, build(), features, mask)


def _built(case: _Case) -> None:
    expected = tuple(case.features)
    _require(case.fusion.modalities == expected, f"its modalities are {case.fusion.modalities}, asked were {expected}")


def _registered(case: _Case) -> None:
    modules = set(case.fusion.modules())
    for path, module in case.fusion.named_modules():
        for attribute, value in vars(module).items():
            # What torch registers stands in these three; the rest of vars() is what it does not know of.
            if attribute in {"_parameters", "_buffers", "_modules"}:
                continue
            for hidden in _tensors_and_modules(value):
                where = f"{path}.{attribute}" if path else attribute
                if isinstance(hidden, Tensor):
                    raise AssertionError(
                        f"{where} holds a tensor that is no parameter or buffer: it will not move or load"
                    )
                if hidden not in modules:
                    raise AssertionError(f"{where} holds a module outside ModuleList or ModuleDict: it will not train")


def _tensors_and_modules(value: Any) -> Iterator[Tensor | nn.Module]:
    if isinstance(value, Tensor | nn.Module):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors_and_modules(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _tensors_and_modules(item)


def _shape(case: _Case) -> None:
    output = case.output()
    expected = (len(next(iter(case.mask.values()))), case.fusion.width)
    _require(tuple(output.shape) == expected, f"[B, D] is {list(expected)}, the output {list(output.shape)}")


def _finite(case: _Case) -> None:
    finite = case.output().isfinite().all(dim=1)
    for row in (~finite).nonzero().flatten().tolist():
        raise AssertionError(f"not finite with {_describe(case, row)}")


def _describe(case: _Case, row: int) -> str:
    there = [m for m, mask in case.mask.items() if mask[row].any()]
    return f"only {', '.join(there)} present" if there else "every modality missing"


def _inputs_kept(case: _Case) -> None:
    before = {m: x.clone() for m, x in case.features.items()}, {m: x.clone() for m, x in case.mask.items()}
    case.output()
    for name in case.fusion.modalities:
        _require(torch.equal(case.features[name], before[0][name]), f"the features of {name} were changed in place")
        _require(torch.equal(case.mask[name], before[1][name]), f"the mask of {name} was changed in place")


def _deterministic(case: _Case) -> None:
    first = case.output()
    _require(torch.equal(first, case.output()), "two calls on the same batch differ")
    case.fusion.train()
    case.fusion.eval()
    _require(torch.equal(first, case.output()), "train() and eval() in between change the output")


def _by_itself(case: _Case) -> None:
    together = case.output()
    for row in range(len(together)):
        one = slice(row, row + 1)
        alone = case.output({m: x[one] for m, x in case.features.items()}, {m: x[one] for m, x in case.mask.items()})
        _same(alone, together[one], "a sample alone and in a batch differ")
    others = {m: torch.cat([x[:1], 3.0 * torch.randn_like(x[1:])]) for m, x in case.features.items()}
    _same(case.output(others)[:1], together[:1], "a sample changes with its neighbours")


def _by_name(case: _Case) -> None:
    order = case.fusion.modalities[::-1]
    backwards = case.output({m: case.features[m] for m in order}, {m: case.mask[m] for m in order})
    _same(backwards, case.output(), "another order of the mappings changes the output")


def _masks(case: _Case) -> None:
    clean = case.output(case.filled(0.0))
    for junk in (1e4, -1e30, float("inf"), float("nan")):
        _same(case.output(case.filled(junk)), clean, f"{junk} in masked tokens changes the output")
    if case.fusion.level == "decision":
        return
    features = {m: torch.cat([x, torch.full_like(x[:, :2], 7.0)], dim=1) for m, x in case.features.items()}
    mask = {m: torch.cat([x, torch.zeros_like(x[:, :1]).expand(-1, 2)], dim=1) for m, x in case.mask.items()}
    _same(case.output(features, mask), clean, "two more masked tokens change the output")


def _gradients(case: _Case) -> None:
    # NaN under the masks: it must not come back through the gradient either, where a late mask lets it (0 · NaN).
    features = {m: x.requires_grad_() for m, x in case.filled(float("nan")).items()}
    output: Tensor = case.fusion(features, case.mask)
    _require(output.requires_grad, "the output has no graph")
    torch.autograd.backward(output, torch.randn_like(output))
    tensors = {f"parameter {name}": p for name, p in case.fusion.named_parameters() if p.requires_grad}
    for name, tensor in (tensors | {f"the features of {m}": x for m, x in features.items()}).items():
        if tensor.grad is None:
            raise AssertionError(f"{name} gets none")
        finite = tensor.grad.isfinite().all()
        _require(finite, f"{name} gets one that is not finite when masked tokens hold NaN")
        _require(tensor.grad.any(), f"{name} gets only zeros")


def _uses_each(case: _Case) -> None:
    before = case.output()
    for name, mask in case.mask.items():
        changed = {**case.features, name: torch.randn_like(case.features[name])}
        same = (case.output(changed) - before).abs().amax(dim=1) <= 1e-6
        for row in (same & mask.any(dim=1)).nonzero().flatten().tolist():
            raise AssertionError(f"other values of {name} do not change it with {_describe(case, row)}")


def _dtype(case: _Case) -> None:
    double = deepcopy(case.fusion).double()
    with torch.no_grad():
        output: Tensor = double({m: x.double() for m, x in case.features.items()}, case.mask)
    _require(output.dtype == torch.float64, f"float64 in, {output.dtype} out")
    close = torch.allclose(output.float(), case.output(), rtol=1e-3, atol=1e-4)
    _require(close, "the outputs in float64 and in float32 differ")


def _device(case: _Case) -> None:
    # On the meta device nothing is computed, but a tensor that stayed behind on the CPU is refused.
    features, mask = ({m: x.to("meta") for m, x in both.items()} for both in (case.features, case.mask))
    try:
        output: Tensor = deepcopy(case.fusion).to("meta")(features, mask)
    except NotImplementedError:
        return  # it has a step whose shape follows from values, which this device cannot show
    except RuntimeError as error:
        if "cannot be called on meta tensors" in str(error):
            return  # it branches on a value, which is allowed
        raise
    _require(output.device.type == "meta", f"inputs on one device, the output on another ({output.device})")


def _storable(case: _Case) -> None:
    fresh = case.build()
    fresh.load_state_dict(case.fusion.state_dict())
    with torch.no_grad():
        output: Tensor = fresh(case.features, case.mask)
    _same(output, case.output(), "a new instance with the same state gives another output")


def _require(holds: bool | Tensor, message: str) -> None:
    # Not a bare assert, which `python -O` leaves out.
    if not holds:
        raise AssertionError(message)


def _same(actual: Tensor, expected: Tensor, message: str) -> None:
    _require(torch.allclose(actual, expected, rtol=1e-5, atol=1e-5), message)


_CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    ("it is built as Fusion(modalities, width)", _built),
    ("everything it learns or stores is registered", _registered),
    ("the output is [B, D]", _shape),
    ("the output is finite, whatever is missing", _finite),
    ("it leaves its inputs as they are", _inputs_kept),
    ("it is deterministic in eval mode", _deterministic),
    ("it treats each sample by itself", _by_itself),
    ("it reads modalities by name", _by_name),
    ("nothing under a mask matters", _masks),
    ("every parameter and input gets a gradient", _gradients),
    ("it uses each modality that is there", _uses_each),
    ("it moves to another dtype", _dtype),
    ("it moves to another device", _device),
    ("its state can be stored and loaded", _storable),
)
