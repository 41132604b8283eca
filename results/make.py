"""Make what ships again: weights, training logs and reference records, as `recipes.yaml` lists them.

`python results/make.py --list` prints the commands; without it they run, those left out whose results are there.
"""

import argparse
import fnmatch
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent


@dataclass(frozen=True)
class Job:
    """One model, trained on one data set under one seed unless it is ready as it is, and evaluated."""

    task: str
    dataset: str
    model: str
    seed: int
    options: list[str] = field(default_factory=list)
    data: str | None = None
    ready: bool = False

    @property
    def name(self) -> str:
        """What patterns select."""
        return f"{self.task}/{self.dataset}/{self.model}/{self.seed}"

    @property
    def weights(self) -> Path:
        """Of seed 0 they ship; of the others only the records do."""
        folder = Path("baselines/weights" if self.seed == 0 else f"build/seeds/{self.seed}")
        return folder / self.task / self.dataset / f"{self.model}.safetensors"

    @property
    def log(self) -> Path:
        """What `mmbench train --json` prints."""
        return Path("results/training") / self.task / self.dataset / f"{self.model}.{self.seed}.json"

    @property
    def records(self) -> Path:
        """The folder of runs that the record goes to."""
        return Path("results/reference" if self.seed == 0 else f"results/seeds/{self.seed}")

    @property
    def starts_from_another(self) -> bool:
        """Whether encoders come from weights that another job makes."""
        return any("=from:" in option for option in self.options)

    def train(self) -> list[str]:
        """The command that makes weights and log."""
        seed = ["--seed", str(self.seed)] if self.seed else []
        return ["mmbench", "train", *self._what(), *seed, *self.options, "--output", str(self.weights), "--json"]

    def evaluate(self) -> list[str]:
        """The command that makes the record."""
        # Cost does not depend on the seed.
        weights = ["--weights", str(self.weights), "--cost", "off"] if self.seed else []
        return ["mmbench", "eval", *self._what(), *weights, "--output", str(self.records)]

    def _what(self) -> list[str]:
        data = ["--data", self.data] if self.data else []
        return ["--model", self.model, "--task", self.task, "--dataset", self.dataset, *data]


def jobs() -> Iterator[Job]:
    """All of `recipes.yaml`, first seeds first, so that what ships is made before the repetitions."""
    recipes = yaml.safe_load((HERE / "recipes.yaml").read_text(encoding="utf-8"))
    for seed in range(max(recipe.get("seeds", 1) for recipe in recipes.values())):
        for key, recipe in recipes.items():
            task, _, dataset = key.partition("/")
            if seed < recipe.get("seeds", 1):
                for model, own in recipe.get("models", {}).items():
                    options = shlex.split(f"{recipe.get('options', '')} {own or ''}")
                    yield Job(task, dataset, model, seed, options, recipe.get("data"))
            if seed == 0:  # neither does a seed change what counts, nor what is ready
                for listed, ready in (("floors", False), ("ready", True)):
                    for model in recipe.get(listed, ()):
                        yield Job(task, dataset, model, seed, [], recipe.get("data"), ready)


def run(job: Job, stage: str) -> bool:
    """Do what is missing of a job; the log is written last, so a killed training starts again."""
    if stage == "train":
        if job.ready or ((ROOT / job.log).is_file() and (ROOT / job.weights).is_file()):
            return True
        command, output = job.train(), ROOT / job.log
    else:
        current, outdated = recorded(job)
        if current:
            return True
        command, output = job.evaluate(), None
    print(f"{stage} {job.name}", flush=True)
    command = [sys.executable, "-m", *command]  # of this environment, whatever the path says
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  # mmbench itself
    if done.returncode:
        print(f"FAILED {shlex.join(command)}\n{done.stderr}", flush=True)
        return False
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(done.stdout, encoding="utf-8")
        for suffix in (".curves.svg", ".history.jsonl"):  # the log has the history
            (ROOT / job.weights).with_suffix(suffix).unlink(missing_ok=True)
    elif not recorded(job)[0]:
        print(f"FAILED {job.name}: other weights than {job.weights} were evaluated", flush=True)
        return False
    else:
        for folder in outdated:
            shutil.rmtree(folder)
    return True


def recorded(job: Job) -> tuple[list[Path], list[Path]]:
    """Folders of the job's runs: those of the weights as they are, or of weights that are gone, and those of others."""
    weights = ROOT / job.weights
    digest = sha256(weights.read_bytes()).hexdigest() if weights.is_file() else None
    current, outdated = [], []
    for path in sorted((ROOT / job.records / job.task / job.dataset / job.model).glob("*/record.json")):
        stored = json.loads(path.read_text(encoding="utf-8"))["model"]["weights"] or {}
        (current if digest in (None, stored.get("sha256")) else outdated).append(path.parent)
    return current, outdated


def main() -> int:
    """Run the jobs that match, several at a time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("pattern", nargs="*", default=["*"], help="TASK/DATASET/MODEL/SEED, with * for any")
    parser.add_argument("--stage", choices=["train", "eval", "all"], default="all")
    parser.add_argument("--jobs", type=int, default=1, help="at a time, in processes of their own")
    parser.add_argument("--list", action="store_true", help="print the commands and run none")
    given = parser.parse_args()
    chosen = [job for job in jobs() if any(fnmatch.fnmatch(job.name, pattern) for pattern in given.pattern)]
    stages = ["train", "eval"] if given.stage == "all" else [given.stage]
    if given.list:
        for job in chosen:
            if not job.ready:
                print(shlex.join(job.train()), ">", job.log)
            print(shlex.join(job.evaluate()))
        return 0
    fine = True
    for stage in stages:
        for later in (False, True):
            now = [job for job in chosen if job.starts_from_another == later]
            with ThreadPoolExecutor(given.jobs) as pool:
                fine = all(list(pool.map(lambda job, stage=stage: run(job, stage), now))) and fine
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
