"""Text made token by token: the time to the first token, and the rate of those after it.

A generator marks its work so: `prefill` is what leads from the input (or its encoders' tokens) to the first token, that
token included, in one entry or several; each token after it is one entry of `decode`. A beam search makes one token a
step, however wide the beam; the token that ends a text is one.

Texts are as long as the model makes them, not of a fixed length: two models are asked for different amounts of text, so
compare time to the first token and the rate, not the time of a request. The rate is that of single requests after their
first token, one at a time; it says nothing of several at once.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

from mmbench.profile.clock import Clock
from mmbench.profile.estimate import median_estimate
from mmbench.profile.results import Generation
from mmbench.profile.stage import observed
from mmbench.profile.stage_times import StageTimes, settling, whole

B = TypeVar("B")

PREFILL = "prefill"
DECODE = "decode"


def measure_generation(
    work: Callable[[B], object],
    requests: Iterable[B],
    clock: Clock,
    *,
    most_s: float = math.inf,
    now: Callable[[], float] = perf_counter,
) -> Generation | None:
    """Ask one request after the other, each waited for.

    Args:
        work: puts one request to the model, which has been warmed up.
        requests: of one sample each, on the model's device.
        clock: of the device.
        most_s: seconds after which no new request begins; one always does.
        now: the clock for `most_s`, in seconds.

    Returns:
        Medians over requests; `None` where the model does not mark its tokens, or makes none after the first.
    """
    answers: list[_Answer] = []
    clock.settle()  # what was queued before is no part of the first request
    begun = now()
    for request in requests:
        if answers and now() - begun >= most_s:
            break
        answer = _ask(work, request, clock)
        if answer is None:
            return None
        answers.append(answer)
    rates = [answer.later / answer.later_s for answer in answers if answer.later and answer.later_s]
    if not rates:
        return None
    return Generation(
        first_token_s=median_estimate([answer.first_s for answer in answers]),
        tokens_per_s=median_estimate(rates),
        tokens=sum(1 + answer.later for answer in answers),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """Seconds to the first token; how many came later, and their seconds."""

    first_s: float
    later: int
    later_s: float


def _ask(work: Callable[[B], object], request: B, clock: Clock) -> _Answer | None:
    times = StageTimes(clock)
    try:
        with settling(clock), observed(times), whole(times):
            work(request)
        return _read(times)
    finally:
        clock.release()


def _read(times: StageTimes) -> _Answer | None:
    """The tokens of one request, whose outermost span begins with it."""
    request, *spans = (span for span in times.spans if span is not None)
    first = [span.end for span in spans if span.name == PREFILL]
    later = [span.end for span in spans if span.name == DECODE]
    if not first:
        return None
    seconds = times.clock.seconds(first[-1], later[-1]) if later else 0.0
    return _Answer(times.clock.seconds(request.start, first[-1]), len(later), seconds)
