"""Whether the passes of time tell the truth: stages against the whole, known work in one stage, and one pass twice.

1. The sum of the stages against iterations without recording, for a fusion by modulation, one by attention, and one
   over two backbones of transformers. Must hold: within 5 %.
2. A model one of whose stages spins on the clock for a known time, against the same model without that, in the order
   ABBA; each stage in turn. Must hold: that stage grows by that time within 10 %, no other by a tenth of it, beyond
   what the processor itself does: the image encoder alone, timed by hand with the same spin before each call.
3. The throughput pass, twice. Must hold: their intervals overlap.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from statistics import median
from time import perf_counter

import torch
from quality import Prepared, parser, prepare
from torch import nn

from mmbench.fusion_factory import FusionFactory
from mmbench.model import Batch, BuildOptions, Classifies
from mmbench.profile.clock import make_clock
from mmbench.profile.device import synchronize
from mmbench.profile.stage_pass import measure_stages
from mmbench.profile.throughput import measure_throughput

BACKBONES = BuildOptions(encoders={"image": "vit", "text": "bert"})
KNOWN_SHARE = 0.3  # of an iteration, about: what the further work of a stage takes
_CALLS, _TURNS = 3, 4  # of the encoder by itself: calls a batch, turns a round


def main() -> None:
    """Measure and print."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=10.0, help="of each pass")
    options.add_argument("--rounds", type=int, default=5, help="of the known work")
    chosen = options.parse_args()
    size = chosen.batch_size
    with torch.inference_mode():
        for name in ("film", "cross-attention"):
            chosen.model = name
            prepared = prepare(chosen, 8 * size)
            print_sum(name, prepared.model, batches_of(prepared.model, prepared, size), chosen.seconds)
        over = FusionFactory("concat", build=BACKBONES).create("backbones", ("image", "text"), prepared.samples)
        over.to(prepared.device).eval()
        print_sum("concat over ViT and BERT", over, batches_of(over, prepared, size), chosen.seconds)
        chosen.model = "film"
        prepared = prepare(chosen, 8 * size)
        batches = batches_of(prepared.model, prepared, size)
        print_known_work(prepared.model, batches, chosen.seconds, chosen.rounds)
        print_twice(prepared.model, batches, chosen.seconds)


def batches_of(model: Classifies, prepared: Prepared, size: int) -> list[Batch]:
    """Eight batches on the device."""
    return [
        model.collate([prepared.samples[index] for index in range(start, start + size)]).to(prepared.device)
        for start in range(0, 8 * size, size)
    ]


def print_sum(name: str, model: Classifies, batches: Sequence[Batch], seconds: float) -> None:
    """The first."""
    times = stage_seconds(model, batches, seconds)
    stages = ", ".join(f"{stage} {1000 * value:.3f}" for stage, value in times[0].items())
    print(f"{name}: {stages} ms; sum to whole without recording {times[1]:.4f}", flush=True)


def stage_seconds(model: Classifies, batches: Sequence[Batch], seconds: float) -> tuple[dict[str, float], float]:
    """Seconds by stage, and their sum by the whole without recording."""
    for batch in batches:
        model.classify(batch)
    clock = make_clock(batches[0].inputs["image"].device)
    found = measure_stages(model.classify, batches, batch_size=batches[0].size, clock=clock, min_seconds=seconds)
    return {stage.name: stage.seconds.value for stage in found.stages}, found.sum_to_plain


def print_known_work(model: Classifies, batches: Sequence[Batch], seconds: float, rounds: int) -> None:
    """The second."""
    times, _ = stage_seconds(model, batches, 1.0)
    work = make_work(KNOWN_SHARE * sum(times.values()))
    parts = {
        "encode.image": model.encoders["image"],
        "encode.text": model.encoders["text"],
        "fuse": model.fusion,
        "head": model.heads["fused"],
    }
    for where, part in parts.items():
        growth: dict[str, list[float]] = {name: [] for name in times}
        for _ in range(rounds):
            found = []
            for slow in (False, True, True, False):
                with slowed(part, work) if slow else nullcontext():
                    found.append(stage_seconds(model, batches, seconds / 4)[0])
            known = median(timed(work) for _ in range(50))
            a1, b1, b2, a2 = found
            for name, values in growth.items():
                values.append((b1[name] + b2[name] - a1[name] - a2[name]) / 2 / known)
        told = ", ".join(f"{name} {median(values):+.3f}" for name, values in growth.items())
        print(f"film with {1000 * known:.3f} ms of further work in {where}: growth by that work {told}", flush=True)
    print_alone(model, batches, work, rounds)


def print_alone(model: Classifies, batches: Sequence[Batch], work: Callable[[], None], rounds: int) -> None:
    """How much slower the image encoder itself becomes where the processor spins between its calls; no pass is on."""
    encoder = model.encoders["image"]

    def seconds(*, spin: bool) -> float:
        took = []
        for batch in batches * _CALLS:
            if spin:
                work()
            took.append(timed(partial(encoder, batch.inputs["image"], batch.mask["image"])))
        return median(took)

    growth = []
    for _ in range(_TURNS * rounds):
        a1, b1, b2, a2 = (seconds(spin=spin) for spin in (False, True, True, False))
        growth.append((b1 + b2 - a1 - a2) / 2)
    share = median(growth) / median(timed(work) for _ in range(50))
    print(f"the image encoder alone, with that spin before each call: {share:+.3f} of the spin", flush=True)


@contextmanager
def slowed(part: nn.Module, work: Callable[[], None]) -> Iterator[None]:
    """Let a module work longer, before it does what it does."""
    hook = part.register_forward_pre_hook(lambda *_: work())
    try:
        yield
    finally:
        hook.remove()


def make_work(seconds: float) -> Callable[[], None]:
    """Ask the clock for so long: a time that is known as it is."""

    def spin() -> None:
        end = perf_counter() + seconds
        while perf_counter() < end:
            pass

    return spin


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def print_twice(model: Classifies, batches: Sequence[Batch], seconds: float) -> None:
    """The third."""
    device = batches[0].inputs["image"].device
    sizes = [batch.size for batch in batches]
    rates = [
        measure_throughput(
            model.classify, batches, sizes, wait=lambda: synchronize(device), seconds=seconds
        ).samples_per_s
        for _ in range(2)
    ]
    told = " and ".join(f"{rate.value:,.0f} ({rate.low:,.0f} to {rate.high:,.0f})" for rate in rates)
    overlap = rates[0].low <= rates[1].high and rates[1].low <= rates[0].high
    print(f"film, samples/s twice: {told}: {'agree' if overlap else 'do not agree'}")


if __name__ == "__main__":
    main()
