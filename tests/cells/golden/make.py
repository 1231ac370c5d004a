"""Computes golden.json by other people's implementations, in float64.

torch for RNN, GRU and LSTM, Flax for GRU and LSTM, Haiku for the GRU with the reset
before. Run once, with those three installed; the suite needs only the file::

    pip install torch flax dm-haiku && python tests/cells/golden/make.py
"""

import json
import pathlib

import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import torch

T, B, X, H = 5, 3, 2, 4
jax.config.update("jax_enable_x64", True)


def draw(gates, states, seed):
    """Inputs, weights in our layout, start states, and cotangents of all results."""
    rng = np.random.default_rng(seed)
    shapes = {
        "xs": (T, B, X),
        "w_x": (X, gates * H),
        "w_h": (H, gates * H),
        "b": (gates * H,),
        "b_hn": (H,),
        "d_outputs": (T, B, H),
    }
    shapes |= {name: (B, H) for name in states}
    shapes |= {f"d_final_{name}": (B, H) for name in states}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def by_torch(kind, given, states):
    """Values and gradients of torch.nn.RNN, GRU or LSTM."""
    module = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind]
    net = module(X, H).double()
    leaves = {
        name: torch.tensor(given[name], requires_grad=True)
        for name in ("xs", "w_x", "w_h", "b", "b_hn", *states)
    }
    zeros = torch.zeros_like(leaves["b"])
    if kind == "gru":  # b_hn is the last third of the recurrent bias
        zeros = torch.cat((zeros[: 2 * H], leaves["b_hn"]))
    weights = {
        "weight_ih_l0": leaves["w_x"].T,
        "weight_hh_l0": leaves["w_h"].T,
        "bias_ih_l0": leaves["b"],
        "bias_hh_l0": zeros,
    }
    start = tuple(leaves[name][None] for name in states)
    start = start if kind == "lstm" else start[0]
    outputs, final = torch.func.functional_call(net, weights, (leaves["xs"], start))
    final = final if kind == "lstm" else (final,)
    loss = (outputs * torch.tensor(given["d_outputs"])).sum()
    for name, state in zip(states, final, strict=True):
        loss = loss + (state[0] * torch.tensor(given[f"d_final_{name}"])).sum()
    loss.backward()
    values = {"outputs": outputs.detach().numpy()}
    for name, state in zip(states, final, strict=True):
        values[f"final_{name}"] = state[0].detach().numpy()
    for name, leaf in leaves.items():
        if leaf.grad is not None:
            values[f"d_{name}"] = leaf.grad.numpy()
    return values


def by_jax(step, given, states, names):
    """Values and gradients of ``step(weights, state, x) -> state``, a Python loop."""

    def run(leaves):
        state = tuple(leaves[name] for name in states)
        outputs = []
        for x in leaves["xs"]:
            state = step(leaves, state, x)
            outputs.append(state[0])
        return (jnp.stack(outputs), *state)

    leaves = {name: jnp.asarray(given[name]) for name in (*names, "xs", *states)}
    values, pull = jax.vjp(run, leaves)
    d_finals = (given[f"d_final_{name}"] for name in states)
    (grads,) = pull((jnp.asarray(given["d_outputs"]), *map(jnp.asarray, d_finals)))
    names = ("outputs", *(f"final_{name}" for name in states))
    found = dict(zip(names, values, strict=True))
    return found | {f"d_{name}": grad for name, grad in grads.items()}


def columns(leaves, gates):
    """w_x, w_h and b, gate by gate."""
    return [jnp.split(leaves[name], gates, -1) for name in ("w_x", "w_h", "b")]


def flax_lstm(leaves, state, x):
    w_x, w_h, b = columns(leaves, 4)
    params = {}
    for k, gate in enumerate("ifgo"):
        params[f"i{gate}"] = {"kernel": w_x[k]}
        params[f"h{gate}"] = {"kernel": w_h[k], "bias": b[k]}
    h, c = state
    (c, h), _ = nn.LSTMCell(H, param_dtype=float).apply({"params": params}, (c, h), x)
    return h, c


def flax_gru(leaves, state, x):
    w_x, w_h, b = columns(leaves, 3)
    params = {}
    for k, gate in enumerate("rzn"):
        params[f"i{gate}"] = {"kernel": w_x[k], "bias": b[k]}
        params[f"h{gate}"] = {"kernel": w_h[k]}
    params["hn"]["bias"] = leaves["b_hn"]
    cell = nn.GRUCell(H, param_dtype=float)
    return (cell.apply({"params": params}, state[0], x)[0],)


def haiku_gru(leaves, state, x):
    """Haiku's z is the share of the candidate, 1 - z of ours: its gate is negated."""
    w_x, w_h, b = columns(leaves, 3)
    order = ((-1, 1), (1, 0), (1, 2))  # z, r, n

    def join(parts):
        return jnp.concatenate([sign * parts[k] for sign, k in order], -1)

    params = {"gru": {"w_i": join(w_x), "w_h": join(w_h), "b": join(b)}}
    net = hk.transform(lambda x, h: hk.GRU(H, name="gru")(x, h)[1])
    return (net.apply(params, None, x, state[0]),)


def main():
    """Writes the file beside this script."""
    weights = ("w_x", "w_h", "b")
    cases = {}
    for seed, (kind, gates) in enumerate({"rnn": 1, "gru": 3, "lstm": 4}.items()):
        states = ("h", "c") if kind == "lstm" else ("h",)
        given = draw(gates, states, seed)
        cases[f"torch-{kind}"] = given, by_torch(kind, given, states)
    given = draw(4, ("h", "c"), 7)
    cases["flax-lstm"] = given, by_jax(flax_lstm, given, ("h", "c"), weights)
    given = draw(3, ("h",), 8)
    cases["flax-gru"] = given, by_jax(flax_gru, given, ("h",), (*weights, "b_hn"))
    given = draw(3, ("h",), 9)
    cases["haiku-gru-reset-before"] = given, by_jax(haiku_gru, given, ("h",), weights)
    lists = jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), cases)
    path = pathlib.Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(lists) + "\n")


if __name__ == "__main__":
    main()
