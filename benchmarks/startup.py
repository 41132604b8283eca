"""How long `mmbench --help` takes, against `python -c "import typer, rich"`: fresh processes, alternating.

Must hold: the ratio of the medians is at most 3.
"""

import subprocess
import sys
import sysconfig
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from time import perf_counter

HELP = (str(Path(sysconfig.get_path("scripts")) / "mmbench"), "--help")
BASE = (sys.executable, "-c", "import typer, rich")


def main() -> None:
    """Measure and print."""
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=15)
    rounds = options.parse_args().rounds
    seconds(HELP), seconds(BASE)  # warm-up: bytecode and file caches
    base, of_help = [], []
    for number in range(rounds):
        for command, found in ((BASE, base), (HELP, of_help))[:: -1 if number % 2 else 1]:
            found.append(seconds(command))
    print(f"median of {rounds}: imports {median(base):.3f} s, mmbench --help {median(of_help):.3f} s")
    print(f"ratio {median(of_help) / median(base):.2f}")


def seconds(command: tuple[str, ...]) -> float:
    """Of one run."""
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # a fixed command
    return perf_counter() - start


if __name__ == "__main__":
    main()
