"""Mistakes of the forward pass that no forward output shows: what the caches hold."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .catalogue import Mistake
from .passes import Step

Change = Callable[[int, list[Step]], dict[str, Any]]
COPY = "store copies, and pass a0 as itself: a_prev = a0 if t == 0 else a[:, :, t - 1]"


def _cache(name: str, says: str, instead: str, change: Change, **more: Any) -> Mistake:
    """Replaces entries of the cache of step t; ``change`` sees the right caches."""

    def store(caches: list[Step]) -> list[Step]:
        return [cache | change(t, caches) for t, cache in enumerate(caches)]

    return Mistake(f"caches: {name}", says, instead, {}, store, **more)


def _only(step: int, entry: str, source: Callable[[list[Step]], Any]) -> Change:
    return lambda t, caches: {entry: source(caches)} if t == step else {}


def _of(entry: str, source: str) -> Change:
    return lambda t, caches: {entry: caches[t][source]}


def _exchange(one: str, two: str) -> Change:
    return lambda t, caches: {one: caches[t][two], two: caches[t][one]}


def _same_everywhere(step: int, *entries: str) -> Change:
    return lambda t, caches: {entry: caches[step][entry] for entry in entries}


def _scaled(by: float) -> Change:
    def change(t: int, caches: list[Step]) -> dict[str, Any]:
        old = caches[t]["parameters"]
        return {"parameters": {name: by * value for name, value in old.items()}}

    return change


CLOBBERED = _cache(
    "a_prev of step 0 is the last state",
    "The initial state was stored through the view a[:, :, t - 1], which at t = 0 is "
    "the last slot of a. When the loop fills that slot, caches[0]'s a_prev changes "
    "with it and ends up holding the last state.",
    COPY,
    _only(0, "a_prev", lambda caches: caches[-1]["a_next"]),
    sequence=True,
)

SHARED = (
    CLOBBERED,
    _cache(
        "a_next is one array for all steps",
        "Every cache holds the same array, which each step overwrites: in the end all "
        "a_next are the last state.",
        "store a copy in every step",
        _same_everywhere(-1, "a_next"),
        sequence=True,
    ),
    _cache(
        "all caches are the last one",
        "The same tuple, or views of the same arrays, is appended in every step.",
        "make new arrays in every step",
        lambda t, caches: caches[-1],
        sequence=True,
    ),
    _cache(
        "a_prev is a0 in every step",
        "The cache stores a0 and not the state before the step. The outputs are right, "
        "so nothing shows in the forward pass.",
        "store a_prev, the state before this step",
        _same_everywhere(0, "a_prev"),
        sequence=True,
    ),
    _cache(
        "a_prev is a_next",
        "a_prev was overwritten by the new state before the cache was made.",
        "store the state before the step, then overwrite",
        _of("a_prev", "a_next"),
    ),
    _cache(
        "a_next is a_prev",
        "The old state was stored in both places.",
        "store the new state as a_next",
        _of("a_next", "a_prev"),
    ),
    _cache(
        "a_next and a_prev are exchanged",
        "The cache holds the two states in the other order.",
        "cache = (a_next, a_prev, ...)",
        _exchange("a_next", "a_prev"),
    ),
    _cache(
        "a_prev of step 0 is zero",
        "The first step's cache holds zeros where a0 belongs.",
        COPY,
        _only(0, "a_prev", lambda caches: np.zeros_like(caches[0]["a_prev"])),
    ),
    _cache(
        "a_prev is zero in every step",
        "The caches hold zeros where the state before the step belongs.",
        "store a_prev, the state before this step",
        lambda t, caches: {"a_prev": np.zeros_like(caches[t]["a_prev"])},
    ),
    _cache(
        "a_prev is one step old",
        "The cache of step t holds the state before step t - 1.",
        "store a_prev, the state before this step",
        lambda t, caches: {"a_prev": caches[max(t - 1, 0)]["a_prev"]},
        sequence=True,
    ),
    _cache(
        "xt is the first input in every step",
        "Every cache holds x[:, :, 0].",
        "store x[:, :, t]",
        _same_everywhere(0, "xt"),
        sequence=True,
    ),
    _cache(
        "xt is the last input in every step",
        "Every cache holds x[:, :, -1].",
        "store x[:, :, t]",
        _same_everywhere(-1, "xt"),
        sequence=True,
    ),
    _cache(
        "xt is the input of the step before",
        "The cache of step t holds x[:, :, t - 1]; at t = 0 that is the last.",
        "store x[:, :, t]",
        lambda t, caches: {"xt": caches[t - 1]["xt"]},
        sequence=True,
    ),
    _cache(
        "xt is the input of the next step",
        "The cache of step t holds x[:, :, t + 1].",
        "store x[:, :, t]",
        lambda t, caches: {"xt": caches[min(t + 1, len(caches) - 1)]["xt"]},
        sequence=True,
    ),
    _cache(
        "the parameters were updated before the backward pass",
        "The weights were changed in place (scaled by 0.9, say) after the forward pass "
        "and the cache holds the changed ones.",
        "update the weights after the backward pass",
        _scaled(0.9),
    ),
)

OF_RNN = (
    *SHARED,
    _cache(
        "a_next is before the tanh",
        "The cache holds z where a_next = tanh(z) belongs.",
        "store a_next after the tanh",
        _of("a_next", "z"),
    ),
    _cache(
        "a_prev is before the tanh",
        "The cache holds the z of the step before where its state belongs.",
        "store the state after the tanh",
        lambda t, caches: {"a_prev": caches[t - 1]["z"]} if t else {},
        sequence=True,
    ),
    _cache(
        "a_next went through tanh twice",
        "The cache holds tanh(a_next).",
        "store a_next",
        lambda t, caches: {"a_next": np.tanh(caches[t]["a_next"])},
    ),
    _cache(
        "a_next is the prediction's input",
        "The cache holds a_next without the bias's part: tanh was taken before ba came "
        "in.",
        "a_next = tanh(Wax xt + Waa a_prev + ba)",
        lambda t, caches: {
            "a_next": np.tanh(caches[t]["z"] - caches[t]["parameters"]["ba"])
        },
    ),
)

OF_LSTM = (
    *SHARED,
    _cache(
        "c_prev of step 0 is the last memory",
        "The memory before step 0 was stored through a view of the last slot of c, "
        "which the loop then filled.",
        "store copies",
        _only(0, "c_prev", lambda caches: caches[-1]["c_next"]),
        sequence=True,
    ),
    _cache(
        "c_next and c_prev are exchanged",
        "The cache holds the two memories in the other order.",
        "cache = (a_next, c_next, a_prev, c_prev, ...)",
        _exchange("c_next", "c_prev"),
    ),
    _cache(
        "c_prev is c_next",
        "c_prev was overwritten by the new memory before the cache was made.",
        "store the memory before the step",
        _of("c_prev", "c_next"),
    ),
    _cache(
        "c_next is c_prev",
        "The old memory was stored in both places.",
        "store the new memory as c_next",
        _of("c_next", "c_prev"),
    ),
    _cache(
        "c_prev is zero in every step",
        "The caches hold zeros where the memory before the step belongs.",
        "store c_prev",
        lambda t, caches: {"c_prev": np.zeros_like(caches[t]["c_prev"])},
    ),
    _cache(
        "c_next is one array for all steps",
        "Every cache holds the same array: in the end all c_next are the last memory.",
        "store a copy in every step",
        _same_everywhere(-1, "c_next"),
        sequence=True,
    ),
    _cache(
        "c_next went through tanh",
        "The cache holds tanh(c_next), and the backward pass takes tanh again.",
        "store c_next itself",
        lambda t, caches: {"c_next": np.tanh(caches[t]["c_next"])},
    ),
    *(
        _cache(
            f"{one} and {two} are exchanged",
            f"The cache holds {two} where {one} is expected, and the other way round.",
            "cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)",
            _exchange(one, two),
        )
        for one, two in (
            ("ft", "it"),
            ("ft", "ot"),
            ("it", "ot"),
            ("it", "cct"),
            ("cct", "ot"),
            ("ft", "cct"),
        )
    ),
)

OF_GRU = (
    *SHARED,
    _cache(
        "rt and zt are exchanged",
        "The cache holds zt where rt is expected, and the other way round.",
        "keep one order of the gates",
        _exchange("rt", "zt"),
    ),
    _cache(
        "zt is 1 - zt",
        "The cache holds 1 - zt: the other convention of the update gate.",
        "store zt as it weighs the old state",
        lambda t, caches: {"zt": 1 - caches[t]["zt"]},
    ),
)
