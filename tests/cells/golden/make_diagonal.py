"""Computes diagonal.json, of the cells whose units do not meet, in float64.

The minimal GRU and the linear recurrent unit are those of memorax, an associative scan
that JAX differentiates. The independently recurrent network and the minimal LSTM were
found in no library for JAX; they are written here from their papers, in NumPy, a step
at a time, and differentiated by the complex step, Im L(x + i e) / e, which needs no
rule. Run once; the suite needs only the file::

    pip install --no-deps memorax && pip install flax
    python tests/cells/golden/make_diagonal.py

A complex array stands in the file with a last axis of two, real and imaginary part.

Sources: Squire and Trapp 1998, "Using Complex Variables to Estimate Derivatives of Real
Functions"; the papers stand in the files of the cells.
"""

import importlib.util
import json
import pathlib
import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

T, B, X, H = 5, 3, 2, 4
STEP = 1e-100
ROOT = importlib.util.find_spec("memorax")
jax.config.update("jax_enable_x64", True)


def draw(shapes, seed, pair=()):
    """Inputs, params, start, cotangents; states in pairs where they are complex."""
    rng = np.random.default_rng(seed)
    shapes |= {"xs": (T, B, X), "h": (B, H, *pair)}
    shapes |= {"d_outputs": (T, B, H, *pair), "d_final_h": (B, H, *pair)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def ind_rnn(p, h, x):
    """Li et al. 2018, equation 1, with tanh."""
    return np.tanh(x @ p["w_x"] + p["u"] * h + p["b"])


def min_lstm(p, h, x):
    """Feng et al. 2024, section 3.2: gates divided by their sum."""
    f, i, c = np.split(x @ p["w_x"] + p["b"], 3, axis=-1)
    f, i = sigmoid(f), sigmoid(i)
    return f / (f + i) * h + i / (f + i) * c


def by_complex_step(step, given):
    """Values, and the gradient entry by entry."""

    def run(values):
        h, outputs = values["h"], []
        for x in values["xs"]:
            h = step(values, h, x)
            outputs.append(h)
        return np.stack(outputs), h

    def loss(values):
        outputs, final = run(values)
        by_output = np.sum(outputs * given["d_outputs"])
        return by_output + np.sum(final * given["d_final_h"])

    outputs, final = run(given)
    made = {"outputs": outputs, "final_h": final}
    for name, leaf in given.items():
        if name.startswith("d_"):
            continue
        slopes = np.zeros(leaf.shape)
        for at in np.ndindex(leaf.shape):
            moved = leaf.astype(complex)
            moved[at] += 1j * STEP
            slopes[at] = loss(given | {name: moved}).imag / STEP
        made[f"d_{name}"] = slopes
    return made


def memorax(module):
    """One module of memorax, without its packages, which import a world."""
    root = pathlib.Path(ROOT.submodule_search_locations[0])
    for name in ("", ".utils", ".networks", ".networks.sequence_models"):
        package = types.ModuleType(f"memorax{name}")
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules.setdefault(f"memorax{name}", package)
    names = types.ModuleType("memorax.utils.typing")
    names.__getattr__ = lambda name: Any
    sys.modules.setdefault(names.__name__, names)
    return importlib.import_module(f"memorax.networks.sequence_models.{module}")


def over_time(cell, elements, entry):
    """The carry after every step, (B, T, ·), by the library's own operator."""
    joined = jax.tree.map(
        lambda first, rest: jnp.concatenate((first, rest), 1), entry, elements
    )
    made = jax.lax.associative_scan(jax.vmap(cell.binary_operator), joined, axis=1)
    return jax.tree.map(lambda leaf: leaf[:, 1:], made)


def min_gru(leaves):
    cell = memorax("min_gru").MinGRUCell(H, param_dtype=float)
    z, c = jnp.split(leaves["w_x"], 2, axis=-1)
    params = {"params": {"z": {"kernel": z}, "h": {"kernel": c}}}
    elements = cell.apply(params, leaves["xs"].swapaxes(0, 1))
    entry = jnp.log(leaves["h"])[:, None], jnp.zeros((B, 1, H))
    outputs = jnp.exp(over_time(cell, elements, entry)[0]).swapaxes(0, 1)
    return outputs, outputs[-1]


def lru(leaves):
    cell = memorax("lru").LRUCell(features=X, hidden_dim=H)
    real, imag = jnp.split(leaves["w_x"].T, 2)
    params = {"nu_log": leaves["nu"], "theta_log": leaves["theta"]}
    params |= {"gamma_log": leaves["gamma"], "B_real": real, "B_imag": imag}
    params |= {"C_real": jnp.eye(X, H), "C_imag": jnp.eye(X, H), "D": jnp.ones(X)}
    elements = cell.apply({"params": params}, leaves["xs"].swapaxes(0, 1))
    h = jax.lax.complex(leaves["h"][..., 0], leaves["h"][..., 1])[:, None]
    states = over_time(cell, elements, (jnp.ones_like(h), h))[1].swapaxes(0, 1)
    outputs = jnp.stack((states.real, states.imag), -1)
    return outputs, outputs[-1]


def by_jax(run, given):
    leaves = {k: jnp.asarray(v) for k, v in given.items() if not k.startswith("d_")}
    (outputs, final), pull = jax.vjp(run, leaves)
    (grads,) = pull((jnp.asarray(given["d_outputs"]), jnp.asarray(given["d_final_h"])))
    values = {"outputs": outputs, "final_h": final}
    return values | {f"d_{name}": grad for name, grad in grads.items()}


def main():
    """Writes the file beside this script."""
    of_gates = {"w_x": (X, 3 * H), "b": (3 * H,)}
    cases = {}
    given = draw({"w_x": (X, H), "u": (H,), "b": (H,)}, 0)
    cases["paper-ind-rnn"] = given, by_complex_step(ind_rnn, given)
    given = draw(of_gates, 1)
    cases["paper-min-lstm"] = given, by_complex_step(min_lstm, given)
    given = draw({"w_x": (X, 2 * H)}, 2)
    given["h"] = np.abs(given["h"])  # a logarithm is taken of it
    cases["memorax-min-gru"] = given, by_jax(min_gru, given)
    of_lru = {name: (H,) for name in ("nu", "theta", "gamma")}
    given = draw({**of_lru, "w_x": (X, 2 * H)}, 3, (2,))
    cases["memorax-lru"] = given, by_jax(lru, given)
    lists = jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), cases)
    path = pathlib.Path(__file__).with_name("diagonal.json")
    path.write_text(json.dumps(lists) + "\n")


if __name__ == "__main__":
    main()
