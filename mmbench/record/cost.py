"""What an evaluation cost."""

from pydantic import Field

from mmbench.part import Count, Part, Rate, Seconds
from mmbench.profile.results import Passes
from mmbench.profile.usage import Usage


class Throughput(Part):
    """Speed of the pass that produced the scores."""

    samples_per_s: Rate
    audio_s: Seconds | None = Field(default=None, description="seconds of audio in all samples")
    real_time_factor: Rate | None = Field(default=None, description="seconds of audio by seconds of the pass, RTFx")
    batch_s: list[Seconds] = Field(description="seconds of each batch, in order")


class Memory(Part):
    """Peak memory and how it was measured."""

    peak_bytes: Count | None
    method: str


class Cost(Passes):
    """What an evaluation cost: the pass that produced the scores, and the cost passes that ran after it."""

    throughput: Throughput
    memory: Memory
    load_s: Seconds
    wall_s: Seconds = Field(description="of loading and the pass that produced the scores")
    usage: Usage | None = Field(default=None, description="of a model that answers on another machine")
    passes_s: Seconds = Field(default=0.0, description="of the cost passes, which ran after it")
