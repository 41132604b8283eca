"""One pair of processes, base and head: started, warmed up, timed by turns, asked for their answers, ended."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from mmbench.data.annotations import shown
from mmbench.errors import UsageError
from mmbench.gate.core import while_timed
from mmbench.gate.link import Link, SideError, SideName
from mmbench.gate.options import GateOptions
from mmbench.gate.pingpong import Block, Chunk, play
from mmbench.gate.side import Side
from mmbench.gate.workload import Workload

_WARM_S, _MOST_WARM_S = 0.5, 1.5
"""Beside a busy neighbour timings may never look steady; what is left of warming up falls on both sides alike."""

_PLACES = {"stages": "throughput", "data": "data"}
"""Kinds of chunks that tell where time goes, and whose iterations a chunk of them has."""

PLACE_PAIRS = 3
"""Pairs from which the start of a process, of which each pair has one, can be told to differ."""

_PLACE_BLOCKS = 6
_PLACE_S = 0.6
"""For each kind: blocks at least, and seconds about."""

SAME = ("task", "dataset", "revision", "split", "samples", "batch_size", "batches", "requests", "device")
"""Facts that both sides must share for their times to be comparable."""

_EVALUATION_S = 3600.0
"""That an evaluation of all samples may take on base ..."""

_EVALUATION_TIMES = 5.0
"""... and how many times as long on head."""

SIDES: tuple[SideName, SideName] = ("base", "head")


@dataclass
class Pair:
    """What one pair of processes gave.

    Attributes:
        facts: of each side, as its worker told them when it was ready.
        blocks: by kind of chunk; those that tell where time goes are of the first pairs only.
        answers: of each side, of the first pair.
        static: what needs no statistics, of each side, where it is gated.
        runs: folders of evaluations, of the first pair where a quality is gated.
        again_s: seconds that a further pair would take, about: all but evaluations, which need no second.
    """

    facts: dict[SideName, dict[str, Any]] = field(default_factory=dict)
    blocks: dict[str, list[Block]] = field(default_factory=dict)
    answers: dict[SideName, list[dict[str, Any]]] = field(default_factory=dict)
    static: dict[SideName, dict[str, Any]] = field(default_factory=dict)
    runs: dict[SideName, Path] = field(default_factory=dict)
    again_s: float = 0.0


class Pairs:
    """Makes pairs, all in the same way.

    Args:
        sides: base and head.
        workload: what they run.
        options: how.
        scratch: for logs and evaluations.
        until: time of `monotonic` after which a pair ends what it times, with two blocks of each kind in any case.
    """

    def __init__(
        self,
        sides: Mapping[SideName, Side],
        workload: Workload,
        options: GateOptions,
        scratch: Path,
        until: float = math.inf,
    ) -> None:
        self._sides = sides
        self._asked = workload
        self._options = options
        self._scratch = scratch
        self._until = until
        here = Path.cwd()
        self._workloads = {name: side.workload(workload, here) for name, side in sides.items()}
        self._chunks: dict[str, Chunk] = {}  # by kind; what the first pair finds holds for all
        self._made = 0

    def make(self) -> Pair:
        """The next pair; the first also tells answers and qualities.

        Raises:
            UsageError: both run the same files.
            SideError: one side refused or failed, or they do not run the same.
            HarnessError: a worker was killed from outside.
        """
        number = self._made
        self._made += 1
        # Whoever starts first may get the better memory: by turns.
        order = SIDES if number % 2 == 0 else SIDES[::-1]
        links: dict[SideName, Link] = {}
        try:
            for name in order:
                side = self._sides[name]
                links[name] = side.start(self._scratch / f"{name}-{number}.log", number, self._workloads[name].threads)
            return self._measure(links, number)
        except BaseException:
            for link in links.values():
                link.kill()
            raise
        finally:
            for link in links.values():
                link.close()

    def _measure(self, links: Mapping[SideName, Link], number: int) -> Pair:
        begun, first = monotonic(), number == 0
        pair = Pair(facts=self._prepare(links))
        check_same(pair.facts)
        check_apart(pair.facts, self._sides, self._asked)
        if first:
            pair.answers = self._ask_both(links, {"do": "answers"})
        processes = [link.process for link in links.values()]
        with while_timed(processes, pair.facts["base"]["device"], self._workloads["base"].threads):
            self._time(links, pair.blocks, places=number < max(self._options.pairs, PLACE_PAIRS))
        if first and self._options.qualities:
            asked = monotonic()
            pair.runs = self._evaluate(links)
            begun += monotonic() - asked
        if self._options.exact:  # last, since nothing can be timed after it
            pair.static = self._ask_both(links, {"do": "static"})
        pair.again_s = monotonic() - begun
        return pair

    def _time(self, links: Mapping[SideName, Link], blocks: dict[str, list[Block]], *, places: bool) -> None:
        """Add blocks of each kind that is gated, and of places if they are wanted: no verdict needs those."""
        for kind in self._options.timings:
            blocks[kind] = self._play(links, kind, kind, self._options.blocks, self._options.play_s)
        for kind, like in _PLACES.items():
            if places and kind not in blocks:
                seconds = min(_PLACE_S, self._options.play_s)
                blocks[kind] = self._play(links, kind, like, _PLACE_BLOCKS, seconds)

    def _prepare(self, links: Mapping[SideName, Link]) -> dict[SideName, dict[str, Any]]:
        """Both at once, which is fair to both; of two failures base's counts, since head's may follow from it."""
        patience = self._options.patience_s

        def ready(name: SideName) -> dict[str, Any]:
            return prepare(links[name], self._workloads[name], patience)

        with ThreadPoolExecutor(len(SIDES)) as pool:
            futures = {name: pool.submit(ready, name) for name in SIDES}
            try:
                return {name: futures[name].result() for name in SIDES}
            except BaseException:  # a signal, too: the pool would wait for the other side's answer
                for link in links.values():
                    link.end()
                raise

    def _evaluate(self, links: Mapping[SideName, Link]) -> dict[SideName, Path]:
        """Base first, which tells how long head may take."""
        found: dict[SideName, Path] = {}
        patience = max(_EVALUATION_S, self._options.patience_s)
        for name in SIDES:
            output = str(self._scratch / f"runs-{name}")
            begun = monotonic()
            request = {"do": "evaluate", "output": output, "metrics": list(self._options.qualities)}
            found[name] = Path(links[name].ask(request, patience))
            patience = max(self._options.patience_s, _EVALUATION_TIMES * (monotonic() - begun))
        return found

    def _ask_both(self, links: Mapping[SideName, Link], request: Mapping[str, Any]) -> dict[SideName, Any]:
        return {name: links[name].ask(request, self._options.patience_s) for name in SIDES}

    def _play(
        self, links: Mapping[SideName, Link], kind: str, like: str, least_blocks: int, seconds: float
    ) -> list[Block]:
        """Let both time blocks of a kind for so many seconds, in chunks as long as those of another."""
        patience = self._options.patience_s
        if like not in self._chunks:
            # Asked of both, so that both go on with the same batch.
            slower = max(iteration_seconds(links[name], like, patience) for name in SIDES)
            self._chunks[like] = Chunk.lasting(self._options.chunk_s, slower)
        chunk = self._chunks[like]
        blocks = chunk.blocks(least_blocks, seconds)
        return play(links["base"], links["head"], kind, chunk, blocks, patience, self._until)


def prepare(link: Link, workload: Workload, patience_s: float) -> dict[str, Any]:
    """Let a worker load and warm up; its facts.

    Raises:
        SideError, HarnessError: as `Link.ask`.
    """
    link.hello(patience_s)
    request = {"do": "prepare", "workload": workload.to_json(), "least_s": _WARM_S, "most_s": _MOST_WARM_S}
    facts: dict[str, Any] = link.ask(request, patience_s)
    return facts


def iteration_seconds(link: Link, kind: str, patience_s: float) -> float:
    """What one iteration of a chunk takes, about.

    Raises:
        SideError, HarnessError: as `Link.ask`.
    """
    one = Chunk(iterations=1, settle=False, seconds=0.0)
    return float(sum(link.ask(one.request(kind), patience_s).values()))


def check_apart(
    facts: Mapping[SideName, Mapping[str, Any]], sides: Mapping[SideName, Side], workload: Workload
) -> None:
    """Refuse to compare code with itself where two versions were asked for: it would always pass.

    Raises:
        UsageError: names the model's file, which both run, and says why.
    """
    base, head = (facts[name] for name in SIDES)
    same = all(base[what] == head[what] for what in ("files", "weights"))
    if same and sides["base"].label != sides["head"].label:
        file = shown(Path(head.get("model_file") or head["files"][-1]))
        raise UsageError(
            f"base and head run the same files, such as {file}, so they cannot differ: {_why_same(sides, workload)}"
        )


def _why_same(sides: Mapping[SideName, Side], workload: Workload) -> str:
    named = [*(part for part in workload.model.split(":") if part.endswith(".py")), *workload.plugins]
    for file in named:
        if Path(file).is_absolute():
            return f"give {shown(Path(file))} relative to the working directory, so that each side has its own"
        for name, side in sides.items():
            if not (side.folder / file).exists():
                return f"{name} has no {file}, so that it runs the one in the working directory"
    return "run it where the project's pyproject.toml is"


def check_same(facts: Mapping[SideName, Mapping[str, Any]]) -> None:
    """Refuse to time sides that do not run the same.

    Raises:
        SideError: of head, since base is what was there before; says what differs.
    """
    check_ran(facts["head"], facts["base"], "base")


def check_ran(head: Mapping[str, Any], base: Mapping[str, Any], what: str) -> None:
    """Refuse head's facts where they are not those of base, which is called so.

    Raises:
        SideError: as `check_same`.
    """
    for name in SAME:
        ours, theirs = head.get(name), base.get(name)
        if ours != theirs:
            raise SideError("head", f"does not run the same as {what}: {name.replace('_', ' ')} {ours}, not {theirs}")
