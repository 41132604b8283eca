"""The process that runs eSpeak NG: requests on standard input, samples on standard output; `espeak.py` talks to it.

It is run as a file with two arguments, the library and its data folder, and needs only the standard library.
Messages are one line of JSON; an answer with `samples` is followed by that many int16 numbers in native order.
The declarations follow eSpeak NG's documented C interface, `speak_lib.h`.
"""

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

_SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback before espeak_Synth returns
_DONT_EXIT = 0x8000  # espeak_Initialize reports an error, and does not end the process
_UTF8 = 1  # espeakCHARS_UTF8
_BY_CHARACTER = 1  # espeak_POSITION_TYPE; the position is 0, the start
_RATE, _PITCH = 1, 3  # espeak_PARAMETER
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Library:
    """The C library, initialised."""

    def __init__(self, library: Path, data: Path) -> None:
        """Load it.

        Raises:
            OSError: the library cannot be loaded, or does not find its data.
        """
        self._chunks: list[bytes] = []
        self._lib = ctypes.CDLL(str(library))
        self._lib.espeak_Info.restype = ctypes.c_char_p
        self._lib.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        os.chdir(data.parent)  # so that the path is short: the library keeps no more than 160 bytes of it
        self.rate: int = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, b".", _DONT_EXIT)
        if self.rate <= 0:
            raise OSError(f"espeak_Initialize found no data in {data.name}")
        self._callback = _Callback(self._receive)  # kept, since the library holds only its address
        self._lib.espeak_SetSynthCallback(self._callback)

    @property
    def version(self) -> str:
        """As the library tells it."""
        told: bytes = self._lib.espeak_Info(None)
        return told.decode().split()[0]

    def say(self, text: str, voice: str, rate: int, pitch: int) -> bytes:
        """The samples of a text, int16.

        Raises:
            ValueError: there is no such voice, or the library refused the text.
        """
        self._chunks.clear()
        if self._lib.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"no voice {voice!r}")
        self._lib.espeak_SetParameter(_RATE, rate, 0)
        self._lib.espeak_SetParameter(_PITCH, pitch, 0)
        data = text.encode()
        if self._lib.espeak_Synth(data, len(data) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None):
            raise ValueError(f"cannot say {text!r}")
        self._lib.espeak_Synchronize()
        return b"".join(self._chunks)

    def _receive(self, samples: Any, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        return 0  # go on


def _send(out: BinaryIO, answer: dict[str, Any], samples: bytes = b"") -> None:
    out.write(json.dumps(answer).encode() + b"\n" + samples)
    out.flush()


def main() -> None:
    """Answer requests until there are no more."""
    out = sys.stdout.buffer
    try:
        library = Library(Path(sys.argv[1]), Path(sys.argv[2]))
    except OSError as error:
        _send(out, {"error": " ".join(str(error).split())})
        return
    _send(out, {"rate": library.rate, "version": library.version})
    for line in sys.stdin.buffer:
        try:
            samples = library.say(**json.loads(line))
        except ValueError as error:
            _send(out, {"error": str(error)})
        else:
            _send(out, {"samples": len(samples) // 2}, samples)


if __name__ == "__main__":
    main()
