"""Right passes in plain NumPy, in lines that can be replaced one by one.

A pass is a dictionary of lines. A mistake of the catalogue is the same dictionary with
a line or two replaced, so that any wrong pass can be run again, two mistakes at once
too. All is in the layout and the letters of the exercise: (n, m, T), weights (n_a,
n_a + n_x) acting on [a_prev; xt]. The GRU, which the exercise leaves out, is written in
the same letters, with the reset before the product.

A line of a cell is ``k, d -> array``: ``k`` holds what the cache holds, ``d`` what the
lines before it computed. The lines over time are listed in `LOOP`.
"""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ...rounding import Floats

Line = Callable[..., Any]
Lines = Mapping[str, Line]
Step = dict[str, Any]  # the cache of one step, by name


def sigmoid(z: Floats) -> Floats:
    """σ(z) = (1 + tanh(z / 2)) / 2."""
    s: Floats = 0.5 + 0.5 * np.tanh(0.5 * z)
    return s


def softmax(z: Floats) -> Floats:
    """Over the rows: every column sums to 1."""
    e: Floats = np.exp(z - np.max(np.asarray(z), axis=0, keepdims=True))
    shares: Floats = e / e.sum(axis=0, keepdims=True)
    return shares


def rows(w: Floats, k: Any) -> Floats:
    """The columns of a weight that meet a_prev."""
    return w[:, : k.a_prev.shape[0]]


def cols(w: Floats, k: Any) -> Floats:
    """The columns of a weight that meet xt."""
    return w[:, k.a_prev.shape[0] :]


def bias(delta: Floats) -> Floats:
    """Summed over the examples, kept as a column."""
    total: Floats = delta.sum(axis=1, keepdims=True)
    return total


RNN_FORWARD: Lines = {
    "z": lambda k, d: k.Wax @ k.xt + k.Waa @ k.a_prev + k.ba,
    "a_next": lambda k, d: np.tanh(d.z),
    "yt_pred": lambda k, d: softmax(k.Wya @ d.a_next + k.by),
}

LSTM_FORWARD: Lines = {
    "both": lambda k, d: np.concatenate((k.a_prev, k.xt)),
    "ft": lambda k, d: sigmoid(k.Wf @ d.both + k.bf),
    "it": lambda k, d: sigmoid(k.Wi @ d.both + k.bi),
    "cct": lambda k, d: np.tanh(k.Wc @ d.both + k.bc),
    "ot": lambda k, d: sigmoid(k.Wo @ d.both + k.bo),
    "c_next": lambda k, d: d.ft * k.c_prev + d.it * d.cct,
    "a_next": lambda k, d: d.ot * np.tanh(d.c_next),
    "yt_pred": lambda k, d: softmax(k.Wy @ d.a_next + k.by),
}

GRU_FORWARD: Lines = {
    "both": lambda k, d: np.concatenate((k.a_prev, k.xt)),
    "rt": lambda k, d: sigmoid(k.Wr @ d.both + k.br),
    "zt": lambda k, d: sigmoid(k.Wz @ d.both + k.bz),
    "kt": lambda k, d: d.rt * k.a_prev,
    "nt": lambda k, d: np.tanh(k.Wn @ np.concatenate((d.kt, k.xt)) + k.bn),
    "a_next": lambda k, d: (1 - d.zt) * d.nt + d.zt * k.a_prev,
}

RNN_BACKWARD: Lines = {
    "slope": lambda k, d: 1 - k.a_next**2,
    "dz": lambda k, d: d.da_next * d.slope,
    "dxt": lambda k, d: k.Wax.T @ d.dz,
    "dWax": lambda k, d: d.dz @ k.xt.T,
    "da_prev": lambda k, d: k.Waa.T @ d.dz,
    "dWaa": lambda k, d: d.dz @ k.a_prev.T,
    "dba": lambda k, d: bias(d.dz),
}


def _weights(gates: str, both: str = "both") -> dict[str, Line]:
    """The outer product and the bias sum of every gate."""

    def outer(gate: str) -> Line:
        return lambda k, d: getattr(d, f"d{gate}") @ getattr(d, both).T

    def summed(gate: str) -> Line:
        return lambda k, d: bias(getattr(d, f"d{gate}"))

    products = {f"dW{gate}": outer(gate) for gate in gates}
    return products | {f"db{gate}": summed(gate) for gate in gates}


def _handed(gates: str, part: Callable[[Floats, Any], Floats]) -> Line:
    """Σ Wᵀ δ over the gates, for one part of the input of every gate."""
    return lambda k, d: sum(
        part(getattr(k, f"W{gate}"), k).T @ getattr(d, f"d{gate}") for gate in gates
    )


LSTM_BACKWARD: Lines = {
    "both": lambda k, d: np.concatenate((k.a_prev, k.xt)),
    "tanh_c": lambda k, d: np.tanh(k.c_next),
    "slope_c": lambda k, d: 1 - d.tanh_c**2,
    "dc": lambda k, d: d.dc_next + d.da_next * k.ot * d.slope_c,
    "do": lambda k, d: d.da_next * d.tanh_c * k.ot * (1 - k.ot),
    "dc_c": lambda k, d: d.dc,
    "dc_i": lambda k, d: d.dc,
    "dc_f": lambda k, d: d.dc,
    "dc_back": lambda k, d: d.dc,
    "dcc": lambda k, d: d.dc_c * k.it * (1 - k.cct**2),
    "di": lambda k, d: d.dc_i * k.cct * k.it * (1 - k.it),
    "df": lambda k, d: d.dc_f * k.c_prev * k.ft * (1 - k.ft),
    **_weights("fi"),
    "dWc": lambda k, d: d.dcc @ d.both.T,
    "dbc": lambda k, d: bias(d.dcc),
    **_weights("o"),
    "from_c": lambda k, d: rows(k.Wc, k).T @ d.dcc,
    "from_f": lambda k, d: rows(k.Wf, k).T @ d.df,
    "from_i": lambda k, d: rows(k.Wi, k).T @ d.di,
    "from_o": lambda k, d: rows(k.Wo, k).T @ d.do,
    "da_prev": lambda k, d: d.from_c + d.from_f + d.from_i + d.from_o,
    "dxt": lambda k, d: (
        cols(k.Wc, k).T @ d.dcc
        + cols(k.Wf, k).T @ d.df
        + cols(k.Wi, k).T @ d.di
        + cols(k.Wo, k).T @ d.do
    ),
    "dc_prev": lambda k, d: d.dc_back * k.ft,
}

GRU_BACKWARD: Lines = {
    "both": lambda k, d: np.concatenate((k.a_prev, k.xt)),
    "both_n": lambda k, d: np.concatenate((k.rt * k.a_prev, k.xt)),
    "dn": lambda k, d: d.da_next * (1 - k.zt) * (1 - k.nt**2),
    "dz": lambda k, d: d.da_next * (k.a_prev - k.nt) * k.zt * (1 - k.zt),
    "dk": lambda k, d: rows(k.Wn, k).T @ d.dn,
    "dr": lambda k, d: d.dk * k.a_prev * k.rt * (1 - k.rt),
    "dWn": lambda k, d: d.dn @ d.both_n.T,
    "dbn": lambda k, d: bias(d.dn),
    **_weights("rz"),
    "direct": lambda k, d: d.da_next * k.zt,
    "by_reset": lambda k, d: d.dk * k.rt,
    "by_gates": lambda k, d: rows(k.Wr, k).T @ d.dr + rows(k.Wz, k).T @ d.dz,
    "da_prev": lambda k, d: d.direct + d.by_reset + d.by_gates,
    "dxt": _handed("rzn", cols),
}

LOOP: Lines = {
    # the steps in the order in which they are visited
    "order": lambda steps: range(steps - 1, -1, -1),
    # what comes from time before the first visit
    "seed": lambda like: np.zeros_like(like),
    # the gradient that reaches step t: from the outputs and from time
    "join": lambda da, carry, t: da[:, :, t] + carry,
    "join_c": lambda carry: carry,
    # the cache that step t reads
    "take": lambda caches, t: caches[t],
    # how weights add up over the steps
    "gather": lambda total, new: total + new,
    # where the step's dx is stored
    "place": lambda dx, new, t: dx.__setitem__((slice(None), slice(None), t), new),
    # what is handed to the next visit
    "carry": lambda carry, handed: handed,
    "carry_c": lambda carry, handed: handed,
    # what is returned as da0, after the loop
    "da0": lambda run: run.carry,
    # the last touch of all gradients
    "finish": lambda gradients, run: gradients,
}


class Kind(NamedTuple):
    """What the passes of one cell need to know."""

    forward: Lines
    backward: Lines
    weights: tuple[str, ...]  # names of the parameters with a gradient
    cache: tuple[str, ...]  # the order of the cache in the exercise
    memory: bool  # whether the state has a c


KINDS = {
    "rnn": Kind(
        RNN_FORWARD,
        RNN_BACKWARD,
        ("Wax", "Waa", "ba"),
        ("a_next", "a_prev", "xt", "parameters"),
        False,
    ),
    "lstm": Kind(
        LSTM_FORWARD,
        LSTM_BACKWARD,
        ("Wf", "bf", "Wi", "bi", "Wc", "bc", "Wo", "bo"),
        tuple(
            [
                "a_next",
                "c_next",
                "a_prev",
                "c_prev",
                "ft",
                "it",
                "cct",
                "ot",
                "xt",
                "parameters",
            ]
        ),
        True,
    ),
    "gru": Kind(
        GRU_FORWARD,
        GRU_BACKWARD,
        ("Wr", "br", "Wz", "bz", "Wn", "bn"),
        ("a_next", "a_prev", "rt", "zt", "nt", "xt", "parameters"),
        False,
    ),
}


def evaluate(lines: Lines, k: Any, d: SimpleNamespace | None = None) -> SimpleNamespace:
    """Runs the lines of a cell in their order."""
    d = SimpleNamespace() if d is None else d
    for name, line in lines.items():
        setattr(d, name, line(k, d))
    return d


def step_forward(kind: Kind, lines: Lines, inputs: Step) -> Step:
    """One step from a_prev, (c_prev,) xt and the parameters: all that it computes."""
    k = SimpleNamespace(**inputs, **inputs["parameters"])
    cell = {name: lines.get(name, line) for name, line in kind.forward.items()}
    return inputs | vars(evaluate(cell, k, SimpleNamespace()))


def unroll_forward(
    kind: Kind, lines: Lines, x: Floats, a0: Floats, parameters: Mapping[str, Floats]
) -> list[Step]:
    """The caches of all steps; the memory starts at zero, as in the exercise."""
    state = {"a_prev": a0} | ({"c_prev": np.zeros_like(a0)} if kind.memory else {})
    caches = []
    for t in range(x.shape[2]):
        inputs = state | {"xt": x[:, :, t], "parameters": parameters}
        caches.append(step_forward(kind, lines, inputs))
        state = {f"{name[0]}_prev": caches[-1][f"{name[0]}_next"] for name in state}
    return caches


def step_backward(
    kind: Kind, lines: Lines, cache: Step, da_next: Floats, dc_next: Floats | None
) -> SimpleNamespace:
    """All that the lines of the cell compute on the way back through one step."""
    k = SimpleNamespace(**{**cache, **cache["parameters"]})
    cell = {name: lines.get(name, line) for name, line in kind.backward.items()}
    return evaluate(cell, k, SimpleNamespace(da_next=da_next, dc_next=dc_next))


def unroll_backward(
    kind: Kind, lines: Lines, caches: list[Step], da: Floats
) -> dict[str, Floats]:
    """dx, da0 and the gradient of every weight, over as many steps as da has."""
    loop = {name: lines.get(name, line) for name, line in LOOP.items()}
    m, steps = da.shape[1:]
    run = SimpleNamespace(
        da=da,
        caches=caches,
        carry=loop["seed"](da[:, :, 0]),
        carry_c=np.zeros_like(da[:, :, 0]),
        joined=[],
        kind=kind,
        lines=lines,
    )
    dx = np.zeros_like(da, shape=(caches[0]["xt"].shape[0], m, steps))
    weights = caches[0]["parameters"]
    total = {f"d{name}": np.zeros_like(weights[name]) for name in kind.weights}
    for t in loop["order"](steps):
        run.joined.append(loop["join"](da, run.carry, t))
        dc = loop["join_c"](run.carry_c) if kind.memory else None
        back = step_backward(kind, lines, loop["take"](caches, t), run.joined[-1], dc)
        loop["place"](dx, back.dxt, t)
        for name in total:
            total[name] = loop["gather"](total[name], getattr(back, name))
        run.carry = loop["carry"](run.carry, back.da_prev)
        if kind.memory:
            run.carry_c = loop["carry_c"](run.carry_c, back.dc_prev)
    gradients = {"dx": dx, "da0": loop["da0"](run)} | total
    return dict(loop["finish"](gradients, run))
