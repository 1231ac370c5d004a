"""Memory that is freed stays with the process, so that no call maps its pages anew.

A compiled program asks for its temporary memory in one piece and frees it after every
call. glibc hands pieces above a threshold, of 32 MiB at most if it moves it itself,
back to the system, and threads other than the first have arenas whose pieces are 64
MiB at most; so every call of a larger program touches new pages, each a fault (mallopt
(3), malloc(3): M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX). Measured:
docs/performance.md, "Pages".
"""

import ctypes
import platform

# <malloc.h> of glibc, and the largest int: what is kept, and is never mapped by itself.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_ALL = 2**31 - 1


def keep_pages() -> bool:
    """Asks the C library to keep freed memory for the next call: fewer page faults.

    For long runs of programs that need more than some MB of temporary memory, on a CPU
    with Linux; called once, early. What the process has used at its fullest then stays
    with it. It is not done by itself, as it changes how the
    whole process allocates, and all its threads share one arena.

    Returns:
        Whether it was understood: False where the C library is not glibc.

    >>> import scanrnn as sr
    >>> kept = sr.keep_pages()
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_MMAP_THRESHOLD, _ALL), (_TRIM_THRESHOLD, _ALL), (_ARENA_MAX, 1))
    return all([mallopt(name, value) == 1 for name, value in settings])
