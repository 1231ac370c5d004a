"""Calls a stranger's function: it may raise, change its arguments, or never return.

A function that is at hand is called in a thread here; one that stands in somebody's
file is `Remote`, and is called in a process of its own, see `child`. The time limit is
CPU time, so that a busy machine makes no function wrong.
"""

import contextlib
import copy
import ctypes
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from .child import Child, Gone

PATIENCE = 20.0  # by the clock a call may take that many times the limit, and IDLE
IDLE = 5.0  # seconds


class Outcome(NamedTuple):
    """What came of a call."""

    value: Any = None
    failure: str = ""  # in words, where there is no value
    changed: tuple[str, ...] = ()  # arguments that are not what they were


class Unjudged(Exception):
    """There is nothing to compare, and the function need not be wrong: why."""


@dataclasses.dataclass(frozen=True)
class Remote:
    """A function of a program that a child holds."""

    child: Child
    name: str
    how: str = ""  # "torch" for a ``torch.autograd.Function``
    parts: tuple[tuple[str, str], ...] = ()  # of its source, by file or cell

    @property
    def __name__(self) -> str:
        return self.name

    def ask(self, args: dict[str, Any]) -> Outcome:
        """Calls it in the child."""
        try:
            answer = self.child.call(self.name, args, self.how)
        except Gone as gone:
            raise Unjudged(str(gone)) from None
        if answer.get("exit"):
            raise Unjudged(str(answer["exit"]))
        changed = tuple(str(name) for name in answer.get("changed") or ())
        failure = str(answer.get("failure", "") or "")
        return Outcome(answer.get("value"), failure, changed=changed)


class _Stopped(BaseException):
    """Raised inside the stranger's function when its time is over."""


def call(
    function: Callable[..., Any] | Remote, args: dict[str, Any], seconds: float
) -> Outcome:
    """Calls with copies of the arguments, under a limit of CPU time.

    A Python loop that never ends is stopped; what blocks outside Python is left behind
    as a daemon. JAX runs with x64 on, so that float64 stays float64.

    Raises:
        Unjudged: if it does not return.

    >>> call(lambda x: x + 1, {"x": 1.0}, 5.0).value
    2.0
    >>> call(lambda x: x[3], {"x": [0]}, 5.0).failure
    'raised IndexError: list index out of range'
    """
    if isinstance(function, Remote):
        return function.ask(args)
    given = copy.deepcopy(args)
    box: list[Outcome] = []
    thread = threading.Thread(target=_run, args=(function, given, box), daemon=True)
    thread.start()
    _wait(thread, seconds)
    if thread.is_alive():
        _stop(thread)
        raise Unjudged(f"did not return within {seconds:g} s")
    changed = tuple(name for name in args if not same(args[name], given[name]))
    return box[0]._replace(changed=changed)


def _wait(thread: threading.Thread, seconds: float) -> None:
    """Until the thread is done, or has computed for so long, or hangs."""
    started = time.monotonic()
    thread.join(seconds)  # a thread computes no longer than the clock runs
    while thread.is_alive():
        computed = _computed(thread)
        by_the_clock = time.monotonic() - started
        patience = PATIENCE * seconds + IDLE if computed is not None else 0.0
        if (computed or 0.0) >= seconds or by_the_clock >= patience:
            return
        thread.join(min(0.1, seconds))


def _computed(thread: threading.Thread) -> float | None:
    """CPU seconds of a thread; None where the system does not tell (Windows)."""
    if not hasattr(time, "pthread_getcpuclockid") or not thread.ident:
        return None
    with contextlib.suppress(OSError):
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return None


def _run(
    function: Callable[..., Any], args: dict[str, Any], box: list[Outcome]
) -> None:
    try:
        with jax.enable_x64(True), np.errstate(all="ignore"):
            box.append(Outcome(function(*args.values())))
    except _Stopped:
        pass
    except BaseException as error:
        box.append(Outcome(failure=f"raised {type(error).__name__}: {error}"))


def _stop(thread: threading.Thread) -> None:
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(_Stopped))
    thread.join(1.0)


def same(one: Any, two: Any) -> bool:
    """Whether two trees hold the same arrays; other objects are not looked into."""
    if isinstance(one, dict):
        return (
            isinstance(two, dict)
            and set(one) == set(two)
            and all(same(one[key], two[key]) for key in one)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, two, equal_nan=True))
    return True
