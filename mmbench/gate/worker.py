"""One side of a gate as a live process: it loads the workload once, then answers requests, a line of JSON each.

Run as `python -m mmbench.gate.worker PARENT REPLIES`: the process that it dies with, and the file descriptor to which
replies go; requests come on the standard input. A reply is `{"done": VALUE}`, or `{"failed": REASON, "usage": BOOL}`.
Each side runs its own version of this file, so requests and replies keep to `PROTOCOL`.
"""

import atexit
import json
import os
import sys
import traceback
from typing import IO, Any

PROTOCOL = 2
"""Version of requests and replies."""


def main() -> None:
    """Answer until the requests end."""
    from mmbench.engine.loader import die_with  # noqa: PLC0415  # it is heavy, and `PROTOCOL` is read elsewhere

    die_with(int(sys.argv[1]), 0)
    requests = os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8")
    replies = os.fdopen(int(sys.argv[2]), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())  # a model that reads its input reads no requests
    _serve(requests, replies)
    atexit._run_exitfuncs()  # what plugins and libraries clean up
    sys.stdout.flush()
    os._exit(0)  # to tear down torch takes a fifth of a second, for which a pair would wait


def _serve(requests: IO[str], replies: IO[str]) -> None:
    import torch  # noqa: PLC0415  # heavy, as above

    with torch.inference_mode():
        worker = _Worker()
        for line in requests:
            try:
                reply = {"done": worker.answer(json.loads(line))}
            except Exception as error:  # the side is foreign code: any failure is an answer
                reply = _failed(error)
            replies.write(json.dumps(reply) + "\n")
            replies.flush()


def _failed(error: Exception) -> dict[str, Any]:
    from mmbench.errors import MMBenchError, UsageError, one_line  # noqa: PLC0415  # of the side, as above

    traceback.print_exc()
    reason = str(error) if isinstance(error, MMBenchError) else one_line(error)
    return {"failed": reason, "usage": isinstance(error, UsageError)}


class _Worker:
    def __init__(self) -> None:
        self._live: Any = None

    def answer(self, request: dict[str, Any]) -> Any:
        """What a request asks for."""
        match request:
            case {"do": "hello"}:
                return {"protocol": PROTOCOL}
            case {"do": "prepare", "workload": workload, "least_s": least_s, "most_s": most_s}:
                from mmbench.gate.live import Live  # noqa: PLC0415  # heavy, as above
                from mmbench.gate.workload import Workload  # noqa: PLC0415  # heavy, as above

                self._live = Live(Workload.from_json(workload), least_s=least_s, most_s=most_s)
                return self._live.facts
            case {"do": "chunk", "kind": kind, "iterations": iterations, "settle": settle}:
                return self._live.chunk(kind, iterations, settle=settle)
            case {"do": "answers"}:
                return self._live.answers()
            case {"do": "static"}:
                return self._live.static()
            case {"do": "evaluate", "output": output, "metrics": metrics}:
                return self._live.evaluate(output, metrics)
        raise ValueError(f"request {request.get('do')!r} is not known to protocol {PROTOCOL}")


if __name__ == "__main__":
    main()
