"""What the cost passes give, as records have it: one part for each pass, raw timings kept.

Times are in seconds, sizes in bytes, work in floating-point operations (a multiply-add counts two).
"""

from typing import Annotated, Literal

from pydantic import Field

from mmbench.part import Count, Part, Rate, Seconds

Share = Annotated[float, Field(ge=0, le=1)]


class Estimate(Part):
    """A number with its interval, made from raw timings that stand beside it."""

    value: Rate
    low: Rate | None = Field(description="null where there are too few timings for an interval")
    high: Rate | None
    level: float = Field(gt=0, lt=1, description="confidence level of [low, high]")
    n: Count = Field(description="independent timings, or blocks of them, behind it")
    method: str = Field(description="what the value is, and how the interval was made")


class WarmUp(Part):
    """What ran before the clock counted."""

    first_s: Seconds = Field(
        description="first call of this shape in the pass, with the compilation, tuning and allocation left for it; "
        "in an evaluation the model has run before"
    )
    iterations: Count = Field(description="calls after the first")
    seconds: Seconds = Field(description="their time")
    steady: bool = Field(description="the timings had settled before the time for it ran out")


class ThroughputPass(Part):
    """The model alone on batches that lie ready on its device.

    The harness waits for the device before and after each block only; a task that reads its answers back waits for
    them itself, batch by batch.
    """

    batch_size: Count
    samples_per_s: Estimate
    block_samples: list[Count] = Field(description="samples of each block, in order")
    block_s: list[Seconds]
    warm_up: list[WarmUp] = Field(description="of each shape of input, in order")


class Latency(Part):
    """One request at a time, each waited for."""

    batch_size: Count
    p50_s: Estimate
    p90_s: Estimate
    p99_s: Estimate
    request_s: list[Seconds] = Field(description="each request, in order")
    warm_up: list[WarmUp]


class StageTime(Part):
    """Time within one stage, without the stages within it, in an average iteration."""

    name: str
    seconds: Estimate = Field(
        description="on a device with a queue between two events, so with what it idled waiting for the host"
    )
    host_s: Seconds = Field(
        description="until the host had queued the work; on the CPU the time itself. Elsewhere, where it is about "
        "as much as `seconds`, the host sets the pace, or the stage waits for the device"
    )
    calls: Rate = Field(description="entries an iteration")
    iteration_s: list[Seconds] = Field(description="of each recorded iteration, in order")


class Stages(Part):
    """Where the time goes. Recorded iterations alternate with plain ones on the same batches.

    A task that reads its answers back leaves the device idle at the end of each iteration, so that the first stages of
    the next take at least as long as the host needs to launch their work.
    """

    batch_size: Count
    stages: list[StageTime] = Field(description="in order of first entry; what lies in none is `other`, last")
    plain_s: list[Seconds] = Field(description="each iteration without recording")
    plain: Estimate
    sum_s: Seconds = Field(description="sum of the stages' seconds")
    sum_to_plain: Rate = Field(description="sum_s by plain; 1 where recording changes nothing")
    warm_up: list[WarmUp]


class Generation(Part):
    """Text made token by token."""

    first_token_s: Estimate = Field(description="from the request to the first token")
    tokens_per_s: Estimate = Field(
        description="of one request after its first token; texts as long as the model makes them"
    )
    tokens: Count = Field(description="tokens of all requests")


class DataStage(Part):
    """Preparing input, in seconds a sample."""

    name: Literal["load", "decode", "collate", "copy", "wait"]
    sample_s: Seconds


class DataCost(Part):
    """What the way from files to the device costs, by the loader of the quality pass."""

    stages: list[DataStage]
    wait_share: Share = Field(description="share of the pass's time in which the model waited for data")
    workers: Count
    samples: Count


class StageMemory(Part):
    """Peak within one stage."""

    name: str
    peak_bytes: Count = Field(description="the most in use at once during the stage")
    delta_bytes: Count = Field(description="the same above what was in use when it began")


class MemoryPass(Part):
    """One batch through the model, memory watched."""

    batch_size: Count
    method: str
    peak_bytes: Count = Field(description="the most in use at once, whatever was there before included")
    delta_bytes: Count = Field(description="the same above what was in use before the batch")
    reserved_bytes: Count | None = Field(default=None, description="held by the allocator at the peak")
    process_bytes: Count | None = Field(default=None, description="of the process as the driver sees it (NVML)")
    stages: list[StageMemory]


class StaticMemory(Part):
    """What the model itself takes."""

    parameters: Count
    trainable_parameters: Count
    parameter_bytes: Count
    buffer_bytes: Count
    bytes_by_dtype: dict[str, Count] = Field(description="parameters and buffers; what is shared counts once")


class StageFlops(Part):
    """Work within one stage, without the stages within it."""

    name: str
    flops: Count
    bytes: Count = Field(description="read and written by its operators, each tensor once an operator")


class FlopsPass(Part):
    """Floating-point operations of one batch, by the operators that ran."""

    batch_size: Count
    flops: Count
    flops_per_sample: Rate
    bytes: Count
    stages: list[StageFlops]
    not_counted: dict[str, Count] = Field(description="calls of operators whose work is unknown, so it is not in flops")


class Peak(Part):
    """The most that this machine did, measured with the threads and number format of the run."""

    flops_per_s: Rate = Field(description="square matrix product")
    bytes_per_s: Rate = Field(description="copy of a tensor that no cache holds, read and write counted")
    dtype: str
    threads: Count


class RooflinePoint(Part):
    """A stage against the roofline, Williams et al. 2009."""

    name: str
    intensity: Rate = Field(description="FLOPs a byte")
    flops_per_s: Rate
    attainable_flops_per_s: Rate = Field(description="min(peak, intensity times bandwidth)")
    share: Rate = Field(description="of the attainable")
    bound: Literal["compute", "memory"]


class Roofline(Part):
    """How far from the machine's limits each stage is; `whole` is the model."""

    peak: Peak
    points: list[RooflinePoint]


class Energy(Part):
    """Read from a counter of the machine, never estimated."""

    joules_per_sample: Rate
    joules: Rate
    seconds: Seconds
    samples: Count
    source: str = Field(description="the counter, and what it covers")


class SweepPoint(Part):
    """One batch size; null where the model could not do it."""

    batch_size: Count
    samples_per_s: Estimate | None
    latency_s: Seconds | None = Field(description="median of one batch")
    peak_bytes: Count | None
    failure: str | None = None


class Sweep(Part):
    """Throughput by batch size."""

    points: list[SweepPoint]
    knee: Count | None = Field(description="the smallest batch size that is about as fast as any")
    tolerance: Share = Field(description="what `about` means: a larger one gains no more than this share")


class Scenario(Part):
    """One of MLPerf's ways to send requests; no MLPerf result."""

    name: Literal["single-stream", "multi-stream", "server", "offline"]
    samples_per_query: Count
    queries: Count
    latency_s: list[Seconds] = Field(description="of each query, from its arrival")
    p50_s: Seconds
    p90_s: Seconds
    p99_s: Seconds
    samples_per_s: Rate
    arrivals_per_s: Rate | None = Field(default=None, description="rate of the Poisson arrivals of `server`")
    utilisation: Rate | None = Field(default=None, description="share of the time in which a query was served")
    bound_s: Seconds | None = Field(default=None, description="what p99 had to keep to")
    valid: bool | None = Field(default=None, description="p99 is within the bound")


class CostFailure(Part):
    """A cost pass that could not be finished; the others stand."""

    name: str = Field(description="of the pass")
    reason: str


class Passes(Part):
    """What the cost passes found; null for what was not measured."""

    model_throughput: ThroughputPass | None = None
    latency: Latency | None = None
    stages: Stages | None = None
    generation: Generation | None = None
    data: DataCost | None = None
    model_memory: MemoryPass | None = None
    static_memory: StaticMemory | None = None
    flops: FlopsPass | None = None
    roofline: Roofline | None = None
    energy: Energy | None = None
    sweep: Sweep | None = None
    scenario: Scenario | None = None
    failures: list[CostFailure] = Field(default_factory=list)
