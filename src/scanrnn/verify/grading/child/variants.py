"""Calls a program again and again, each time with one part of it written otherwise.

Stands in the child beside `worker`, and imports nothing of the library either.
"""

import contextlib
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

SEE, SHAKE = "__see__", "__shake__"  # what a source may call beside its own names
MOST_SEEN = 3  # kinds of a value that are told
SHAKEN = 1e-3


def variants(
    space: dict[str, Any],
    sources: Sequence[str],
    call: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """What a function returns for every source that defines a part of it anew.

    A source may call ``__see__(key, value)``, which tells what the value is, and
    ``__shake__(value)``, which disturbs it. Afterwards the program is as it was.

    Args:
        space: the program's names.
        sources: definitions; each takes the place of those of the same names.
        call: ``name`` and ``args``; where the last argument is made by another
            function, ``before`` and ``args_before`` of that.
        seconds: of CPU time, after which the rest of the sources is left out.

    Returns:
        ``answers``, for each source that was tried; ``seen``, by key.
    """
    kept, seen = dict(space), dict[str, list[Any]]()
    tools = {SEE: lambda key, value: _see(seen, key, value), SHAKE: shaken}
    answers: list[dict[str, Any]] = []
    until = time.process_time() + seconds
    with _quiet():
        for source in sources:
            if answers and time.process_time() > until:
                break
            space.update(tools)
            try:
                exec(compile(source, "<variant>", "exec"), space)
                answers.append(_called(space, call))
            except BaseException as error:
                answers.append({"failure": type(error).__name__})
            space.clear()
            space.update(kept)
    return {"answers": answers, "seen": seen}


def _called(space: dict[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    args, made = copied(call["args"]), None
    if call.get("before"):
        made = space[call["before"]](*copied(call["args_before"]).values())
        args[list(args)[-1]] = made[-1]
    before = copied(args)
    value = space[call["name"]](*args.values())
    changed = [name for name in args if not same(args[name], before[name])]
    return {"value": value, "made": made, "changed": changed}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    nothing = io.StringIO()
    with (
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
        np.errstate(all="ignore"),
    ):
        yield


def _see(seen: dict[str, list[Any]], key: str, value: Any) -> Any:
    kinds = seen.setdefault(key, [])
    if len(kinds) < MOST_SEEN and (kind := _kind(value, True)) not in kinds:
        kinds.append(kind)
    return value


def _kind(value: Any, deep: bool) -> list[Any]:
    """What a value is: an array and its shape, a number, entries by their keys."""
    shape = getattr(value, "shape", None)
    if isinstance(value, bool | int | float | np.number) or shape == ():
        return ["number"]
    if isinstance(shape, tuple):
        return ["array", *map(int, shape)]
    if isinstance(value, dict) and deep:
        names = [key for key in value if isinstance(key, str)][:40]
        return ["entries", {name: _kind(value[name], False) for name in names}]
    if isinstance(value, tuple | list):
        return ["several", len(value)]
    return ["other", type(value).__name__]


def shaken(value: Any) -> Any:
    """A value that is a little off, every entry by another amount."""
    if isinstance(value, dict):
        return {key: shaken(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)([shaken(part) for part in value])
    if isinstance(value, bool | int | str) or value is None:
        return value
    array = np.asarray(value)
    if array.dtype.kind != "f":
        return value
    pattern = np.cos(np.arange(1, array.size + 1)).reshape(array.shape)
    return value + SHAKEN * (1 + abs(array)) * pattern


def copied(tree: Any) -> Any:
    """The same tree with arrays of its own; other objects are not looked into."""
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [copied(part) for part in tree]
    return tree.copy() if type(tree).__name__ == "ndarray" else tree


def same(one: Any, two: Any) -> bool:
    """Whether a tree is what its copy was."""
    if isinstance(two, dict):
        return len(one) == len(two) and all(
            key in one and same(one[key], two[key]) for key in two
        )
    if isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if type(two).__name__ != "ndarray":
        return True
    return bool(one.shape == two.shape and one.tobytes() == two.tobytes())
