"""The server on loopback, and a short way to ask it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from mmbench.adapter import LoadedModel
from mmbench.engine.open_model import open_model
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

from .loopback import LoopbackServer


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither key nor address of whoever runs the tests, and no proxy before loopback."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """A server that runs for one test."""
    pytest.importorskip("openai")
    with LoopbackServer() as loopback:
        thread = Thread(target=loopback.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield loopback
        loopback.released.set()
        loopback.shutdown()
        thread.join()


@pytest.fixture
def open_at(server: LoopbackServer, tmp_path: Path) -> Callable[..., LoadedModel]:
    """Open `openai:tiny` for questions about images on that server; its cache is the test's own, its retries quick."""

    def opened(task: Any = None, dataset: Any = None, name: str = "openai:tiny", **settings: object) -> LoadedModel:
        chosen = {"base_url": server.url, "cache": tmp_path / "answers", "backoff": 0.01, **settings}
        written = tuple(f"{option}={value}" for option, value in chosen.items())
        return open_model(name, task or VQA(), dataset or easy_vqa, settings=written)

    return opened
