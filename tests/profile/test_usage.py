"""Usage of a run that several processes made, by hand."""

from mmbench.profile.usage import Usage


def usage(requests, tokens, cost, request_s):
    return Usage(
        requests=requests,
        retried=1,
        cached=2,
        failed=0,
        input_tokens=tokens,
        output_tokens=tokens,
        cost=cost,
        request_s=request_s,
    )


def test_what_came_since_and_what_it_makes_together():
    early, late = usage(3, 30, 0.5, [0.1, 0.2]), usage(5, 70, 0.75, [0.1, 0.2, 0.3])
    since = late.since(early)
    assert since == usage(2, 40, 0.25, [0.3]).model_copy(update={"retried": 0, "cached": 0})
    assert early.plus(since) == late


def test_a_sum_with_what_is_not_known_is_not_known():
    known, unknown = usage(3, 30, 0.5, [0.1]), usage(4, None, None, [0.1])
    both = known.plus(unknown)
    assert (both.requests, both.input_tokens, both.output_tokens, both.cost) == (7, None, None, None)
