"""How a cell or a layer was made: the call, kept beside what it returned.

From the call follow three things that closures alone do not have: it is pickled as the
call and made again where it is read, it prints as the call, and what the same call
makes is equal.
"""

import importlib
import inspect
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


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
        given = [_written(value) for value in self.arguments]
        given += [f"{name}={_written(value)}" for name, value in self.options]
        is_shelved = self.factory.__module__.startswith(f"{__package__}.shelf.")
        name = f"{'shelf.' * is_shelved}{self.factory.__name__}"
        return f"sr.{name}({', '.join(given)})"


def _written(value: Any) -> str:
    if callable(value) and not hasattr(value, "made_by"):
        return str(getattr(value, "__name__", repr(value)))
    is_ours = type(value).__module__.startswith(f"{__package__}.")
    return f"{'sr.' * (is_ours and not hasattr(value, 'made_by'))}{value!r}"


def make(call: Call) -> Any:
    """What the call returns."""
    return call.factory(*call.arguments, **dict(call.options))


class Name(NamedTuple):
    """A function by its place: a jitted one, such as jnp.tanh, is not pickled so."""

    module: str
    name: str


def named(value: Any) -> Any:
    """The name of a function that can be imported; anything else as it is."""
    module, name = (getattr(value, a, "") for a in ("__module__", "__qualname__"))
    is_there = getattr(sys.modules.get(module), name, None) is value
    return Name(module, name) if is_there else value


def make_from_names(call: Call) -> Any:
    """`make`, where functions among the arguments may be names."""

    def found(value: Any) -> Any:
        if not isinstance(value, Name):
            return value
        return getattr(importlib.import_module(value.module), value.name)

    return make(call._replace(arguments=tuple(map(found, call.arguments))))


def reduced(made: Any) -> tuple[Any, ...]:
    """``__reduce__`` of a NamedTuple with a field ``made_by``: its call, if it has one.

    What was replaced since is no longer what the call makes; its fields are pickled.
    """
    if is_as_made(made):
        call = made.made_by
        named_call = call._replace(arguments=tuple(map(named, call.arguments)))
        return make_from_names, (named_call,)
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


def parameter_count(params: Any) -> int:
    """How many numbers the params hold; what is None, such as a missing bias, none.

    Args:
        params: of a cell, a layer or anything else; shapes serve as well
            (``jax.eval_shape``).

    >>> import jax, scanrnn as sr
    >>> sr.parameter_count(sr.lstm(5).init(jax.random.key(0), 3))
    180
    """
    return sum(math.prod(jax.numpy.shape(leaf)) for leaf in jax.tree.leaves(params))
