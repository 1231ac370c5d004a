"""The well-known course exercise: its names, axes and caches, on the library's cells.

The exercise writes a recurrent network by hand, column by column::

    rnn    a⟨t⟩ = tanh(Wax x⟨t⟩ + Waa a⟨t−1⟩ + ba)      ŷ⟨t⟩ = softmax(Wya a⟨t⟩ + by)
    lstm   Γf, Γi, Γo = σ(W· [a⟨t−1⟩; x⟨t⟩] + b·),  c̃⟨t⟩ = tanh(Wc [a⟨t−1⟩; x⟨t⟩] + bc)
           c⟨t⟩ = Γf ∘ c⟨t−1⟩ + Γi ∘ c̃⟨t⟩,  a⟨t⟩ = Γo ∘ tanh(c⟨t⟩)
                                                        ŷ⟨t⟩ = softmax(Wy a⟨t⟩ + by)

Sizes are n_x inputs, n_a hidden units, n_y outputs, m examples and T_x steps; arrays
are (n_x, m, T_x), parameters a dictionary of W (rows are outputs) and b (n, 1).
Everything here converts, calls ``cell.step``, ``cell.pull`` and ``cell.collect``, and
converts back. A backward pass uses what its cache holds, consistent or not.

Functions take NumPy arrays, or what `numpy.asarray` makes one of, and return new
NumPy arrays: float64 for float64 or integers, whether or not x64 is on; float32 where
all that comes is float32. Every one raises ValueError where a key is missing or a shape
does not fit.

The exercise stops before the loss. `cross_entropy` and `readout_backward` add the way
from the loss through softmax and dense layer into ``a``.

Source: Ng, Katanforoosh and Bensouda Mourri, "Sequence Models", week 1, "Building
your recurrent neural network, step by step" (deeplearning.ai).
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cell import Cell, Delta, Params, State, Tape
from .cells.gates import sigmoid
from .cells.lstm import LSTMParams, LSTMState, LSTMTape, lstm
from .cells.rnn import RNNParams, RNNState, rnn
from .products import affine_vjp, times
from .readout import DenseParams, dense

Floats: TypeAlias = NDArray[Any]
Parameters: TypeAlias = Mapping[str, ArrayLike]
Cache: TypeAlias = tuple[Any, ...]
Caches: TypeAlias = tuple[list[Cache], Floats]
Gradients: TypeAlias = dict[str, Floats]

P = ParamSpec("P")
R = TypeVar("R")

GATES = "ifco"  # the library's order i, f, g, o; the exercise's letters
RNN_CACHE = ("a_next", "a_prev", "xt", "parameters")
LSTM_CACHE = (
    *("a_next", "c_next", "a_prev", "c_prev"),
    *("ft", "it", "cct", "ot", "xt", "parameters"),
)


def _in_float64(function: Callable[P, R]) -> Callable[P, R]:
    """Runs with x64 on, so that what comes in float64 stays float64."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with jax.enable_x64(True):
            return function(*args, **kwargs)

    return wrapped


@_in_float64
def rnn_cell_forward(
    xt: ArrayLike, a_prev: ArrayLike, parameters: Parameters
) -> tuple[Floats, Floats, Cache]:
    """One step of the RNN.

    Args:
        xt: (n_x, m).
        a_prev: (n_a, m).
        parameters: Wax (n_a, n_x), Waa (n_a, n_a), Wya (n_y, n_a), ba (n_a, 1),
            by (n_y, 1).

    Returns:
        a_next (n_a, m), yt_pred (n_y, m) and the cache
        ``(a_next, a_prev, xt, parameters)``.
    """
    p = _read(parameters, "Wax", "Waa", "Wya", "ba", "by")
    values = _floats(dict(p, xt=xt, a_prev=a_prev))
    _check_rnn(values, "xt", "a_prev", "Wya", "ba", "by")
    params = RNNParams(values["Wax"].T, values["Waa"].T, values["ba"][:, 0])
    readout = DenseParams(values["Wya"].T, values["by"][:, 0])
    a, y = _rnn_step(params, readout, values["xt"].T, values["a_prev"].T)
    a_next = _columns(a)
    cache = (a_next, values["a_prev"], values["xt"], parameters)
    return a_next, _columns(y), cache


@_in_float64
def rnn_forward(
    x: ArrayLike, a0: ArrayLike, parameters: Parameters
) -> tuple[Floats, Floats, Caches]:
    """The RNN over all steps.

    Args:
        x: (n_x, m, T_x).
        a0: (n_a, m).
        parameters: as for `rnn_cell_forward`.

    Returns:
        a (n_a, m, T_x), y_pred (n_y, m, T_x), and the caches: the list of the cache of
        every step, and x.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> shapes = dict(Wax=(5, 3), Waa=(5, 5), Wya=(2, 5), ba=(5, 1), by=(2, 1))
    >>> parameters = {k: rng.normal(size=s) for k, s in shapes.items()}
    >>> a, y_pred, caches = rnn_forward(np.ones((3, 4, 6)), np.zeros((5, 4)), parameters)
    >>> gradients = rnn_backward(np.ones((5, 4, 6)), caches)
    >>> gradients["dWaa"].shape, gradients["dWaa"].dtype
    ((5, 5), dtype('float64'))
    """
    x, a_next = np.asarray(x), np.asarray(a0)
    _check_steps("x", x)
    every_a, every_y, caches = [], [], []
    for t in range(x.shape[2]):
        a_next, y, cache = rnn_cell_forward(x[:, :, t], a_next, parameters)
        every_a.append(a_next)
        every_y.append(y)
        caches.append(cache)
    return np.stack(every_a, axis=2), np.stack(every_y, axis=2), (caches, x)


@_in_float64
def rnn_cell_backward(da_next: ArrayLike, cache: Cache) -> Gradients:
    """The way back through one step, from the cotangent of a_next (n_a, m).

    Args:
        da_next: (n_a, m).
        cache: ``(a_next, a_prev, xt, parameters)``; tanh' is read off a_next.

    Returns:
        dxt (n_x, m), da_prev (n_a, m), dWax, dWaa, and dba (n_a, 1).
    """
    held = _open(cache, RNN_CACHE)
    weights = _read(held.pop("parameters"), "Wax", "Waa")
    values = _floats(dict(weights, **held, da_next=da_next))
    _check_rnn(values, "xt", "a_prev", "a_next", "da_next")
    n_a = len(values["Waa"])
    params = RNNParams(values["Wax"].T, values["Waa"].T, _no_bias(values["Waa"]))
    d_prev, d_params, d_x = _step_back(
        rnn(n_a),
        params,
        values["xt"].T,
        RNNState(values["a_prev"].T),
        (1 - values["a_next"] ** 2).T,
        RNNState(values["da_next"].T),
    )
    return {
        "dxt": _columns(d_x),
        "da_prev": _columns(d_prev.h),
        "dWax": _columns(d_params.w_x),
        "dWaa": _columns(d_params.w_h),
        "dba": _columns(d_params.b[None]),
    }


@_in_float64
def rnn_backward(da: ArrayLike, caches: Caches) -> Gradients:
    """The way back through all steps, from the cotangents of a.

    Args:
        da: (n_a, m, T_da), what reaches every a⟨t⟩ from its own output. T_da may be
            less than the steps of the caches; the first T_da of them count.
        caches: as `rnn_forward` returns them.

    Returns:
        dx (n_x, m, T_da), da0 (n_a, m), dWax, dWaa, and dba (n_a, 1).
    """
    da, steps = _check_way_back(da, caches)
    every_step = []
    da_prev = np.zeros(da.shape[:2], da.dtype)
    for t in reversed(range(da.shape[2])):
        step = rnn_cell_backward(da[:, :, t] + da_prev, steps[t])
        da_prev = step["da_prev"]
        every_step.append(step)
    return _sum_steps(every_step)


@_in_float64
def lstm_cell_forward(
    xt: ArrayLike, a_prev: ArrayLike, c_prev: ArrayLike, parameters: Parameters
) -> tuple[Floats, Floats, Floats, Cache]:
    """One step of the LSTM.

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
    p = _read(parameters, *_letters("W", "b"), "Wy", "by")
    values = _floats(dict(p, xt=xt, a_prev=a_prev, c_prev=c_prev))
    _check_lstm(values, "xt", "a_prev", "c_prev", *_letters("b"), "Wy", "by")
    params = _lstm_params(values, np.concatenate([values[b] for b in _letters("b")]))
    readout = DenseParams(values["Wy"].T, values["by"][:, 0])
    before = LSTMState(values["a_prev"].T, values["c_prev"].T)
    state, y, gates = _lstm_step(params, readout, values["xt"].T, before)
    a_next, c_next, yt_pred, it, ft, cct, ot = map(_columns, (*state, y, *gates))
    kept = (values["a_prev"], values["c_prev"], ft, it, cct, ot, values["xt"])
    return a_next, c_next, yt_pred, (a_next, c_next, *kept, parameters)


@_in_float64
def lstm_forward(
    x: ArrayLike, a0: ArrayLike, parameters: Parameters
) -> tuple[Floats, Floats, Floats, Caches]:
    """The LSTM over all steps, from the memory c0 = 0.

    Args:
        x: (n_x, m, T_x).
        a0: (n_a, m).
        parameters: as for `lstm_cell_forward`.

    Returns:
        a (n_a, m, T_x), y (n_y, m, T_x), c (n_a, m, T_x), and the caches: the list of
        the cache of every step, and x.
    """
    x, a_next = np.asarray(x), np.asarray(a0)
    _check_steps("x", x)
    c_next = np.zeros_like(a_next)
    every_a, every_y, every_c, caches = [], [], [], []
    for t in range(x.shape[2]):
        a_next, c_next, y, cache = lstm_cell_forward(
            x[:, :, t], a_next, c_next, parameters
        )
        every_a.append(a_next)
        every_y.append(y)
        every_c.append(c_next)
        caches.append(cache)
    a, y, c = (np.stack(every, axis=2) for every in (every_a, every_y, every_c))
    return a, y, c, (caches, x)


@_in_float64
def lstm_cell_backward(
    da_next: ArrayLike, dc_next: ArrayLike, cache: Cache
) -> Gradients:
    """The way back through one step, from the cotangents of a_next and c_next.

    Args:
        da_next: (n_a, m).
        dc_next: (n_a, m), what reaches c_next from the step after it.
        cache: ``(a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)``.

    Returns:
        dxt (n_x, m), da_prev and dc_prev (n_a, m), dWf, dWi, dWc, dWo, and dbf, dbi,
        dbc, dbo (n_a, 1).
    """
    held = _open(cache, LSTM_CACHE)
    weights = _read(held.pop("parameters"), *_letters("W"))
    values = _floats(dict(weights, **held, da_next=da_next, dc_next=dc_next))
    _check_lstm(values, *LSTM_CACHE[:-1], "da_next", "dc_next")
    n_a = len(values["Wf"])
    d_prev, d_params, d_x = _step_back(
        lstm(n_a),
        _lstm_params(values, _no_bias(values["Wf"], 4)),
        values["xt"].T,
        LSTMState(values["a_prev"].T, values["c_prev"].T),
        _lstm_tape(values),
        LSTMState(values["da_next"].T, values["dc_next"].T),
    )
    d_w = np.concatenate((d_params.w_h, d_params.w_x)).T  # [a_prev; xt]
    gradients = {
        "dxt": _columns(d_x),
        "da_prev": _columns(d_prev.h),
        "dc_prev": _columns(d_prev.c),
    }
    for letter, rows in zip(GATES, np.split(d_w, 4), strict=True):
        gradients[f"dW{letter}"] = np.array(rows, order="C")
    for letter, rows in zip(GATES, np.split(np.asarray(d_params.b), 4), strict=True):
        gradients[f"db{letter}"] = np.array(rows[:, None], order="C")
    return gradients


@_in_float64
def lstm_backward(da: ArrayLike, caches: Caches) -> Gradients:
    """The way back through all steps, from the cotangents of a.

    Args:
        da: (n_a, m, T_da), what reaches every a⟨t⟩ from its own output. T_da may be
            less than the steps of the caches; the first T_da of them count.
        caches: as `lstm_forward` returns them.

    Returns:
        dx (n_x, m, T_da), da0 (n_a, m), dWf, dWi, dWc, dWo, and dbf, dbi, dbc, dbo
        (n_a, 1).
    """
    da, steps = _check_way_back(da, caches)
    every_step = []
    da_prev = dc_prev = np.zeros(da.shape[:2], da.dtype)
    for t in reversed(range(da.shape[2])):
        step = lstm_cell_backward(da[:, :, t] + da_prev, dc_prev, steps[t])
        da_prev, dc_prev = step["da_prev"], step.pop("dc_prev")
        every_step.append(step)
    return _sum_steps(every_step)


def cross_entropy(y_pred: ArrayLike, labels: ArrayLike) -> float:
    """The mean of −log ŷ[label] over examples and steps, in nats.

    Args:
        y_pred: (n_y, m, T_x), or (n_y, m) of one step.
        labels: (m, T_x), or (m,): integers in [0, n_y).
    """
    y, chosen = _check_labels(y_pred, labels)
    return float(-np.log(y[chosen]).mean())


@_in_float64
def readout_backward(
    y_pred: ArrayLike, labels: ArrayLike, a: ArrayLike, parameters: Parameters
) -> Gradients:
    """The way back from `cross_entropy` through softmax and dense layer into a.

    With N = m T_x: dz = (ŷ − one_hot(label)) / N, da = Wyaᵀ dz, dWya = Σ dz aᵀ,
    dby = Σ dz.

    Args:
        y_pred: (n_y, m, T_x), as the forward pass returns it; or (n_y, m).
        labels: (m, T_x), or (m,): integers in [0, n_y).
        a: (n_a, m, T_x), or (n_a, m).
        parameters: with Wya (of the RNN) or Wy (of the LSTM), (n_y, n_a).

    Returns:
        da as a, ready for `rnn_backward` or `lstm_backward`; dWya or dWy; dby (n_y, 1).

    Source: Bishop 2006, "Pattern Recognition and Machine Learning", eq. (4.109).

    >>> import numpy as np
    >>> y_pred, a = np.full((2, 1, 3), 0.5), np.ones((1, 1, 3))
    >>> labels, Wya = np.zeros((1, 3), int), np.array([[1.0], [3.0]])
    >>> readout_backward(y_pred, labels, a, {"Wya": Wya})["da"].sum()
    np.float64(1.0)
    """
    y, chosen = _check_labels(y_pred, labels)
    name = _readout_name(parameters)
    values = _floats(dict(_read(parameters, name), y=y, a=a))
    w, a = values[name], values["a"]
    _expect(name, w, (len(y), len(a)))
    _expect("a", a, (len(a), *y.shape[1:]))
    d_z = np.array(values["y"])
    d_z[chosen] -= 1
    d_z /= y[0].size
    d_a, d_w, d_b = affine_vjp(
        *(jnp.asarray(v) for v in (_rows(a), w.T, _no_bias(w), _rows(d_z)))
    )
    return {
        "da": np.array(np.moveaxis(np.asarray(d_a), -1, 0), order="C"),
        f"d{name}": _columns(d_w),
        "dby": _columns(d_b[None]),
    }


# The library's layout (B, ·) from here to the next line of this kind.


@jax.jit
def _rnn_step(
    params: RNNParams, readout: DenseParams, x: Floats, a_prev: Floats
) -> tuple[jax.Array, jax.Array]:
    cell = rnn(a_prev.shape[1])
    state, _ = cell.step(params, RNNState(a_prev), cell.project(params, x))
    return state.h, jax.nn.softmax(dense(readout, state.h))


@jax.jit
def _lstm_step(
    params: LSTMParams, readout: DenseParams, x: Floats, before: LSTMState
) -> tuple[LSTMState, jax.Array, tuple[jax.Array, ...]]:
    cell = lstm(before.h.shape[1])
    drive = cell.project(params, x)
    state, _ = cell.step(params, before, drive)
    # The exercise caches the gates, which are not on the cell's tape.
    i, f, g, o = jnp.split(drive + times(before.h, params.w_h), 4, axis=-1)
    gates = (sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o))
    return state, jax.nn.softmax(dense(readout, state.h)), gates


@functools.partial(jax.jit, static_argnums=0)
def _step_back(
    cell: Cell, params: Params, x: Floats, prev: State, tape: Tape, d_state: State
) -> tuple[State, Params, jax.Array | None]:
    d_prev, delta = cell.pull(params, tape, d_state)
    return d_prev, *_collect(cell, params, x, prev, delta)


def _collect(
    cell: Cell, params: Params, x: Floats, prev: State, delta: Delta
) -> tuple[Params, jax.Array | None]:
    return cell.collect(params, jnp.asarray(x), prev, delta)


def _lstm_tape(cache: Mapping[str, Floats]) -> LSTMTape:
    """What `cell.step` would have taped, had it computed what the cache holds."""
    gates = (cache[name].T for name in ("it", "ft", "cct", "ot"))
    i, f, g, o = gates
    s = np.tanh(cache["c_next"].T)
    delta = (
        g * i * (1 - i),
        cache["c_prev"].T * f * (1 - f),
        i * (1 - g * g),
        s * o * (1 - o),
    )
    return LSTMTape(o * (1 - s * s), np.concatenate(delta, axis=-1), f)


def _lstm_params(values: Mapping[str, Floats], b: Floats) -> LSTMParams:
    w = np.concatenate([values[name] for name in _letters("W")]).T
    n_a = len(values["Wf"])
    return LSTMParams(w[n_a:], w[:n_a], b.reshape(-1))


# The exercise's layout, and its words, again.


def _no_bias(w: Floats, gates: int = 1) -> Floats:
    """In place of a bias, whose value no backward pass needs."""
    return np.zeros(gates * len(w), w.dtype)


def _letters(*kinds: str) -> tuple[str, ...]:
    return tuple(kind + gate for kind in kinds for gate in GATES)


def _columns(rows: Any) -> Floats:
    """(B, ·) as a new (·, m)."""
    return np.array(np.asarray(rows).T, order="C")


def _rows(columns: Floats) -> Floats:
    """(n, ...) as (..., n)."""
    return np.moveaxis(columns, 0, -1)


def _sum_steps(latest_first: Sequence[Gradients]) -> Gradients:
    """Gradients of the steps as those of the sequence."""
    dx = np.stack([step["dxt"] for step in reversed(latest_first)], axis=2)
    gradients = {"dx": dx, "da0": latest_first[-1]["da_prev"]}
    for name in latest_first[0]:
        if name not in ("dxt", "da_prev"):
            gradients[name] = np.sum([step[name] for step in latest_first], axis=0)
    return gradients


def _floats(values: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """All as arrays of one dtype, float32 or float64."""
    arrays = {name: np.asarray(value) for name, value in values.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ValueError(f"expected {name} of numbers, got dtype {array.dtype}")
    dtype = np.result_type(np.float32, *arrays.values())
    return {name: array.astype(dtype) for name, array in arrays.items()}


def _read(parameters: Parameters, *names: str) -> dict[str, ArrayLike]:
    missing = [name for name in names if name not in parameters]
    if missing:
        raise ValueError(
            f"expected parameters with {', '.join(names)}, got {_keys(parameters)}; "
            f"add {', '.join(missing)}"
        )
    return {name: parameters[name] for name in names}


def _readout_name(parameters: Parameters) -> str:
    names = [name for name in ("Wya", "Wy") if name in parameters]
    if len(names) != 1:
        raise ValueError(
            "expected parameters with Wya (of the RNN) or Wy (of the LSTM), "
            f"got {_keys(parameters)}"
        )
    return names[0]


def _keys(parameters: Parameters) -> str:
    return ", ".join(sorted(parameters)) or "none"


def _open(cache: Cache, names: Sequence[str]) -> dict[str, Any]:
    if not isinstance(cache, tuple | list) or len(cache) != len(names):
        count = f" of {len(cache)}" if isinstance(cache, tuple | list) else ""
        raise ValueError(
            f"expected cache = ({', '.join(names)}), got a "
            f"{type(cache).__name__}{count}"
        )
    return dict(zip(names, cache, strict=True))


def _expect(name: str, array: Floats, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, got {array.shape}")


def _check_rank(name: str, array: Floats, axes: str) -> None:
    if array.ndim != axes.count(",") + 1:
        raise ValueError(f"expected {name} of shape ({axes}), got {array.shape}")


def _check_rnn(values: Mapping[str, Floats], *names: str) -> None:
    _check_rank("Wax", values["Wax"], "n_a, n_x")
    n_a, n_x = values["Wax"].shape
    _check_columns(values, n_a, n_x, "Wya", ("Waa", *names), {"Waa": (n_a, n_a)})


def _check_lstm(values: Mapping[str, Floats], *names: str) -> None:
    _check_rank("a_prev", values["a_prev"], "n_a, m")
    _check_rank("xt", values["xt"], "n_x, m")
    n_a, n_x = len(values["a_prev"]), len(values["xt"])
    gates = dict.fromkeys(_letters("W"), (n_a, n_a + n_x))
    _check_columns(values, n_a, n_x, "Wy", (*gates, *names), gates)


def _check_columns(
    values: Mapping[str, Floats],
    n_a: int,
    n_x: int,
    readout: str,
    names: Sequence[str],
    weights: Mapping[str, tuple[int, ...]],
) -> None:
    """Weights have the shapes given, biases are columns, the rest is (n, m)."""
    _check_rank("xt", values["xt"], "n_x, m")
    m = values["xt"].shape[1]
    expected = {"xt": (n_x, m), **weights}
    expected |= dict.fromkeys(("ba", *_letters("b")), (n_a, 1))
    if readout in values:
        _check_rank(readout, values[readout], "n_y, n_a")
        n_y = len(values[readout])
        expected |= {readout: (n_y, n_a), "by": (n_y, 1)}
    for name in names:
        _expect(name, values[name], expected.get(name, (n_a, m)))


def _check_steps(name: str, array: Floats) -> None:
    _check_rank(name, array, "n, m, T_x")
    if array.shape[2] == 0:
        raise ValueError(f"expected {name} of at least one step, got {array.shape}")


def _check_way_back(da: ArrayLike, caches: Caches) -> tuple[Floats, Sequence[Cache]]:
    da = np.asarray(da)
    _check_steps("da", da)
    steps = _open(caches, ("caches of the steps", "x"))["caches of the steps"]
    if da.shape[2] > len(steps):
        raise ValueError(
            f"expected da of at most {len(steps)} steps, as many as the caches hold, "
            f"got {da.shape}"
        )
    return da, steps


def _check_labels(y_pred: ArrayLike, labels: ArrayLike) -> tuple[Floats, Any]:
    """y_pred, and the index of what the labels choose of it."""
    y, chosen = _floats({"y_pred": y_pred})["y_pred"], np.asarray(labels)
    if y.ndim < 2 or chosen.shape != y.shape[1:] or chosen.dtype.kind not in "iu":
        raise ValueError(
            f"expected labels: integers {y.shape[1:]} to match y_pred {y.shape}, got "
            f"{chosen.dtype} {chosen.shape}; one-hot labels become integers by "
            "argmax(axis=0)"
        )
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= len(y):
        raise ValueError(
            f"expected labels in [0, {len(y)}), at least one, got {chosen.size} "
            "with values out of range"
        )
    return y, (chosen, *np.indices(chosen.shape))
