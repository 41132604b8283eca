"""Why a sample has no answer."""


class NoAnswerError(Exception):
    """Base: the sample fails, the others stand."""


class RefusedError(NoAnswerError):
    """The model, or a filter of its server, would not answer."""


class TruncatedError(NoAnswerError):
    """The answer is longer than it may be, and its end is missing."""


class EmptyError(NoAnswerError):
    """The server answered without an answer."""


class RequestError(NoAnswerError):
    """The server will not take the request, however often it is sent."""


class UnavailableError(NoAnswerError):
    """No answer came this time; the next may.

    Attributes:
        wait: seconds after which the server wants to be asked again, if it says so.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
