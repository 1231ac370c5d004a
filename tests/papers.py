"""Recurrences of papers as step functions, written down as the papers have them.

Each has something that those of `steps.py` have not.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid
from steps import B, H, Recurrence, T, X, drawn


def echo_state(p, h, x):
    """Jaeger 2001, leaky: the reservoir is no param; its input and readout learn."""
    h = 0.7 * h + 0.3 * jnp.tanh(h @ RESERVOIR + x @ p["in"])
    return h, jnp.concatenate([h, x], -1) @ p["out"]


RESERVOIR = jnp.asarray(np.random.default_rng(5).normal(size=(H, H))) * 0.4


def gru_d(p, state, x):
    """Che et al. 2018: a missing value decays to the mean, and the state to zero."""
    h, last, since = state
    x, mask = jnp.split(x, 2, -1)
    seen = mask > 0
    last = jnp.where(seen, x, last)
    keep = jnp.exp(-jax.nn.relu(since * p["keep"] + p["keep_b"]))
    h = jnp.exp(-jax.nn.relu(since @ p["decay"] + p["decay_b"])) * h
    x = jnp.where(seen, x, keep * last + (1 - keep) * p["mean"])
    mask = seen.astype(x.dtype)
    z = sigmoid(x @ p["xz"] + h @ p["hz"] + mask @ p["mz"] + p["z"])
    r = sigmoid(x @ p["xr"] + h @ p["hr"] + mask @ p["mr"] + p["r"])
    n = jnp.tanh(x @ p["xn"] + (r * h) @ p["hn"] + mask @ p["mn"] + p["n"])
    h = (1 - z) * h + z * n
    return (h, last, jnp.where(seen, 1.0, 1.0 + since)), h


def mogrifier(p, h, x):
    """Melis et al. 2020, of a simple cell: input and state gate each other first."""
    for q, r in zip(p["q"], p["r"], strict=True):
        x = 2 * sigmoid(h @ q) * x
        h = 2 * sigmoid(x @ r) * h
    h = jnp.tanh(x @ p["w"] + h @ p["u"] + p["b"])
    return h, h


def delta_rule(p, s, x):
    """Schlag et al. 2021: a matrix of fast weights for each sequence."""
    q, k, v, beta = x @ p["q"], x @ p["k"], x @ p["v"], sigmoid(x @ p["beta"])
    k = k / jnp.linalg.norm(k, axis=-1, keepdims=True)
    old = jnp.einsum("bkv,bk->bv", s, k)
    s = s + jnp.einsum("b,bk,bv->bkv", beta, k, v - old)
    return s, jnp.einsum("bkv,bk->bv", s, q) @ p["out"]


def legendre(p, state, x):
    """Voelker et al. 2019: weights that are vectors, and a memory that is given."""
    h, m = state
    u = x @ p["ex"] + h @ p["eh"] + m @ p["em"]
    m = m @ MEMORY + u[:, None]
    h = jnp.tanh(x @ p["wx"] + h @ p["wh"] + m @ p["wm"])
    return (h, m), h


MEMORY = jnp.eye(6) - 0.3 * jnp.tril(jnp.ones((6, 6))).T


def highway(p, h, x):
    """Zilly et al. 2017: three layers within a step, their weights in one array."""
    for layer in range(3):
        a = h @ p["r"][layer] + p["b"][layer]
        a = a + x @ p["w"] if layer == 0 else a
        n, t = jnp.split(a, 2, -1)
        h = h + sigmoid(t) * (jnp.tanh(n) - h)
    return h, h


def antisymmetric(p, h, x):
    """Chang et al. 2019: of a weight and its transpose; the product serves twice."""
    w = p["w"] - p["w"].T - 0.1 * jnp.eye(H)
    z = sigmoid(h @ w + x @ p["vz"] + p["bz"])
    h = h + 0.1 * z * jnp.tanh(h @ w + x @ p["v"] + p["b"])
    return h, h


def receptance(p, state, x):
    """Peng et al. 2023 (RWKV): the input before is state; sums of exponentials."""
    total, weights, before = state
    k, v, r = (
        (x * m + before * (1 - m)) @ w for m, w in zip(p["m"], p["w"], strict=True)
    )
    now = jnp.exp(p["u"] + k)
    y = (total + now * v) / (weights + now)
    fade = jnp.exp(-jnp.exp(p["fade"]))
    total, weights = fade * total + jnp.exp(k) * v, fade * weights + jnp.exp(k)
    return (total, weights, x), (sigmoid(r) * y) @ p["out"]


def selective(p, s, x):
    """Gu and Dao 2023 (Mamba): all that the step does is made of the input."""
    a, z = x @ p["in"], jax.nn.silu(x @ p["gate"])
    dt = jax.nn.softplus(x @ p["dt"] + p["dt_b"])[..., None]
    s = jnp.exp(-dt * jnp.exp(p["a"])) * s + dt * a[..., None] * (x @ p["b"])[:, None]
    return s, z * (jnp.einsum("bhn,bn->bh", s, x @ p["c"]) + p["d"] * a)


def papers():
    d = drawn(7)
    xs, h = d(T, B, X), d(B, H)
    gates = {
        k + g: d(H if k == "h" else X, H) for k in "xhm" for g in "zrn"
    } | {k: d(H) for k in ("z", "r", "n", "decay_b")}  # fmt: skip
    decays = {"keep": d(X), "keep_b": d(X), "mean": d(X), "decay": d(X, H)}
    return {
        "echo state": Recurrence(
            echo_state, {"in": d(X, H), "out": d(H + X, 2)}, h, xs
        ),
        "gru-d": Recurrence(
            gru_d, gates | decays, (h, d(B, X), jnp.ones((B, X))), d(T, B, 2 * X)
        ),
        "mogrifier": Recurrence(
            mogrifier,
            {"q": d(2, H, X), "r": d(2, X, H), "w": d(X, H), "u": d(H, H), "b": d(H)},
            h,
            xs,
        ),
        "delta rule": Recurrence(
            delta_rule,
            {k: d(X, H) for k in "qkv"} | {"beta": d(X), "out": d(H, H)},
            d(B, H, H),
            xs,
        ),
        "legendre": Recurrence(
            legendre,
            {"ex": d(X), "eh": d(H), "em": d(6)}
            | {"wx": d(X, H), "wh": d(H, H), "wm": d(6, H)},
            (h, d(B, 6)),
            xs,
        ),
        "highway": Recurrence(
            highway, {"w": d(X, 2 * H), "r": d(3, H, 2 * H), "b": d(3, 2 * H)}, h, xs
        ),
        "antisymmetric": Recurrence(
            antisymmetric,
            {"w": d(H, H), "v": d(X, H), "vz": d(X, H), "b": d(H), "bz": d(H)},
            h,
            xs,
        ),
        "receptance": Recurrence(
            receptance,
            {"m": d(3, X), "w": d(3, X, H), "u": d(H), "fade": d(H), "out": d(H, H)},
            (h, jnp.abs(d(B, H)), d(B, X)),
            xs,
        ),
        "selective": Recurrence(
            selective,
            {k: d(X, H) for k in ("in", "gate", "dt")}
            | {"dt_b": d(H), "a": d(H, 2), "b": d(X, 2), "c": d(X, 2), "d": d(H)},
            d(B, H, 2),
            xs,
        ),
    }
