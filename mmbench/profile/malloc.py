"""Makes glibc's malloc ask the kernel for each large block, and give it back at once, for the time of a measurement.

By itself malloc keeps freed memory and serves later requests from it: a stage that takes 20 MB may then show no new
resident memory. Three things keep memory: the threshold above which blocks are mapped by themselves, which grows up to
32 MB as blocks are freed; free blocks between used ones; and the free end of an arena, which `malloc_trim` leaves alone
in every arena but the first, and in the first too once something else has moved the program break or lies in its way.
"""

import ctypes
import gc
import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol

MAPPED_FROM = 128 * 1024
"""Bytes from which a block is mapped by itself while a measurement runs: the threshold that glibc starts with."""

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h
_MOST = 2**31 - 1  # what mallopt takes
_PAD = 64 * 2**20
_LARGEST_THRESHOLD = 32 * 2**20  # DEFAULT_MMAP_THRESHOLD_MAX of 64-bit glibc, where its own adaptation ends
_IS_MMAPPED = 2  # flag in the size field, which lies before the block (malloc.c)
_POINTER = ctypes.sizeof(ctypes.c_void_p)
_PAGE = mmap.PAGESIZE


class Returning(Protocol):
    """Malloc while it keeps no large blocks."""

    method: str

    def give_back(self) -> None:
        """Return what is free to the kernel."""
        ...


class _Glibc:
    """The C library's own functions."""

    method = f"malloc maps each block of {MAPPED_FROM // 1024} KiB and more by itself and was trimmed at each start"

    def __init__(self, libc: ctypes.CDLL) -> None:
        self._libc = libc

    def give_back(self) -> None:
        self._libc.malloc_trim(0)
        # The end of the arena, which it may leave alone.
        free = self._take(MAPPED_FROM)
        for block in free:
            self._discard(block)
        self.release(free)

    def set_thresholds(self, mapped_from: int) -> None:
        # Trim at twice the other, as malloc's own adaptation does.
        self._libc.mallopt(_M_MMAP_THRESHOLD, mapped_from)
        self._libc.mallopt(_M_TRIM_THRESHOLD, 2 * mapped_from)

    def keep(self) -> None:
        self._libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        self._libc.mallopt(_M_TRIM_THRESHOLD, _MOST)
        self._libc.mallopt(_M_TOP_PAD, _PAD)

    def occupy(self) -> list[int]:
        """Take all free blocks of this thread's arena of a page and more; none is touched.

        Of a small one only the pages within could be returned, not those that it shares with its neighbours.
        """
        self.set_thresholds(_PAGE)  # so that a request which no free block serves is told by its flag
        taken = self._take(_PAGE)
        self.set_thresholds(MAPPED_FROM)
        return taken

    def _take(self, smallest: int) -> list[int]:
        """Take the free blocks of at least so many bytes, which must not be below the threshold for mapping."""
        taken: list[int] = []
        size = 2 * _LARGEST_THRESHOLD
        while size >= smallest:
            block = self._libc.malloc(size)
            if block and not _mapped(block):
                taken.append(block)
                continue
            self._libc.free(block)
            size //= 2
        return taken

    def release(self, taken: list[int]) -> None:
        for block in taken:
            self._libc.free(block)

    def _discard(self, block: int) -> None:
        """Give back the whole pages of a block that is ours; they come again, as zeros, when they are touched."""
        first = -(-block // _PAGE) * _PAGE
        size = (block + self._libc.malloc_usable_size(block)) // _PAGE * _PAGE - first
        self._libc.madvise(first, size, mmap.MADV_DONTNEED)


class _Other:
    """Any other malloc."""

    method = "this platform's malloc may serve a request from memory that it kept"

    def give_back(self) -> None:
        """Nothing that we could ask for."""


def _mapped(block: int) -> bool:
    return bool(ctypes.c_size_t.from_address(block - _POINTER).value & _IS_MMAPPED)


def _address(function: object) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]


@cache
def _glibc() -> _Glibc | None:
    if not sys.platform.startswith("linux") or _POINTER != 8:
        return None
    try:
        own, libc = ctypes.CDLL("libc.so.6"), ctypes.CDLL(None)
        if _address(own.malloc) != _address(libc.malloc):  # jemalloc and the like, loaded before
            return None
        _ = own.gnu_get_libc_version, own.mallopt, own.malloc_trim  # musl has none of them
    except (OSError, AttributeError):
        return None
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.malloc_trim.argtypes = [ctypes.c_size_t]
    libc.malloc_usable_size.restype = ctypes.c_size_t
    libc.malloc_usable_size.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return _Glibc(libc)


def settle_malloc() -> None:
    """Set malloc's thresholds to where its own adaptation ends, and where `returning_malloc` leaves them.

    To be called before the first of several passes whose times are compared, if a memory pass lies between them.
    """
    malloc = _glibc()
    if malloc is not None:
        malloc.set_thresholds(_LARGEST_THRESHOLD)


def keep_freed_memory() -> None:
    """Let malloc keep what is freed, for a process that allocates the same large blocks again and again.

    By itself it gives the free end of its heap back to the kernel, which then must clear those pages anew in each step
    of a training. Nothing that watches memory should run in the same process afterwards.
    """
    malloc = _glibc()
    if malloc is not None:
        malloc.keep()


@contextmanager
def returning_malloc() -> Iterator[Returning]:
    """Within the context, large blocks of this thread come from the kernel and go back to it.

    Small blocks (below `MAPPED_FROM`) still come from arenas, and `give_back` returns those that are free, but for the
    pages that they share with blocks in use. Not reached: the free ends of other threads' arenas. After the context
    malloc's thresholds stand where its own adaptation ends (32 MiB and 64 MiB), since what they were cannot be read;
    passes that measure time had better come before. Elsewhere than on glibc nothing changes.
    """
    malloc = _glibc()
    gc.collect()  # garbage that was freed within the measurement would hide as much new memory
    if malloc is None:
        yield _Other()
        return
    taken = malloc.occupy()
    malloc.give_back()
    try:
        yield malloc
    finally:
        malloc.release(taken)
        settle_malloc()
