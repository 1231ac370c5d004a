"""What is right: JAX's own differentiation of forward passes written out in plain jnp.

Nothing here is shared with the grading, and nothing is compiled: the programs are
traced once for each size and run by NumPy.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from by_numpy import by_numpy


class Sizes(NamedTuple):
    """Distinct, so that a transpose shows."""

    n_x: int = 2
    n_a: int = 5
    n_y: int = 6
    m: int = 3
    T: int = 4


def draw(like: str, sizes: Sizes = Sizes(), seed: int = 0) -> dict[str, Any]:
    """The inputs of a function of the exercise, and cotangents for what it returns."""
    cell, *_ = like.split("_")
    n_x, n_a, n_y, m, T = sizes
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> Any:
        return rng.normal(size=shape)

    if cell == "readout":
        weights = {"Wya": some(n_y, n_a), "by": some(n_y, 1)}
        labels = rng.integers(n_y, size=(m, T))
        return {"a": np.tanh(some(n_a, m, T)), "labels": labels, "parameters": weights}
    weights = {}
    if cell == "rnn":
        weights = {"Wax": some(n_a, n_x), "Waa": some(n_a, n_a), "ba": some(n_a, 1)}
        weights |= {"Wya": some(n_y, n_a), "by": some(n_y, 1)}
    else:
        for gate in "fico" if cell == "lstm" else "rzn":
            weights[f"W{gate}"] = some(n_a, n_a + n_x) / 2
            weights[f"b{gate}"] = some(n_a, 1)
        weights |= {"Wy": some(n_y, n_a), "by": some(n_y, 1)}
    steps = 1 if "cell" in like else T
    start = {"a0": some(n_a, m)} | ({"c0": some(n_a, m)} if cell == "lstm" else {})
    if cell == "lstm" and "cell" not in like:
        start["c0"] = 0 * start["c0"]
    cotangents = {"da": 30 * some(n_a, m, steps), "dc": 30 * some(n_a, m)}
    if "cell" not in like or cell != "lstm":
        cotangents["dc"] = 0 * cotangents["dc"]
    return {"x": some(n_x, m, steps), **start, "parameters": weights, **cotangents}


def step(cell: str, p: Any, x: Any, a: Any, c: Any) -> tuple[Any, Any, Any]:
    """One step in the exercise's layout: a, c and what the cache holds of it."""
    if cell == "rnn":
        a_next = jnp.tanh(p["Waa"] @ a + p["Wax"] @ x + p["ba"])
        return a_next, c, (a_next, a, x)
    n_a = a.shape[0]

    def gate(name: str, left: Any) -> Any:
        w = p[f"W{name}"]
        return w[:, :n_a] @ left + w[:, n_a:] @ x + p[f"b{name}"]

    if cell == "gru":
        r, z = jax.nn.sigmoid(gate("r", a)), jax.nn.sigmoid(gate("z", a))
        n = jnp.tanh(gate("n", r * a))
        return (1 - z) * n + z * a, c, ()
    f, i, o = (jax.nn.sigmoid(gate(name, a)) for name in "fio")
    g = jnp.tanh(gate("c", a))
    c_next = f * c + i * g
    a_next = o * jnp.tanh(c_next)
    return a_next, c_next, (a_next, c_next, a, c, f, i, g, o, x)


def forward(cell: str, p: Any, x: Any, a: Any, c: Any) -> Any:
    """All steps: (a of every step, c of the last), and the rest that is returned."""
    every, memories, caches, outputs = [], [], [], []
    names = {"rnn": ("Wya", "by")}.get(cell, ("Wy", "by"))
    for t in range(x.shape[2]):
        a, c, cache = step(cell, p, x[:, :, t], a, c)
        every.append(a)
        memories.append(c)
        caches.append(cache)
        outputs.append(jax.nn.softmax(p[names[0]] @ a + p[names[1]], axis=0))
    stacked = [jnp.stack(xs, -1) for xs in (every, memories, outputs)]
    return (stacked[0], c), (*stacked, caches)


@functools.cache
def program(cell: str) -> Any:
    """Forward and back, run by NumPy."""

    def run(x: Any, a0: Any, c0: Any, p: Any, da: Any, dc: Any) -> Any:
        function = functools.partial(forward, cell)
        _, pull, made = jax.vjp(
            lambda p, x, a, c: function(p, x, a, c), p, x, a0, c0, has_aux=True
        )
        return made, pull((da, dc))

    return by_numpy(run)


usual = functools.cache(draw)


def both_ways(cell: str, given: dict[str, Any]) -> Any:
    """What the program of a cell makes of the inputs; the last are remembered."""
    if (cell, id(given)) not in _last:
        names = ("x", "a0", "c0", "parameters", "da", "dc")
        full = {"c0": 0 * given["a0"]} | given
        _last.clear()
        _last[cell, id(given)] = given, program(cell)(*(full[name] for name in names))
    return _last[cell, id(given)][1]


_last: dict[Any, Any] = {}


def states(like: str, given: dict[str, Any]) -> Any:
    """a of every step, (n_a, m, T)."""
    return both_ways(like.split("_")[0], given)[0][0]


@functools.cache
def of_readout() -> Any:
    """Probabilities, and the gradients of the mean cross entropy."""

    def loss(a: Any, p: Any, one_hot: Any) -> Any:
        z = jnp.einsum("ya,amt->ymt", p["Wya"], a) + p["by"][:, :, None]
        y = jax.nn.softmax(z, axis=0)
        chosen = (jnp.log(y) * one_hot).sum(axis=0)
        return -chosen.mean(), y

    return by_numpy(jax.grad(loss, (0, 1), has_aux=True))


def expected(like: str, given: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """The right leaves by name, and the caches: a tuple for each step."""
    cell, *_ = like.split("_")
    if cell == "readout":
        n_y = len(given["parameters"]["Wya"])
        one_hot = np.moveaxis(np.eye(n_y)[given["labels"]], -1, 0)
        (da, dp), y = of_readout()(given["a"], given["parameters"], one_hot)
        return {"da": da, "dWya": dp["Wya"], "dby": dp["by"]}, y
    made, (dp, dx, da0, dc0) = both_ways(cell, given)
    a, c, y, caches = made
    p = given["parameters"]
    names = {"rnn": ("a_next", "a_prev", "xt")}.get(
        cell,
        ("a_next", "c_next", "a_prev", "c_prev", "ft", "it", "cct", "ot", "xt"),
    )
    tuples = [(*cache, p) for cache in caches]
    if like.endswith("forward"):
        leaves = {"rnn": {"a": a, "y_pred": y}}.get(cell, {"a": a, "c": c, "y": y})
        for k, name in enumerate(names):
            leaves[f"cache {name}"] = np.stack([cache[k] for cache in caches], -1)
        if "cell" in like:
            last = {name: value[..., 0] for name, value in leaves.items()}
            last["a_next"] = last.pop("a")
            last["yt_pred"] = last.pop("y_pred" if cell == "rnn" else "y")
            if cell == "lstm":
                last["c_next"] = last.pop("c")
            leaves = last
        return leaves, tuples
    weights = {f"d{k}": v for k, v in dp.items() if k not in ("Wya", "Wy", "by")}
    if "cell" in like:
        leaves = {"dxt": dx[..., 0], "da_prev": da0, **weights}
        return leaves | ({"dc_prev": dc0} if cell == "lstm" else {}), tuples
    return {"dx": dx, "da0": da0, **weights}, tuples
