"""Calls a stranger's function: it may raise, change its arguments, or never return."""

import copy
import ctypes
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np


class Outcome(NamedTuple):
    """What came of a call."""

    value: Any = None
    failure: str = ""  # in words, where there is no value
    timed_out: bool = False
    changed: tuple[str, ...] = ()  # arguments that are not what they were


class _Stopped(BaseException):
    """Raised inside the stranger's function when its time is over."""


def call(function: Callable[..., Any], args: dict[str, Any], seconds: float) -> Outcome:
    """Calls with copies of the arguments, in a thread, under a time limit.

    A Python loop that never ends is stopped; what blocks outside Python is left behind
    as a daemon. JAX runs with x64 on, so that float64 stays float64.

    >>> call(lambda x: x + 1, {"x": 1.0}, 5.0).value
    2.0
    >>> call(lambda x: x[3], {"x": [0]}, 5.0).failure
    'raised IndexError: list index out of range'
    """
    given = copy.deepcopy(args)
    box: list[Outcome] = []
    thread = threading.Thread(target=_run, args=(function, given, box), daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        _stop(thread)
        return Outcome(failure=f"did not return within {seconds:g} s", timed_out=True)
    changed = tuple(name for name in args if not same(args[name], given[name]))
    return box[0]._replace(changed=changed)


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
