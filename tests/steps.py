"""Step functions as people write them, each with params, a start state and inputs."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

T, B, X, H = 7, 5, 3, 4


class Recurrence(NamedTuple):
    step: Any
    params: Any
    start: Any
    xs: Any


def drawn(seed=0):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape) / np.sqrt(max(1, *shape[:1], 1)))

    return draw


def lstm(p, state, x):
    h, c = state
    z = x @ p["w_x"] + h @ p["w_h"] + p["b"]
    i, f, g, o = jnp.split(z, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


def gru_of_separate_gates(p, h, x):
    """Three products with h and three with x, as Flax and Haiku write it."""
    r = jax.nn.sigmoid(x @ p["xr"] + h @ p["hr"] + p["r"])
    z = jax.nn.sigmoid(x @ p["xz"] + h @ p["hz"] + p["z"])
    n = jnp.tanh(x @ p["xn"] + p["n"] + r * (h @ p["hn"] + p["m"]))
    h = (1 - z) * n + z * h
    return h, h


def gru_of_joined_inputs(p, h, x):
    """[x, h] W: the part of x must leave the loop."""
    xh = jnp.concatenate([x, h], -1)
    r = jax.nn.sigmoid(xh @ p["r"])
    z = jax.nn.sigmoid(xh @ p["z"])
    n = jnp.tanh(jnp.concatenate([x, r * h], -1) @ p["n"])
    h = z * h + (1 - z) * n
    return h, h


def one_by_one(p, h, x):
    """A cell of one sequence under vmap, W on the left, as Equinox has it."""

    def cell(h, x):
        h = jax.nn.silu(p["w"] @ x + p["u"] @ h + p["b"]) * p["g"]
        return h, h * p["k"] + h.sum()

    return jax.vmap(cell)(h, x)


def attention(p, state, x):
    """Over a fixed memory; the output is no part of the state."""
    a = jax.nn.softmax(state["h"] @ p["q"] @ p["memory"].T)
    h = jnp.tanh(a @ p["memory"] @ p["r"] + x @ p["x"])
    return {"h": h, "seen": state["seen"] + h**2}, h * jnp.sqrt(1 + state["seen"])


def spiking(p, v, x):
    """Leaky integrate-and-fire, with a surrogate of the derivative of a spike."""
    v = v * jax.nn.sigmoid(p["tau"]) + x @ p["w"]
    o = spike(v - 1.0)
    return v * (1 - o), o


@jax.custom_jvp
def spike(v):
    return (v > 0).astype(v.dtype)


@spike.defjvp
def _(primals, tangents):
    (v,), (d_v,) = primals, tangents
    return spike(v), d_v / (1 + jnp.abs(v)) ** 2


def layer_norm(p, h, x):
    a = h @ p["w"] + x @ p["v"]
    a = (a - a.mean(-1, keepdims=True)) / jnp.sqrt(a.var(-1, keepdims=True) + 1e-5)
    h = jnp.tanh(p["scale"] * a + p["shift"]) / (1 + p["q"] ** 2)
    return h, h


def ode(p, h, x):
    """A loop within the step, which is written out, and a branch, which is not: the
    gradient of the weights that it reads stays in the loop over time.
    """

    def euler(_, h):
        return h + 0.1 * jnp.tanh(h @ p["w"] + x @ p["v"])

    h = jax.lax.fori_loop(0, 3, euler, h)
    h = jax.lax.cond(h[0, 0] > 9, lambda: h, lambda: h + jnp.sin(h @ p["w"]))
    return h, h * p["scale"]


def convolution(p, h, x):
    """A convolutional recurrence over 6 places."""
    options = dict(dimension_numbers=("NWC", "WIO", "NWC"))
    h = jax.lax.conv_general_dilated(h, p["k"], (1,), "SAME", **options)
    h = jnp.tanh(h + jnp.einsum("bx,xh->bh", x, p["v"])[:, None])
    return h, h


def kalman(p, state, x):
    """Mean and covariance; products of the state with itself, and a solve."""
    m, s = state
    m, s = m @ p["a"].T, p["a"] @ s @ p["a"].T + p["q"] @ p["q"].T + jnp.eye(H)
    y, c = x - m @ p["c"].T, p["c"]
    gain = jnp.linalg.solve(c @ s @ c.T + jnp.eye(X), c @ s).T
    m, s = m + y @ gain.T, s - gain @ c @ s
    return (m, s), m


def policy(p, state, x):
    """A step that resets itself where an episode ends, and counts."""
    h, steps = state
    done = (steps % 3) == 2
    h = jnp.where(done[:, None], 0, h)
    h = jnp.tanh(h @ p["w"] + x @ p["v"] + p["e"][steps % 2])
    return (h, steps + 1), h @ p["out"]


def hands_on(p, h, x):
    """Of its outputs one is a weight, and one an input."""
    h = jnp.tanh(h @ p["w"] + x @ p["v"])
    return h, (h, p["w"], x)


def inputs_and_state(p, h, x):
    """A weight, an input and the state meet in one operation."""
    top = jnp.broadcast_to(jnp.exp(p["top"]), h.shape)
    h = jnp.tanh(jax.lax.clamp((x @ p["v"]) ** 2, top, 1 + 3 * jnp.abs(h)))
    return h * p["g"] + x @ p["v"], h


def recurrences():
    d = drawn()
    xs, h = d(T, B, X), d(B, H)
    gates = {k + g: d(X if k == "x" else H, H) for k in "xh" for g in "rzn"}
    return {
        "lstm": Recurrence(
            lstm,
            {"w_x": d(X, 4 * H), "w_h": d(H, 4 * H), "b": d(4 * H)},
            (h, d(B, H)),
            xs,
        ),
        "gru of separate gates": Recurrence(
            gru_of_separate_gates, gates | {k: d(H) for k in "rznm"}, h, xs
        ),
        "gru of joined inputs": Recurrence(
            gru_of_joined_inputs, {k: d(X + H, H) for k in "rzn"}, h, xs
        ),
        "one by one": Recurrence(
            one_by_one,
            {"w": d(H, X), "u": d(H, H), "b": d(H), "g": d(H), "k": d(1)[0]},
            h,
            xs,
        ),
        "attention": Recurrence(
            attention,
            {"q": d(H, 6), "memory": d(9, 6), "r": d(6, H), "x": d(X, H)},
            {"h": h, "seen": d(B, H) ** 2},
            xs,
        ),
        "spiking": Recurrence(spiking, {"tau": d(H), "w": d(X, H)}, h, xs),
        "layer norm": Recurrence(
            layer_norm,
            {"w": d(H, H), "v": d(X, H), "scale": d(H), "shift": d(H), "q": d(H)},
            h,
            xs,
        ),
        "ode": Recurrence(ode, {"w": d(H, H), "v": d(X, H), "scale": d(H)}, h, xs),
        "convolution": Recurrence(
            convolution, {"k": d(3, H, H), "v": d(X, H)}, d(B, 6, H), xs
        ),
        "kalman": Recurrence(
            kalman,
            {"a": d(H, H), "q": d(H, H), "c": d(X, H)},
            (h, jnp.broadcast_to(jnp.eye(H), (H, H))),
            xs,
        ),
        "hands on": Recurrence(hands_on, {"w": d(H, H), "v": d(X, H)}, h, xs),
        "inputs and state": Recurrence(
            inputs_and_state, {"v": d(X, H), "top": d(H), "g": d(H)}, h, xs
        ),
        "policy": Recurrence(
            policy,
            {"w": d(H, H), "v": d(X, H), "e": d(2, H), "out": d(H, 2)},
            (h, jnp.arange(B)),
            xs,
        ),
    }
