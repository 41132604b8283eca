"""What a model that answers on another machine took: requests, tokens, money."""

from collections.abc import Callable
from operator import add, sub
from typing import Self

from pydantic import Field

from mmbench.part import Count, Part, Rate, Seconds


class Usage(Part):
    """Counts of one run; what was answered from a cache took no request and costs nothing."""

    requests: Count = Field(description="sent, those that were tried again included")
    retried: Count = Field(description="of these, sent again after a failure")
    cached: Count = Field(description="answers that were stored before, by this run or an earlier one")
    failed: Count = Field(description="samples that got no answer within the limits")
    input_tokens: Count | None = Field(description="as the server counts them; null where it does not say")
    output_tokens: Count | None
    cost: Rate | None = Field(description="in the currency of the prices that were given; null where none were")
    request_s: list[Seconds] = Field(description="seconds of each request that was answered, in order of arrival")

    def since(self, before: Self) -> Self:
        """What came on top of an earlier usage of the same run."""
        return self._combined(sub, before, self.request_s[len(before.request_s) :])

    def plus(self, more: Self) -> Self:
        """Both together."""
        return self._combined(add, more, [*self.request_s, *more.request_s])

    def _combined(self, how: Callable[[float, float], float], other: Self, request_s: list[float]) -> Self:
        """Each count with the other's; not known where one of them is not."""
        counts: dict[str, float | None] = {}
        for name in type(self).model_fields.keys() - {"request_s"}:
            left, right = getattr(self, name), getattr(other, name)
            counts[name] = None if left is None or right is None else how(left, right)
        return self.model_copy(update={**counts, "request_s": request_s})
