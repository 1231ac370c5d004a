"""How a cell or a layer was made: the call, kept beside what it returned.

From the call follow three things that closures alone do not have: it is pickled as the
call and made again where it is read, it prints as the call, and what the same call
makes is equal.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple


class Call(NamedTuple):
    """A module-level factory and what it was called with, hashable."""

    factory: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, factory: Callable[..., Any], *arguments: Any, **options: Any) -> "Call":
        """The call, without the options that are the factory's defaults."""
        known = inspect.signature(factory).parameters
        told = {k: v for k, v in options.items() if v != known[k].default}
        return cls(factory, arguments, tuple(told.items()))

    def __str__(self) -> str:
        given = [repr(value) for value in self.arguments]
        given += [f"{name}={value!r}" for name, value in self.options]
        return f"sr.{self.factory.__name__}({', '.join(given)})"


def make(call: Call) -> Any:
    """What the call returns."""
    return call.factory(*call.arguments, **dict(call.options))


def reduced(made: Any) -> tuple[Any, ...]:
    """``__reduce__`` of a NamedTuple with a field ``made_by``: its call, if it has one.

    What was replaced since is no longer what the call makes; its fields are pickled.
    """
    if is_as_made(made):
        return make, (made.made_by,)
    return type(made), tuple(made)


def shown_as_call(made: Any) -> str:
    """``__repr__``: sr.lstm(16), or the names of the functions without a call."""
    if is_as_made(made):
        return str(made.made_by)
    functions = (
        f"{name}={getattr(value, '__qualname__', value)}"
        for name, value in made._asdict().items()
        if name != "made_by"
    )
    return f"sr.{type(made).__name__}({', '.join(functions)})"


def sentence(made: Any) -> str:
    """``__str__``: the call, and what it makes in the words of the factory."""
    if not is_as_made(made):
        return shown_as_call(made)
    words = (inspect.getdoc(made.made_by.factory) or "").split("\n\n")[0]
    return f"{made!r}: {' '.join(words.split())}"


def is_as_made(made: Any) -> bool:
    """Whether it is still what its call makes."""
    return made.made_by is not None and tuple(make(made.made_by)) == tuple(made)
