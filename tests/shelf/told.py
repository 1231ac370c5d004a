"""The cells of the shelf by the names of golden.npz, and what stands there of each."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from scanrnn import shelf

H = 4
CELLS = {
    "peephole_lstm": lambda: shelf.peephole_lstm(H),
    "projected_lstm": lambda: shelf.projected_lstm(H, 3),
    "coupled_lstm": lambda: shelf.coupled_lstm(H),
    "layer_norm_lstm": lambda: shelf.layer_norm_lstm(H),
    "layer_norm_gru": lambda: shelf.layer_norm_gru(H),
    "mgu": lambda: shelf.mgu(H),
    "mgu of the paper": lambda: shelf.mgu(H, reset_after=False),
    "ugrnn": lambda: shelf.ugrnn(H),
    "conv_lstm on a line": lambda: shelf.conv_lstm(H, 5),
    "conv_lstm in a plane": lambda: shelf.conv_lstm(H, (4, 3), kernel=(3, 2)),
    "leaky_rnn": lambda: shelf.leaky_rnn(H, dt=0.5),
    "leaky_rnn by Euler": lambda: shelf.leaky_rnn(
        H, dt=0.5, method="euler", activation="relu"
    ),
    "orthogonal_rnn": lambda: shelf.orthogonal_rnn(H, reflections=1),
}
BY_HAIKU = {
    "conv_lstm on a line by Haiku": lambda: shelf.conv_lstm(H, 5, kernel=2),
    "conv_lstm in a plane by Haiku": lambda: shelf.conv_lstm(H, (4, 3), kernel=(2, 3)),
}


@functools.cache
def golden():
    """By case, what was given and what came out, each by name."""
    found = {}
    path = pathlib.Path(__file__).parent / "golden/golden.npz"
    for key, array in np.load(path).items():
        case, kind, name = key.split("/")
        found.setdefault(case, {}).setdefault(kind, {})[name] = jnp.asarray(array)
    return found


def given(name, cell):
    """Params, xs, start, and the cotangents of outputs and final state."""
    arrays = golden()[name]["given"]
    size = arrays["xs"].shape[-1]
    like = jax.eval_shape(lambda: cell.init(jax.random.key(0), size))
    params = like._replace(**{k: arrays[k] for k in like._fields if k in arrays})
    kind = jax.eval_shape(lambda: cell.start(1))
    start = kind._replace(**{k: arrays[k] for k in kind._fields})
    d_final = kind._replace(**{k: arrays[f"d_final_{k}"] for k in kind._fields})
    return params, arrays["xs"], start, (arrays["d_outputs"], d_final)
