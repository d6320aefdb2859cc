"""Memory that finished jobs leave behind: C's allocator keeps it, by thread, for whoever asks next."""

from __future__ import annotations

import ctypes

ARENA_MAX, MMAP_THRESHOLD = -8, -3  # glibc's names for what mallopt sets, M_ before them
ARENAS = 2  # threads come and go with the jobs, and each could have one
LARGE = 4 * 2**20  # bytes; what is larger goes back at once


def keep_little() -> None:
    """To be called before there are threads, where the C library is glibc: else a busy app grows by a fifth."""
    if (set_option := _function("mallopt")) is not None:
        set_option(ARENA_MAX, ARENAS)
        set_option(MMAP_THRESHOLD, LARGE)


def give_back() -> None:
    """Returns what is free to the system: some milliseconds."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def _function(name: str) -> object | None:
    return getattr(ctypes.CDLL(None), name, None)
