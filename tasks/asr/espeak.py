"""Speech from text by eSpeak NG, from the package espeakng-loader (extra `speech`)."""

import json
import subprocess
import sys
from contextlib import suppress
from importlib import util
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmbench.errors import HarnessError, UsageError

_PROGRAM = Path(__file__).with_name("espeak_process.py")


class Espeak:
    """eSpeak NG in a process of its own, for as long as the `with` block lasts.

    The C library keeps state from one utterance to the next (the phase of its flutter, for one) that nothing resets,
    and it is safe neither in threads nor after a fork. A process of its own starts from the same state every time, so
    that the same calls in the same order give the same samples, whatever this process said or does besides.

    Attributes:
        rate: of the samples, in Hz; 22,050 as eSpeak NG comes.
        version: of eSpeak NG.
    """

    rate: int
    version: str

    def __init__(self) -> None:
        """Find the library.

        Raises:
            UsageError: the package is not installed; says how to get it.
        """
        if util.find_spec("espeakng_loader") is None:
            raise UsageError("speech is synthesised by the package espeakng-loader: pip install 'mmbench[speech]'")
        import espeakng_loader  # noqa: PLC0415  # only who generates speech needs it

        self._library = Path(espeakng_loader.get_library_path())
        self._data = Path(espeakng_loader.get_data_path())

    def __enter__(self) -> Self:
        """Start the process.

        Raises:
            HarnessError: it does not run; says why.
        """
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter on a file of this package
            [sys.executable, "-I", str(_PROGRAM), str(self._library), str(self._data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            started = self._answer()
            if "error" in started:
                raise HarnessError(f"eSpeak NG does not start: {started['error']}")
        except BaseException:
            self.__exit__()
            raise
        self.rate, self.version = started["rate"], started["version"]
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.kill()  # it has nothing to put away, and may be in the middle of an answer
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what the process did not read any more
                    pipe.close()
        self._process.wait()

    def voices(self) -> list[str]:
        """Names of the English voices, without variants (`en-us`)."""
        return sorted(path.name.lower() for path in (self._data / "lang" / "gmw").iterdir() if path.name[:2] == "en")

    def variants(self) -> list[str]:
        """Names of the variants, each in effect a speaker, which go behind a voice and a plus sign (`en-us+f2`)."""
        return sorted(path.name for path in (self._data / "voices" / "!v").iterdir())

    def say(self, text: str, voice: str, *, rate: int = 175, pitch: int = 50) -> NDArray[np.float32]:
        """Speech, float32 [T], mono, in [-1, 1).

        Args:
            text: what is said.
            voice: name of a voice, with or without a variant.
            rate: words a minute, 80 to 450.
            pitch: 0 to 100; 50 is the voice's own.

        Raises:
            UsageError: there is no such voice.
            HarnessError: the process ended.
        """
        _, plus, variant = voice.partition("+")
        if plus and not (self._data / "voices" / "!v" / variant).is_file():  # the library would say nothing
            raise UsageError(f"eSpeak NG {self.version}: no variant {variant!r}")
        request = {"text": text, "voice": voice, "rate": rate, "pitch": pitch}
        assert self._process.stdin is not None  # noqa: S101  # it is a pipe
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error
        answer = self._answer()
        if "error" in answer:
            raise UsageError(f"eSpeak NG {self.version}: {answer['error']}")
        samples = np.frombuffer(self._read(2 * answer["samples"]), dtype=np.int16)
        return samples.astype(np.float32) / np.float32(32768)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101  # it is a pipe
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _read(self, count: int) -> bytes:
        assert self._process.stdout is not None  # noqa: S101  # it is a pipe
        data = self._process.stdout.read(count)
        if len(data) < count:
            raise self._ended()
        return data

    def _ended(self) -> HarnessError:
        return HarnessError(f"eSpeak NG ended (status {self._process.wait()})")
