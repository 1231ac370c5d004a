"""Mistakes of the forward pass that its own outputs show."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from .catalogue import After, Mistake
from .passes import Line, sigmoid


def _over_axis(z: Any, axis: int | None) -> Any:
    e = np.exp(z - np.max(np.asarray(z)))
    return e / e.sum(axis=axis, keepdims=True)


def _softmax(z: Any) -> Mistake:
    return Mistake(
        "softmax over the examples",
        "The softmax is normalised over the examples (axis 1); each column, one "
        "example, must sum to 1.",
        "normalise over axis 0",
        {"yt_pred": lambda k, d: _over_axis(z(k, d), 1)},
    )


def _total(z: Any) -> Mistake:
    return Mistake(
        "softmax over everything",
        "The softmax is normalised by the sum over all units and examples.",
        "normalise over axis 0",
        {"yt_pred": lambda k, d: _over_axis(z(k, d), None)},
    )


def _no_bias(name: str, line: str, weight: str) -> Mistake:
    return Mistake(
        f"{name} is left out",
        f"{weight} is applied without its bias {name}.",
        f"add {name}",
        {line: After(lambda value, k, d: value - getattr(k, name))},
    )


GATES = {"f": "ft", "i": "it", "c": "cct", "o": "ot"}


def _one_for_several(kind: str) -> Iterator[Mistake]:
    """W or b of one gate in the lines of others: copied, and not changed."""
    for source in GATES:
        others = [gate for gate in GATES if gate != source]
        for some in (*combinations(others, 2), *combinations(others, 3)):
            yield Mistake(
                f"{kind}{source} in the gates {', '.join(some)} as well",
                f"The lines of these gates have {kind}{source} in place of their own "
                f"{kind}.",
                "every gate has its own W and b",
                {GATES[gate]: _with(kind, source, gate) for gate in some},
            )


def _with(kind: str, source: str, gate: str) -> Line:
    def line(k: Any, d: Any) -> Any:
        weights = getattr(k, f"W{source if kind == 'W' else gate}")
        bias = getattr(k, f"b{source if kind == 'b' else gate}")
        return (np.tanh if gate == "c" else sigmoid)(weights @ d.both + bias)

    return line


RNN_OUTPUTS = (
    _softmax(lambda k, d: k.Wya @ d.a_next + k.by),
    _total(lambda k, d: k.Wya @ d.a_next + k.by),
    _no_bias("ba", "z", "Waa a_prev + Wax xt"),
    Mistake(
        "by is left out",
        "The prediction leaves out by.",
        "softmax(Wya a_next + by)",
        {"yt_pred": lambda k, d: _over_axis(k.Wya @ d.a_next, 0)},
    ),
    Mistake(
        "the prediction from a_prev",
        "The prediction is made from a_prev.",
        "softmax(Wya a_next + by)",
        {"yt_pred": lambda k, d: _over_axis(k.Wya @ k.a_prev + k.by, 0)},
    ),
    Mistake(
        "the softmax is missing",
        "The prediction is Wya a_next + by itself.",
        "softmax(Wya a_next + by)",
        {"yt_pred": lambda k, d: k.Wya @ d.a_next + k.by},
    ),
    Mistake(
        "the sigmoid in place of tanh",
        "a_next is a sigmoid of z.",
        "a_next = tanh(z)",
        {"a_next": lambda k, d: sigmoid(d.z)},
    ),
    Mistake(
        "Waa is transposed",
        "z uses Waa.T.",
        "Waa @ a_prev",
        {"z": lambda k, d: k.Wax @ k.xt + k.Waa.T @ k.a_prev + k.ba},
    ),
)

LSTM_OUTPUTS = (
    _softmax(lambda k, d: k.Wy @ d.a_next + k.by),
    _total(lambda k, d: k.Wy @ d.a_next + k.by),
    Mistake(
        "xt comes before a_prev",
        "The gates read [xt; a_prev]; the weights act on [a_prev; xt].",
        "np.concatenate((a_prev, xt), axis=0)",
        {"both": lambda k, d: np.concatenate((k.xt, k.a_prev))},
    ),
    Mistake(
        "a_next without tanh",
        "a_next = ot * c_next.",
        "a_next = ot * tanh(c_next)",
        {"a_next": lambda k, d: d.ot * d.c_next},
    ),
    Mistake(
        "a_next from c_prev",
        "a_next = ot * tanh(c_prev).",
        "a_next = ot * tanh(c_next)",
        {"a_next": lambda k, d: d.ot * np.tanh(k.c_prev)},
    ),
    Mistake(
        "the forget and update gates are exchanged",
        "c_next = it * c_prev + ft * cct.",
        "c_next = ft * c_prev + it * cct",
        {"c_next": lambda k, d: d.it * k.c_prev + d.ft * d.cct},
    ),
    Mistake(
        "the candidate is a sigmoid",
        "cct is a sigmoid of its pre-activation.",
        "cct = tanh(Wc [a_prev; xt] + bc)",
        {"cct": lambda k, d: sigmoid(k.Wc @ d.both + k.bc)},
    ),
    *_one_for_several("b"),
    *_one_for_several("W"),
)
