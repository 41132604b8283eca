"""What the cost passes found, as people read it: speed, where the time goes, memory, work, energy."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from mmbench.cli.cost_tables import memory_table, name_of, stage_table, sweep_table
from mmbench.cli.units import memory, percent, plural, spread
from mmbench.leaderboard.units import digits, duration, si
from mmbench.profile.results import Passes, Scenario, Stages, WarmUp

Line = tuple[str, str]
"""A label and the text after it; markup."""

_LABEL = 12
_OPERATORS_SHOWN = 8
_DIFFERENCE = 0.05
"""By how much stages may sum to more or less than a plain iteration before words say so."""


def print_cost(passes: Passes, console: Console, *, short: bool = False, label: str = "throughput") -> None:
    """Print what was measured; what was not leaves no trace, but for energy that this machine does not count.

    Args:
        passes: of one model on one task.
        console: where to.
        short: speed, latency, time by stage and memory alone, as part of a longer report.
        label: of the throughput, where a report has another.
    """
    _print(console, [*_speed(passes, short, label), *_latency(passes, short)])
    if (stages := stage_table(passes, console, short)) is not None:
        console.print(stages)
        _print(console, _about_stages(passes))
    if short:
        _print(console, [*_memory(passes)[:1], *_failures(passes)])
        return
    _print(console, [*_work(passes), *_generation(passes), *_memory(passes)])
    if passes.model_memory and (held := memory_table(passes.model_memory, console)) is not None:
        console.print(held)
    _print(console, [*_static(passes), *_data(passes), *_energy(passes)])
    if passes.sweep is not None:
        console.print(sweep_table(passes.sweep, console))
        _print(console, _knee(passes))
    _print(console, [*_scenario(passes), *_failures(passes)])


def _print(console: Console, lines: Iterable[Line]) -> None:
    """Lines whose text folds beside its label."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=_LABEL, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(label, text)
    if grid.row_count:
        console.print(grid)


def _speed(passes: Passes, short: bool, label: str) -> list[Line]:
    found = passes.model_throughput
    lines: list[Line] = []
    if found is not None:
        told = f"{spread(found.samples_per_s, unit='samples/s')}, batch size {found.batch_size:,}"
        lines.append((label, told))
    return lines if short else lines + _warm_up(passes)


def _warm_up(passes: Passes) -> list[Line]:
    """The first call of the first pass that had one; and which passes began before timings had settled."""
    by_pass = {
        name: found.warm_up
        for name, found in (
            ("throughput", passes.model_throughput),
            ("latency", passes.latency),
            ("stages", passes.stages),
        )
        if found is not None and found.warm_up
    }
    lines = [("first call", _first(warm_up)) for warm_up in list(by_pass.values())[:1]]
    unsteady = [name for name, warm_up in by_pass.items() if not all(shape.steady for shape in warm_up)]
    if unsteady:
        lines.append(("unsteady", f"[yellow]timings had not settled after the warm-up of: {', '.join(unsteady)}[/]"))
    return lines


def _first(shapes: Sequence[WarmUp]) -> str:
    iterations, seconds = sum(shape.iterations for shape in shapes), sum(shape.seconds for shape in shapes)
    of = f" for {len(shapes)} shapes of input" if len(shapes) > 1 else ""
    return f"{duration(shapes[0].first_s)}; then {plural(iterations, 'call')} in {duration(seconds)} to warm up{of}"


def _latency(passes: Passes, short: bool) -> list[Line]:
    found = passes.latency
    if found is None:
        return []
    ranks = (("p50", found.p50_s), ("p90", found.p90_s), ("p99", found.p99_s))
    of = f"{plural(len(found.request_s), 'request')}, one at a time, batch size {found.batch_size:,}"
    if short:
        told = " · ".join(f"{name} {duration(rank.value)}" for name, rank in ranks)
        return [("latency", f"{told}, batch size {found.batch_size:,}")]
    lines = [("" if i else "latency", f"{name} {spread(rank, duration)}") for i, (name, rank) in enumerate(ranks)]
    return [*lines, ("", of)]


def _about_stages(passes: Passes) -> list[Line]:
    stages = passes.stages
    if stages is None:
        return []
    lines = [("iteration", f"{spread(stages.plain, duration)} without recording, batch size {stages.batch_size:,}")]
    lines.append(("", _sum(stages)))
    return lines


def _sum(stages: Stages) -> str:
    told = f"stages sum to {percent(stages.sum_to_plain)} of that"
    if abs(stages.sum_to_plain - 1) <= _DIFFERENCE:
        return told
    slower = "recording slows this model, or " if stages.sum_to_plain > 1 else ""
    why = f"{slower}timings are uneven here"
    return f"[yellow]{told}: {why}, so read shares, not milliseconds[/]"


def _work(passes: Passes) -> list[Line]:
    lines: list[Line] = []
    if (found := passes.flops) is not None:
        least = "at least " if found.not_counted else ""
        intensity = f" · {digits(found.flops / found.bytes)} FLOP/byte" if found.bytes else ""
        told = f"{least}{si(found.flops_per_sample, 'FLOP')} a sample{intensity}, batch size {found.batch_size:,}"
        lines.append(("work", told))
        if found.not_counted:
            lines.append(("not counted", f"[yellow]{_operators(found.not_counted)}[/]"))
    if (roofline := passes.roofline) is not None:
        peak = roofline.peak
        of = f"{name_of(peak.dtype)}, {plural(peak.threads, 'thread')}"
        told = f"{si(peak.flops_per_s, 'FLOP/s')} ({of}) and {si(peak.bytes_per_s, 'B/s')}, measured"
        lines.append(("machine", told))
        if any(point.share > 1 + _DIFFERENCE for point in roofline.points):
            above = "above 100 % of the roofline: data in caches, or a machine that was busy when its peak was measured"
            lines.append(("", f"[yellow]{above}[/]"))
        if peak.bytes_per_s:
            ridge = digits(peak.flops_per_s / peak.bytes_per_s)
            lines.append(("", f"below {ridge} FLOP/byte memory sets the limit, above it the arithmetic"))
    return lines


def _operators(calls: dict[str, int]) -> str:
    """Operators, the most frequent first."""
    ranked = sorted(calls.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name_of(name)} ({plural(count, 'call')})" for name, count in ranked[:_OPERATORS_SHOWN]]
    rest = len(ranked) - len(shown)
    return ", ".join(shown) + (f", and {rest} more, in the record" if rest else "")


def _generation(passes: Passes) -> list[Line]:
    found = passes.generation
    if found is None:
        return []
    return [
        ("first token", f"after {spread(found.first_token_s, duration)}"),
        ("generation", f"{spread(found.tokens_per_s, unit='tokens/s')} a request, {plural(found.tokens, 'token')}"),
    ]


def _memory(passes: Passes) -> list[Line]:
    found = passes.model_memory
    if found is None:
        return []
    told = f"{memory(found.peak_bytes)} peak, {memory(found.delta_bytes)} of it for a batch of {found.batch_size:,}"
    lines = [("memory", f"{told} ({name_of(found.method.partition(';')[0])})")]
    if found.reserved_bytes is not None:
        lines.append(("", f"{memory(found.reserved_bytes)} held by the allocator"))
    if found.process_bytes is not None:
        lines.append(("", f"{memory(found.process_bytes)} of the process, as the driver sees it"))
    return lines


def _static(passes: Passes) -> list[Line]:
    found = passes.static_memory
    if found is None:
        return []
    trainable = "all" if found.trainable_parameters == found.parameters else f"{found.trainable_parameters:,}"
    kinds = ", ".join(f"{name_of(name)} {memory(count)}" for name, count in found.bytes_by_dtype.items())
    buffers = f", {memory(found.buffer_bytes)} of buffers" if found.buffer_bytes else ""
    of = f" ({kinds})" if kinds else ""
    return [
        ("parameters", f"{found.parameters:,}" + (f", {trainable} trainable" if found.parameters else "")),
        ("model size", f"{memory(found.parameter_bytes)} of parameters{buffers}{of}"),
    ]


def _data(passes: Passes) -> list[Line]:
    found = passes.data
    if found is None:
        return []
    stages = " · ".join(f"{stage.name} {duration(stage.sample_s)}" for stage in found.stages)
    of = f"{plural(found.samples, 'sample')}, {plural(found.workers, 'worker')}"
    lines = [("data", f"the model waits for it {percent(found.wait_share)} of the time ({of})")]
    return [*lines, ("", f"a sample: {stages}")] if stages else lines


def _energy(passes: Passes) -> list[Line]:
    found = passes.energy
    if found is None:
        was_asked = passes.roofline is not None or passes.data is not None  # the other passes of the full level
        failed = any(failure.name == "energy" for failure in passes.failures)
        return [("energy", "[dim]no counter here that can be read[/]")] if was_asked and not failed else []
    return [("energy", f"{si(found.joules_per_sample, 'J')} a sample ({name_of(found.source)})")]


def _knee(passes: Passes) -> list[Line]:
    sweep = passes.sweep
    if sweep is None or sweep.knee is None:
        return []
    larger = [point for point in sweep.points if point.batch_size > sweep.knee]
    if any(point.samples_per_s for point in larger):
        why = f"a larger one gains at most {percent(sweep.tolerance)}, or no more than chance explains"
    else:
        why = "no larger one worked" if larger else "the largest that was tried, so larger ones may be faster"
    return [("knee", f"batch size {sweep.knee:,}: {why}")]


def _scenario(passes: Passes) -> list[Line]:
    found = passes.scenario
    if found is None:
        return []
    queries = f"{plural(found.queries, 'query')} of {plural(found.samples_per_query, 'sample')}"
    lines = [("scenario", f"{found.name}: {queries}, {digits(found.samples_per_s)} samples/s")]
    ranks = (("p50", found.p50_s), ("p90", found.p90_s), ("p99", found.p99_s))
    lines.append(("", " · ".join(f"{name} {duration(rank)}" for name, rank in ranks)))
    if found.arrivals_per_s is not None:
        busy = "" if found.utilisation is None else f", the model busy {percent(found.utilisation)} of the time"
        lines.append(("", f"{digits(found.arrivals_per_s)} queries/s arrive at random{busy}"))
    return [*lines, *_bound(found)]


def _bound(scenario: Scenario) -> list[Line]:
    if scenario.bound_s is None or scenario.valid is None:
        return []
    bound = f"p99 {{}} its bound of {duration(scenario.bound_s)}"
    return [("", f"[green]{bound.format('keeps to')}[/]" if scenario.valid else f"[red]{bound.format('exceeds')}[/]")]


def _failures(passes: Passes) -> list[Line]:
    return [
        ("[yellow]failed[/]", f"[yellow]{name_of(failure.name)}: {name_of(failure.reason)}[/]")
        for failure in passes.failures
    ]
