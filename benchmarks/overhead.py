"""What the quality pass costs over a loop written by hand: the same loader, model, samples and batch size.

Both run in one process, alternating in the order ABBA, so that a drift of the machine falls on both. Each ABBA round
gives one ratio. Must hold: the median ratio is at most 1.10. The ratio of CPU time (of this process, so without loader
workers) is steadier where other programs run too.
"""

from collections.abc import Callable
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import NamedTuple

import torch
from quality import Prepared, parser, prepare

from mmbench.engine.loader import make_loader
from mmbench.model import Classifies
from mmbench.profile.device import synchronize


def main() -> None:
    """Measure and print."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--limit", type=int, default=2048, help="samples of each pass")
    options.add_argument("--rounds", type=int, default=5, help="rounds of four passes")
    chosen = options.parse_args()
    prepared = prepare(chosen, chosen.limit)
    measure(by_hand, prepared), measure(of_mmbench, prepared)  # warm-up: first calls choose kernels and fill caches
    wall: list[float] = []
    cpu: list[float] = []
    for number in range(1, chosen.rounds + 1):
        a1, b1, b2, a2 = (measure(run, prepared) for run in (by_hand, of_mmbench, of_mmbench, by_hand))
        wall.append((b1.wall + b2.wall) / (a1.wall + a2.wall))
        cpu.append((b1.cpu + b2.cpu) / (a1.cpu + a2.cpu))
        print(
            f"round {number}: by hand {a1.wall:.3f} {a2.wall:.3f} s, mmbench {b1.wall:.3f} {b2.wall:.3f} s, "
            f"ratio {wall[-1]:.3f}, of CPU time {cpu[-1]:.3f}"
        )
    print(
        f"{chosen.model}, {chosen.limit:,} samples, batch size {chosen.batch_size}, workers {chosen.workers}, "
        f"threads {chosen.threads}, {chosen.device}"
    )
    print(f"ratio {spread(wall)}")
    print(f"ratio of CPU time {spread(cpu)}")


class Seconds(NamedTuple):
    """What one pass took."""

    wall: float
    cpu: float


def measure(run: Callable[[Prepared], None], prepared: Prepared) -> Seconds:
    """Time one pass."""
    wall, cpu = perf_counter(), process_time()
    run(prepared)
    synchronize(prepared.device)
    return Seconds(perf_counter() - wall, process_time() - cpu)


def spread(ratios: list[float]) -> str:
    """Median, quartiles and range."""
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return f"{median(ratios):.3f} (quartiles {low:.3f} to {high:.3f}, all {min(ratios):.3f} to {max(ratios):.3f})"


def by_hand(prepared: Prepared) -> None:
    """Forward, argmax, count what is right: what people write when they need one number."""
    model, device = prepared.model, prepared.device
    assert isinstance(model, Classifies)
    loader = make_loader(
        prepared.samples,
        model,
        prepared.plan,
        numbers=range(len(prepared.plan)),
        workers=prepared.workers,
        pin_memory=device.type == "cuda",
    )
    correct = 0
    with torch.inference_mode():
        for loaded in loader:
            batch = loaded.batch.to(device, non_blocking=True)
            correct += (model.classify(batch).argmax(dim=1) == batch.targets).sum().item()
    assert correct > 0


def of_mmbench(prepared: Prepared) -> None:
    """The quality pass: predictions, rows of every metric, failure policy, journal."""
    prepared.quality_pass()


if __name__ == "__main__":
    main()
