"""How often `mmbench gate` is right: the same code against itself, and against itself with real extra work.

A trial is a whole gate of two folders with the same code, of which one does further products of matrices in each
iteration; how many make up 5 or 10 % of an iteration is measured by turns first. `--neighbour` keeps one core busy with
another process meanwhile. Each trial is a line of JSON in OUTPUT, so a study that was ended goes on where it was.
`--pytest-benchmark` lets pytest-benchmark judge the same sides: a run of each, and `--benchmark-compare-fail=mean:5%`.
`--table FILE...` prints finished trials as a table.

Must hold: of the same code at most 1 % regressions; 5 % more work found in 95 % of trials on an idle machine and in
90 % beside a neighbour, 10 % always; 10 % less work is an improvement; the median time to a verdict below a minute.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from shutil import copy, rmtree
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch

from mmbench.cli.signals import ended_by_signals
from mmbench.gate.gate import gate
from mmbench.gate.live import Live
from mmbench.gate.options import GateOptions
from mmbench.gate.workload import Workload
from mmbench.record.gate import Finding
from mmbench.stats.intervals import wilson
from mmbench.stats.ratio import without_order

PLUGIN = Path(__file__).with_name("gate_plugin.py")
WORKLOAD = Workload("film", "vqa", plugins=(PLUGIN.name,), limit=512)
NEIGHBOUR = "import torch; torch.set_num_threads(1); a = torch.randn(256, 256)\nwhile True: a @ a"
VERDICTS = ("regression", "inconclusive", "pass", "improvement", "failure")
ROUNDS = 400
SOME = 100
"""Products that are timed to know what one adds."""

BENCHMARK = """
from pathlib import Path
from mmbench.gate.live import Live
from mmbench.gate.workload import Workload
import torch


def test_throughput(benchmark):
    workload = Workload(**{workload!r})
    with torch.inference_mode():
        live = Live(workload, least_s=0.5, most_s=5.0)
        benchmark(live.chunk, "throughput", 1)
"""


def main() -> None:
    """Run the trials that are missing, or print what the finished ones say."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--extra", type=float, default=0.0, metavar="SHARE", help="of head's work; below 0: of base's")
    options.add_argument("--trials", type=int, default=200)
    options.add_argument("--neighbour", action="store_true", help="keep another process busy meanwhile")
    options.add_argument("--budget", type=float, default=GateOptions().budget("throughput"))
    options.add_argument("--pytest-benchmark", action="store_true", help="judge by pytest-benchmark instead")
    options.add_argument("--products", type=int, help="of the extra work, where that was measured before")
    options.add_argument("--output", type=Path, help="finished trials, a line each")
    options.add_argument("--table", type=Path, nargs="+", metavar="FILE")
    chosen = options.parse_args()
    if chosen.table:
        print(table(chosen.table))
        return
    if chosen.output is None:
        options.error("--output is missing")
    products = chosen.products
    if products is None:
        products = products_for(abs(chosen.extra)) if chosen.extra else 0
    with ended_by_signals():  # the neighbour, too
        run(chosen, products)


def run(chosen: argparse.Namespace, products: int) -> None:
    """All trials that the output lacks."""
    done = len(chosen.output.read_text(encoding="utf-8").splitlines()) if chosen.output.exists() else 0
    with tempfile.TemporaryDirectory() as scratch, neighbour(wanted=chosen.neighbour):
        base = write_side(Path(scratch) / "base", products if chosen.extra < 0 else 0)
        head = write_side(Path(scratch) / "head", products if chosen.extra > 0 else 0)
        judge = by_pytest_benchmark if chosen.pytest_benchmark else by_gate
        for number in range(done, chosen.trials):
            found = judge(base, head, chosen.budget)
            found |= {"extra": chosen.extra, "products": products, "neighbour": chosen.neighbour}
            with chosen.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
            print(f"{number + 1} of {chosen.trials}: {found['verdict']} in {found['seconds']:.0f} s", flush=True)


def write_side(folder: Path, products: int) -> Path:
    """A folder with the plugin and how much more it does."""
    folder.mkdir()
    copy(PLUGIN, folder)
    (folder / "extra.json").write_text(json.dumps({"products": products}), encoding="utf-8")
    return folder


def by_gate(base: Path, head: Path, budget: float) -> dict[str, object]:
    """One gate."""
    report = gate(str(base), str(head), WORKLOAD, GateOptions(budgets={"": budget}))
    (finding,) = report.findings or [None]
    change = finding.change if finding else None
    return {
        "judge": f"gate at {budget:.1%}",
        "verdict": report.verdict.value,
        "reason": report.reason,
        "seconds": report.seconds,
        "change": None if change is None else change.model_dump(exclude={"method"}),
        "pairs": medians(finding) if finding else None,
    }


def medians(finding: Finding) -> list[float]:
    """Of each pair of processes what it says of the change."""
    sides = zip(finding.base_s or (), finding.head_s or (), strict=True)
    ratios = [without_order(np.log(np.divide(head, base))) for base, head in sides]
    return [round(float(np.expm1(np.median(each))), 5) for each in ratios]


def by_pytest_benchmark(base: Path, head: Path, _: float) -> dict[str, object]:
    """A run of each side, one after the other, and what pytest-benchmark says of the second."""
    begun = perf_counter()
    verdict = "pass"
    for side in (base, head):
        text = BENCHMARK.format(workload=asdict(WORKLOAD))
        (side / "test_speed.py").write_text(text, encoding="utf-8")
        storage = f"--benchmark-storage={base.parent / 'stored'}"
        against = ["--benchmark-compare=0001", "--benchmark-compare-fail=mean:5%"]
        words = ["--benchmark-save=base"] if side is base else against
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", storage, *words, "test_speed.py"]
        done = subprocess.run(command, cwd=side, capture_output=True, text=True, check=False)  # noqa: S603  # fixed
        if done.returncode:
            verdict = "regression" if "Performance has regressed" in done.stdout + done.stderr else "failure"
            break
    rmtree(base.parent / "stored", ignore_errors=True)
    return {"judge": "pytest-benchmark at mean:5%", "verdict": verdict, "seconds": perf_counter() - begun}


@contextmanager
def neighbour(*, wanted: bool) -> Iterator[None]:
    """A process that keeps one core busy."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([sys.executable, "-c", NEIGHBOUR])  # noqa: S603  # fixed
    try:
        yield
    finally:
        process.kill()
        process.wait()


def products_for(share: float) -> int:
    """How many products take that share of an iteration, in a process like the gate's, with and without by turns."""
    torch.set_num_threads(WORKLOAD.threads)
    left, right, out = torch.randn(3, 64, 64).unbind()

    def seconds(products: int) -> float:
        begun = perf_counter()
        for _ in range(products):
            torch.mm(left, right, out=out)
        live.chunk("throughput", 1)
        return perf_counter() - begun

    without, shares = [], []
    with torch.inference_mode():
        live = Live(replace(WORKLOAD, plugins=()), least_s=0.5, most_s=5.0)
        for number in range(ROUNDS):
            order = (0, SOME, SOME, 0) if number % 2 == 0 else (SOME, 0, 0, SOME)
            took = [seconds(products) for products in order]
            plain, more = (sum(t for t, n in zip(took, order, strict=True) if n == products) for products in (0, SOME))
            without.append(plain / 2)
            shares.append(more / plain - 1)
    each = median(shares) / SOME
    found = round(share / each)
    print(f"{share:.0%} of {1e3 * median(without):.2f} ms: {found} products, each {each:.3%} of it")
    return found


def table(paths: Sequence[Path]) -> str:
    """Finished trials as a table: how often which verdict, how long it took; judges of the same work stand together."""
    head = ["work", "machine", "judge", "trials", *VERDICTS, "median change", "median time"]
    studies = [[json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in paths]
    studies.sort(key=lambda trials: (trials[0]["extra"] < 0, trials[0]["extra"], trials[0]["neighbour"]))
    rows = [head, ["---"] * len(head), *map(row, studies)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def row(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """The trials of one file; shares with Wilson's 95 % interval."""
    counts = Counter(trial["verdict"] for trial in trials)
    changes = [trial["change"]["value"] for trial in trials if trial.get("change")]
    return [
        f"{trials[0]['extra']:+.0%}" if trials[0]["extra"] else "the same",
        "one core busy" if trials[0]["neighbour"] else "idle",
        trials[0]["judge"],
        str(len(trials)),
        *(share(counts[verdict], len(trials)) for verdict in VERDICTS[:1]),
        *(share(counts[verdict], len(trials)) if counts[verdict] else "0" for verdict in VERDICTS[1:]),
        f"{median(changes):+.1%}" if changes else "",
        f"{median(trial['seconds'] for trial in trials):.0f} s",
    ]


def share(count: int, trials: int) -> str:
    """How many of the trials, and how many of a hundred that may be: `3 (0.5 to 4.3 %)`."""
    low, high = wilson(count, trials, 0.95) or (0.0, 1.0)
    return f"{count} ({100 * low:.1f} to {100 * high:.1f} %)"


if __name__ == "__main__":
    main()
