"""What stage marks cost where nobody listens: a model with its marks against the same model without any.

The model without is the same module compiled again with every `with stage(...)` taken out of its source, so that not
even the name of a stage is made. Both have the same weights and alternate in the order ABBA on the same batch; each
round gives one ratio of throughputs, without by with. Must hold: the median ratio is at most 1.01. The ratio of CPU
time is steadier where other programs run too. Marks cost the same for any batch, so small batches show them best.
"""

import ast
import copy
import inspect
import sys
from itertools import cycle
from time import perf_counter, process_time
from typing import Any

import torch
from overhead import Seconds, spread
from quality import parser, prepare
from torch import nn

from mmbench.model import Batch, Classifies
from mmbench.profile.device import synchronize


def main() -> None:
    """Measure and print."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=20.0, help="time for all rounds")
    options.add_argument("--iterations", type=int, default=1, help="forward passes of each part of a round")
    chosen = options.parse_args()
    prepared = prepare(chosen, 4 * chosen.batch_size)
    samples, size = prepared.samples, chosen.batch_size
    batches = [
        prepared.model.collate([samples[index] for index in range(start, start + size)]).to(prepared.device)
        for start in range(0, 4 * size, size)
    ]
    marked, bare = prepared.model, without_marks(prepared.model)
    wall: list[float] = []
    cpu: list[float] = []
    with torch.inference_mode():
        for batch in batches:
            assert torch.equal(marked.classify(batch), bare.classify(batch))  # warm-up too
        until = perf_counter() + chosen.seconds
        for batch in cycle(batches):
            a1, b1, b2, a2 = (measure(m, batch, chosen.iterations) for m in (bare, marked, marked, bare))
            wall.append((b1.wall + b2.wall) / (a1.wall + a2.wall))
            cpu.append((b1.cpu + b2.cpu) / (a1.cpu + a2.cpu))
            if perf_counter() > until:
                break
    print(f"{chosen.model}, batch size {size}, threads {chosen.threads}, {chosen.device}, {len(wall)} rounds")
    print(f"ratio {spread(wall)}")
    print(f"ratio of CPU time {spread(cpu)}")


def measure(model: Classifies, batch: Batch, iterations: int) -> Seconds:
    """Time so many forward passes."""
    wall, cpu = perf_counter(), process_time()
    for _ in range(iterations):
        logits = model.classify(batch)
    synchronize(logits.device)
    return Seconds(perf_counter() - wall, process_time() - cpu)


class WithoutMarks(ast.NodeTransformer):
    """Puts what stands in a `with stage(...)` into its place."""

    def __init__(self) -> None:
        self.taken = 0

    def visit_With(self, node: ast.With) -> Any:
        """Its body, if it is a mark."""
        self.generic_visit(node)
        match node.items:
            case [ast.withitem(context_expr=ast.Call(func=ast.Name(id="stage")))]:
                self.taken += 1
                return node.body
        return node


def without_marks(model: Any) -> Any:
    """The same model, weights shared, of a class that has no marks."""
    kind = type(model)
    source = sys.modules[kind.__module__]
    transformer = WithoutMarks()
    tree = transformer.visit(ast.parse(inspect.getsource(source)))
    assert transformer.taken, f"{source.__name__} has no stage marks"
    namespace = {"__name__": source.__name__}
    exec(compile(ast.fix_missing_locations(tree), str(source.__file__), "exec"), namespace)  # noqa: S102  # our own
    bare = copy.copy(model)
    bare.__class__ = namespace[kind.__name__]
    assert isinstance(bare, nn.Module)
    return bare


if __name__ == "__main__":
    main()
