"""What a model that answers on another machine took: requests, tokens, money."""

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
