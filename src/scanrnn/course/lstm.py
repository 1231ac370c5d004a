"""The exercise's long short-term memory, on `sr.lstm`."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..cells.gates import sigmoid
from ..cells.lstm import LSTMParams, LSTMState, LSTMTape, lstm
from ..engine.products import times
from ..readout import DenseParams, plain_dense
from .border import (
    GATES,
    Cache,
    Caches,
    Floats,
    Gradients,
    Parameters,
    check_steps,
    check_way_back,
    columns,
    flat,
    in_float64,
    open_cache,
    read,
    rows,
    step_back,
    sum_steps,
)

WEIGHTS = tuple(f"W{gate}" for gate in GATES)
BIASES = tuple(f"b{gate}" for gate in GATES)
CACHE = ("a_next", "c_next", "a_prev", "c_prev", "ft", "it", "cct", "ot", "xt")


@in_float64
def lstm_cell_forward(
    xt: ArrayLike, a_prev: ArrayLike, c_prev: ArrayLike, parameters: Parameters
) -> tuple[Floats, Floats, Floats, Cache]:
    """One step: c_next = ft c_prev + it cct, a_next = ot tanh(c_next).

    Args:
        xt: (n_x, m).
        a_prev: (n_a, m).
        c_prev: (n_a, m).
        parameters: Wf, Wi, Wc, Wo (n_a, n_a + n_x) acting on [a_prev; xt], their
            biases bf, bi, bc, bo (n_a, 1), Wy (n_y, n_a) and by (n_y, 1).

    Returns:
        a_next (n_a, m), c_next (n_a, m), yt_pred (n_y, m) and the cache ``(a_next,
        c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)``.
    """
    names = (*WEIGHTS, *BIASES, "Wy", "by")
    values = read(parameters, names, xt=xt, a_prev=a_prev, c_prev=c_prev)
    b = jnp.concatenate([flat(values[name]) for name in BIASES])
    readout = DenseParams(rows(values["Wy"]), flat(values["by"]))
    prev = LSTMState(rows(values["a_prev"]), rows(values["c_prev"]))
    state, y, gates = _step(_params(values, b), readout, rows(values["xt"]), prev)
    made = (*map(columns, (*state, *gates)),)
    values |= dict(
        zip(("a_next", "c_next", "it", "ft", "cct", "ot"), made, strict=True)
    )
    cache = (*(values[name] for name in CACHE), parameters)
    return values["a_next"], values["c_next"], columns(y), cache


@jax.jit
def _step(
    params: LSTMParams, readout: DenseParams, xs: Array, prev: LSTMState
) -> tuple[LSTMState, Array, tuple[Array, ...]]:
    cell = lstm(prev.h.shape[1])
    drive = cell.project(params, xs)
    state, _ = cell.step(params, prev, drive)
    # The exercise caches the gates, which the cell's tape does not hold.
    z = drive + times(prev.h, params.w_h) + params.b
    i, f, g, o = jnp.split(z, 4, axis=-1)
    gates = (sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o))
    return state, jax.nn.softmax(plain_dense(readout, state.h)), gates


@in_float64
def lstm_forward(
    x: ArrayLike, a0: ArrayLike, parameters: Parameters
) -> tuple[Floats, Floats, Floats, Caches]:
    """`lstm_cell_forward` over all steps, from a0 and the memory c0 = 0.

    Args:
        x: (n_x, m, T_x).
        a0: (n_a, m).
        parameters: as for `lstm_cell_forward`.

    Returns:
        a (n_a, m, T_x), y (n_y, m, T_x), c (n_a, m, T_x), and the caches: the list of
        the cache of every step, and x.
    """
    x, a_next = check_steps("x", x=x, a0=a0).values()
    c_next = np.zeros_like(a_next)
    every_step, caches = [], []
    for t in range(x.shape[2]):
        a_next, c_next, y, cache = lstm_cell_forward(
            x[:, :, t], a_next, c_next, parameters
        )
        every_step.append((a_next, y, c_next))
        caches.append(cache)
    a, y, c = (np.stack(steps, axis=2) for steps in zip(*every_step, strict=True))
    return a, y, c, (caches, x)


@in_float64
def lstm_cell_backward(
    da_next: ArrayLike, dc_next: ArrayLike, cache: Cache
) -> Gradients:
    """The way back through one step.

    Args:
        da_next: (n_a, m), the cotangent of a_next, from its output and from time.
        dc_next: (n_a, m), the cotangent of c_next that the step after it hands back.
        cache: ``(a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)``.

    Returns:
        dxt (n_x, m), da_prev and dc_prev (n_a, m), dWf, dWi, dWc, dWo, and dbf, dbi,
        dbc, dbo (n_a, 1).
    """
    held, parameters = open_cache(cache, CACHE)
    values = read(parameters, WEIGHTS, **held, da_next=da_next, dc_next=dc_next)
    n_a = len(values["a_prev"])
    d_prev, d_params, d_xs = step_back(
        lstm(n_a),
        _params(values, jnp.zeros(4 * n_a, values["Wf"].dtype)),  # b is not needed
        rows(values["xt"]),
        LSTMState(rows(values["a_prev"]), rows(values["c_prev"])),
        _tape({name: rows(values[name]) for name in CACHE}),
        LSTMState(rows(values["da_next"]), rows(values["dc_next"])),
    )
    d_inputs = {"dxt": d_xs, "da_prev": d_prev.h, "dc_prev": d_prev.c}
    d_w = jnp.split(jnp.concatenate((d_params.w_h, d_params.w_x)), 4, axis=1)
    d_b = jnp.split(d_params.b[None], 4, axis=1)
    names = (f"d{name}" for name in (*WEIGHTS, *BIASES))
    gradients = d_inputs | dict(zip(names, (*d_w, *d_b), strict=True))
    return {name: columns(value) for name, value in gradients.items()}


@in_float64
def lstm_backward(da: ArrayLike, caches: Caches) -> Gradients:
    """The way back through all steps: a⟨t⟩ gets da⟨t⟩ and what step t + 1 hands back.

    Args:
        da: (n_a, m, T_da), what reaches every a⟨t⟩ from its own output. T_da may be
            less than the steps of the caches; the first T_da of them count.
        caches: as `lstm_forward` returns them.

    Returns:
        dx (n_x, m, T_da), da0 (n_a, m), dWf, dWi, dWc, dWo, and dbf, dbi, dbc, dbo
        (n_a, 1).
    """
    d_a, steps = check_way_back(da, caches)
    latest_first = []
    d_prev = d_c = np.zeros_like(d_a[:, :, 0])
    for t in reversed(range(d_a.shape[2])):
        step = lstm_cell_backward(d_a[:, :, t] + d_prev, d_c, steps[t])
        d_prev, d_c = step["da_prev"], step["dc_prev"]
        latest_first.append(step)
    return sum_steps(latest_first)


def _params(values: Mapping[str, Floats], b: Array) -> LSTMParams:
    w = jnp.concatenate([rows(values[name]) for name in WEIGHTS], axis=1)
    n_a = len(values["a_prev"])
    return LSTMParams(w[n_a:], w[:n_a], b)


def _tape(cache: Mapping[str, Array]) -> LSTMTape:
    """What `cell.step` would have taped, had it found what the cache holds."""
    i, f, g, o = (cache[name] for name in ("it", "ft", "cct", "ot"))
    s = jnp.tanh(cache["c_next"])
    return LSTMTape(
        dc_by_dh=o * (1 - s * s),
        by_i=g * i * (1 - i),
        by_f=cache["c_prev"] * f * (1 - f),
        by_g=i * (1 - g * g),
        by_o=s * o * (1 - o),
        f=f,
    )
