"""Computes golden.npz by other people's code, in float64.

Where a library has the cell, by the library: torch.nn.LSTM(proj_size=), Flax's MGUCell
and ConvLSTMCell, Haiku's Conv1DLSTM and Conv2DLSTM. Where none has, by a loop written
here in torch from the paper's equations, gate by gate, and differentiated by torch. Of
each case: outputs, final state, and gradients by weights, inputs and start. Run once,
with the libraries installed; the suite needs only the file::

    pip install torch flax dm-haiku && python tests/shelf/golden/make.py

Weights and inputs are multiples of 1/64, so that the file is small.
"""

import pathlib

import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn.functional import layer_norm

T, B, X, H, P, C = 5, 3, 2, 4, 3, 2
jax.config.update("jax_enable_x64", True)
torch.set_default_dtype(torch.float64)
σ, tanh = torch.sigmoid, torch.tanh


def draw(shapes, seed):
    """Multiples of 1/64 in [-3/4, 3/4], none of them 0."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(1, 49, shape) * rng.choice([-1, 1], shape) / 64
        for name, shape in shapes.items()
    }


def case(seed, *, gates=1, states=("h",), places=(), out=H, **weights):
    """Arrays in our layout, by the names of params and states."""
    h = {"h": (B, *places, out), "c": (B, *places, H)}
    shapes = {"xs": (T, B, *places, X), "d_outputs": (T, *h["h"])}
    if not places:
        shapes |= {"w_x": (X, gates * H), "w_h": (out, gates * H)}
    shapes |= weights
    for name in states:
        shapes |= {name: h[name], f"d_final_{name}": h[name]}
    return draw(shapes, seed), states


# Loops in torch, from the papers.


def columns(array, count):
    return torch.chunk(array, count, -1)


def affine(w, state, x, names):
    """x W_x + h W_h (+ b), gate by gate."""
    count = len(names)
    found = []
    for k in range(count):
        z = x @ columns(w["w_x"], count)[k] + state[0] @ columns(w["w_h"], count)[k]
        found.append(z + columns(w["b"], count)[k] if "b" in w else z)
    return found


def peephole(w, state, x):
    _, c = state
    i, f, g, o = affine(w, state, x, "ifgo")
    c_new = σ(f + w["p"][1] * c) * c + σ(i + w["p"][0] * c) * tanh(g)
    return σ(o + w["p"][2] * c_new) * tanh(c_new), c_new


def coupled(w, state, x):
    f, g, o = affine(w, state, x, "fgo")
    i = 1 - σ(f)
    c = state[1] * (1 - i) + i * tanh(g)
    return σ(o) * tanh(c), c


def layer_norm_lstm(w, state, x):
    h, c = state
    z = layer_norm(h @ w["w_h"], (4 * H,), w["s_h"], eps=1e-5)
    z = z + layer_norm(x @ w["w_x"], (4 * H,), w["s_x"], w["b"], eps=1e-5)
    i, f, g, o = columns(z, 4)
    c = σ(f) * c + σ(i) * tanh(g)
    return σ(o) * tanh(layer_norm(c, (H,), w["s_c"], w["b_c"], eps=1e-5)), c


def layer_norm_gru(w, state, x):
    (h,) = state
    rz, n = slice(0, 2 * H), slice(2 * H, 3 * H)

    def normed(array, weights, scale, part, shift=None):
        size = (part.stop - part.start,)
        return layer_norm(array @ weights[:, part], size, scale[part], shift, eps=1e-5)

    gates = normed(h, w["w_h"], w["s_h"], rz)
    r, z = columns(σ(gates + normed(x, w["w_x"], w["s_x"], rz, w["b"][rz])), 2)
    recurrent = normed(h, w["w_h"], w["s_h"], n, w["b_hn"])
    new = tanh(normed(x, w["w_x"], w["s_x"], n, w["b"][n]) + r * recurrent)
    share = 1 - z  # the paper's z
    return ((1 - share) * h + share * new,)


def mgu_of_the_paper(w, state, x):
    (h,) = state
    w_f, w_n = columns(w["w_h"], 2)
    x_f, x_n = columns(x @ w["w_x"] + w["b"], 2)
    f = σ(x_f + h @ w_f)
    return ((1 - f) * h + f * tanh((f * h) @ w_n + x_n),)


def ugrnn(w, state, x):
    g, c = affine(w, state, x, "gc")
    return (σ(g) * state[0] + (1 - σ(g)) * tanh(c),)


def leaky(w, state, x):
    """One unit of time in steps of 0.5: exact for the input that is held."""
    (h,) = state
    (z,) = affine(w, state, x, "h")
    held = torch.exp(-0.5 / torch.exp(w["log_tau"]))
    return (held * h + (1 - held) * tanh(z),)


def euler(w, state, x):
    (h,) = state
    (z,) = affine(w, state, x, "h")
    return (h + 0.5 * (torch.relu(z) - h) / torch.exp(w["log_tau"]),)


def orthogonal(w, state, x):
    skew, k = torch.zeros(H, H), 0
    for i in range(H):
        for j in range(i + 1, H):
            unit = torch.zeros(H, H)
            unit[i, j], unit[j, i] = 1, -1
            skew, k = skew + w["a"][k] * unit, k + 1
    one = torch.eye(H)
    d = torch.diag(torch.tensor([-1.0] + [1.0] * (H - 1)))
    z = x @ w["w_x"] + state[0] @ torch.linalg.inv(one + skew) @ (one - skew) @ d
    return (torch.sign(z) * torch.relu(torch.abs(z) + w["b"]),)


def by_torch(step, given, states):
    """Values and gradients of ``step(weights, state, x) -> state``."""
    leaves = {
        name: torch.tensor(value, requires_grad=True)
        for name, value in given.items()
        if not name.startswith("d_")
    }
    outputs, final = (
        step.run(leaves, states) if hasattr(step, "run") else loop(step, leaves, states)
    )
    loss = (outputs * torch.tensor(given["d_outputs"])).sum()
    for name, state in zip(states, final, strict=True):
        loss = loss + (state * torch.tensor(given[f"d_final_{name}"])).sum()
    loss.backward()
    found = {"outputs": outputs.detach().numpy()}
    for name, state in zip(states, final, strict=True):
        found[f"final_{name}"] = state.detach().numpy()
    return found | {f"d_{name}": leaf.grad.numpy() for name, leaf in leaves.items()}


def loop(step, leaves, states):
    state, outputs = tuple(leaves[name] for name in states), []
    for x in leaves["xs"]:
        state = step(leaves, state, x)
        outputs.append(state[0])
    return torch.stack(outputs), state


class Projected:
    """torch.nn.LSTM(proj_size=)."""

    @staticmethod
    def run(leaves, states):
        net = torch.nn.LSTM(X, H, proj_size=P)
        weights = {
            "weight_ih_l0": leaves["w_x"].T,
            "weight_hh_l0": leaves["w_h"].T,
            "bias_ih_l0": leaves["b"],
            "bias_hh_l0": torch.zeros(4 * H),
            "weight_hr_l0": leaves["w_p"].T,
        }
        start = tuple(leaves[name][None] for name in states)
        outputs, final = torch.func.functional_call(net, weights, (leaves["xs"], start))
        return outputs, tuple(state[0] for state in final)


# Cells of Flax and Haiku.


def by_jax(step, given, states):
    """Values and gradients of ``step(weights, state, x) -> state``, a Python loop."""

    def run(leaves):
        state, outputs = tuple(leaves[name] for name in states), []
        for x in leaves["xs"]:
            state = step(leaves, state, x)
            outputs.append(state[0])
        return (jnp.stack(outputs), *state)

    leaves = {k: jnp.asarray(v) for k, v in given.items() if not k.startswith("d_")}
    values, pull = jax.vjp(run, leaves)
    d_finals = (given[f"d_final_{name}"] for name in states)
    (grads,) = pull((jnp.asarray(given["d_outputs"]), *map(jnp.asarray, d_finals)))
    names = ("outputs", *(f"final_{name}" for name in states))
    found = dict(zip(names, values, strict=True))
    return found | {f"d_{name}": grad for name, grad in grads.items()}


def flax_mgu(w, state, x):
    parts = {k: jnp.split(w[k], 2, -1) for k in ("w_x", "w_h", "b")}
    params = {}
    for k, gate in enumerate("fn"):
        params[f"i{gate}"] = {"kernel": parts["w_x"][k], "bias": parts["b"][k]}
        params[f"h{gate}"] = {"kernel": parts["w_h"][k]}
    params["hn"]["bias"] = w["b_hn"]
    cell = nn.MGUCell(H, param_dtype=float)
    return (cell.apply({"params": params}, state[0], x)[0],)


def to_igfo(array):
    """Channels i, f, g, o as those two libraries have them."""
    i, f, g, o = jnp.split(array, 4, -1)
    return jnp.concatenate((i, g, f, o), -1)


def bias_of(w):
    """Both add 1 to what goes into the forget gate."""
    i, f, g, o = jnp.split(w["b"], 4, -1)
    return to_igfo(jnp.concatenate((i, f - 1, g, o)))


def flax_conv(kernel):
    def step(w, state, x):
        h, c = state
        params = {
            "ih": {"kernel": to_igfo(w["k_x"]), "bias": bias_of(w)},
            "hh": {"kernel": to_igfo(w["k_h"]), "bias": jnp.zeros(4 * H)},
        }
        cell = nn.ConvLSTMCell(H, kernel_size=kernel, param_dtype=float)
        (c, h), _ = cell.apply({"params": params}, (c, h), x)
        return h, c

    return step


def haiku_conv(layer, places, kernel):
    name = layer.__name__.lower()

    def step(w, state, x):
        params = {
            f"{name}/input_to_hidden": {"w": to_igfo(w["k_x"]), "b": bias_of(w)},
            f"{name}/hidden_to_hidden": {
                "w": to_igfo(w["k_h"]),
                "b": jnp.zeros(4 * H),
            },
        }

        def run(x, h, c):
            core = layer((*places, X), H, kernel, name=name)
            return core(x, hk.LSTMState(h, c))[1]

        after = hk.transform(run).apply(params, None, x, *state)
        return after.hidden, after.cell

    return step


def conv(seed, places, kernel):
    return case(
        seed,
        states=("h", "c"),
        places=places,
        k_x=(*kernel, X, 4 * H),
        k_h=(*kernel, H, 4 * H),
        b=(4 * H,),
    )


LINE, PLANE = (5,), (4, 3)
both = ("h", "c")
CASES = {
    "peephole_lstm": (
        by_torch, peephole, case(0, gates=4, states=both, p=(3, H), b=(4 * H,))
    ),
    "projected_lstm": (
        by_torch,
        Projected,
        case(1, gates=4, states=both, out=P, w_p=(H, P), b=(4 * H,)),
    ),
    "coupled_lstm": (by_torch, coupled, case(2, gates=3, states=both, b=(3 * H,))),
    "layer_norm_lstm": (
        by_torch,
        layer_norm_lstm,
        case(
            3, gates=4, states=both, s_x=(4 * H,), s_h=(4 * H,), s_c=(H,),
            b=(4 * H,), b_c=(H,),
        ),
    ),
    "layer_norm_gru": (
        by_torch,
        layer_norm_gru,
        case(4, gates=3, s_x=(3 * H,), s_h=(3 * H,), b=(3 * H,), b_hn=(H,)),
    ),
    "mgu": (by_jax, flax_mgu, case(5, gates=2, b=(2 * H,), b_hn=(H,))),
    "mgu of the paper": (by_torch, mgu_of_the_paper, case(6, gates=2, b=(2 * H,))),
    "ugrnn": (by_torch, ugrnn, case(7, gates=2, b=(2 * H,))),
    "conv_lstm on a line": (by_jax, flax_conv((3,)), conv(8, LINE, (3,))),
    "conv_lstm in a plane": (by_jax, flax_conv((3, 2)), conv(9, PLANE, (3, 2))),
    "conv_lstm on a line by Haiku": (
        by_jax, haiku_conv(hk.Conv1DLSTM, LINE, (2,)), conv(10, LINE, (2,))
    ),
    "conv_lstm in a plane by Haiku": (
        by_jax, haiku_conv(hk.Conv2DLSTM, PLANE, (2, 3)), conv(11, PLANE, (2, 3))
    ),
    "leaky_rnn": (by_torch, leaky, case(12, log_tau=(H,), b=(H,))),
    "leaky_rnn by Euler": (by_torch, euler, case(13, log_tau=(H,), b=(H,))),
    "orthogonal_rnn": (by_torch, orthogonal, case(14, a=(H * (H - 1) // 2,), b=(H,))),
}  # fmt: skip


def main():
    """Writes the file beside this script."""
    arrays = {}
    for name, (run, step, (given, states)) in CASES.items():
        if name == "orthogonal_rnn":
            given.pop("w_h")
        for kind, values in (("given", given), ("want", run(step, given, states))):
            for key, value in values.items():
                arrays[f"{name}/{kind}/{key}"] = np.asarray(value)
    np.savez_compressed(pathlib.Path(__file__).with_name("golden.npz"), **arrays)


if __name__ == "__main__":
    main()
