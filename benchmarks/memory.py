"""Whether the memory of the quality pass grows with the number of samples: its peak at n and at 4 n.

Each pass has a fresh process. Must hold: the peaks are equal but for the allocator's noise.
"""

from argparse import Namespace
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from quality import parser, prepare

from mmbench.profile.memory import PeakMemory


def main() -> None:
    """Measure and print."""
    options = parser(__doc__.splitlines()[0])
    options.set_defaults(split="train")  # the largest split
    options.add_argument("--limit", type=int, default=4096, help="n, a quarter of the larger pass")
    chosen = options.parse_args()
    sizes = (chosen.limit, 4 * chosen.limit)
    peaks = []
    for size in sizes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            before, peak, method = process.submit(measure, chosen, size).result()
        peaks.append(peak)
        print(
            f"{size:>7,} samples: peak {peak / 1e6:.1f} MB, {(peak - before) / 1e6:.1f} MB above the start ({method})"
        )
    print(f"ratio {peaks[1] / peaks[0]:.3f}, growth {(peaks[1] - peaks[0]) / (sizes[1] - sizes[0]):.0f} bytes a sample")


def measure(options: Namespace, limit: int) -> tuple[int, int, str]:
    """Bytes before and at the peak of one pass, and how they were measured."""
    prepared = prepare(options, limit)
    memory = PeakMemory(prepared.device)
    before = memory.read()
    prepared.quality_pass()
    return before, memory.read(), memory.method


if __name__ == "__main__":
    main()
