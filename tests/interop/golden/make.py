"""Computes golden.npz by the libraries themselves, in float64.

Of every layer that the table of `scanrnn.interop` tells: weights by the library's
names, outputs, final state, and the gradients by weights, inputs and start. Run once,
with the libraries installed; the suite needs only the file::

    pip install torch==2.13.0 keras==3.15.1 flax==0.12.8 dm-haiku==0.0.17 \
        equinox==0.13.8 jax==0.10.2 && python tests/interop/golden/make.py

A case is named by library, layer and what is unusual about it. Weights are multiples of
1/64, so that the file is small, and none is 0.
"""

import os
import pathlib

os.environ["KERAS_BACKEND"] = "jax"

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import keras
import numpy as np
import torch
from flax import nnx

T, B, X, H = 7, 2, 3, 5


@keras.saving.register_keras_serializable()
def tanh(z):
    return jnp.tanh(z)


@keras.saving.register_keras_serializable()
def sigmoid(z):
    return jax.nn.sigmoid(z)


jax.config.update("jax_enable_x64", True)


def draw(rng, shape):
    """Multiples of 1/64 in [-3/4, 3/4], none of them 0."""
    return rng.integers(1, 49, shape) * rng.choice([-1, 1], shape) / 64


def path_of(path):
    return "/".join(str(key.key) for key in path)


def flat(tree):
    return {path_of(path): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def unflat(arrays, like):
    return jax.tree.map_with_path(lambda path, _: arrays[path_of(path)], like)


def by_torch(module, as_cell=False):
    """``weights, xs, start -> outputs, final`` and the gradients, by autograd."""
    module = module.double()
    is_lstm = "LSTM" in type(module).__name__

    def run(arrays, xs, start, d_outputs, d_final):
        leaves = {k: torch.tensor(v, requires_grad=True) for k, v in arrays.items()}
        xs = torch.tensor(xs, requires_grad=True)
        start = [torch.tensor(s, requires_grad=True) for s in start]
        state = tuple(start) if is_lstm else start[0]
        if as_cell:
            state = tuple(s[0] for s in start) if is_lstm else start[0][0]
            outputs = []
            for x in xs:
                state = torch.func.functional_call(module, leaves, (x, state))
                outputs.append(state[0] if is_lstm else state)
            outputs = torch.stack(outputs)
            final = [s[None] for s in state] if is_lstm else [state[None]]
        else:
            outputs, final = torch.func.functional_call(module, leaves, (xs, state))
            final = final if is_lstm else (final,)
        loss = (outputs * torch.tensor(d_outputs)).sum()
        for state, d_state in zip(final, d_final, strict=True):
            loss = loss + (state * torch.tensor(d_state)).sum()
        loss.backward()
        values = outputs.detach().numpy(), [s.detach().numpy() for s in final]
        grads = {k: leaf.grad.numpy() for k, leaf in leaves.items()}
        return *values, grads, xs.grad.numpy(), [s.grad.numpy() for s in start]

    shapes = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    return run, shapes, 2 if is_lstm else 1


def by_jax(forward, like, states):
    """The same of ``forward(weights, xs, start) -> outputs, final``, by jax.vjp."""

    def run(arrays, xs, start, d_outputs, d_final):
        given = (jax.tree.map(jnp.asarray, arrays), jnp.asarray(xs), list(start))
        (outputs, final), pull = jax.vjp(
            lambda a, xs, start: forward(unflat(a, like), xs, start), *given
        )
        assert outputs.dtype == jnp.float64
        d_arrays, d_xs, d_start = pull((jnp.asarray(d_outputs), list(d_final)))
        return outputs, final, d_arrays, d_xs, d_start

    return run, {k: np.shape(v) for k, v in flat(like).items()}, states


def by_step(step, like, states):
    """Of a cell: ``step(weights, x, (h, c) or (h,)) -> the state after``."""

    def forward(weights, xs, start):
        state, outputs = tuple(s[0] for s in start), []
        for x in xs:
            state = step(weights, x, state)
            outputs.append(state[0])
        return jnp.stack(outputs), [s[None] for s in state]

    return by_jax(forward, like, states)


def of_keras(layer, states, merge=False):
    """``keras.layers``; its backend rounds its own tanh to float32."""
    layer.build((B, T, X))
    like = {str(k): v for k, v in enumerate(layer.get_weights())}

    def forward(weights, xs, start):
        state = [s[k] for k in range(1 + merge) for s in start]
        others = [v.value for v in layer.non_trainable_variables]
        (outputs, *final), _ = layer.stateless_call(
            list(weights.values()), others, xs.swapaxes(0, 1), initial_state=state
        )
        final = [jnp.stack(final[k::states]) for k in range(states)]
        return outputs.swapaxes(0, 1), final

    return by_jax(forward, like, states)


def of_linen(cell, states):
    carry = (jnp.zeros((B, H)),) * 2 if states == 2 else jnp.zeros((B, H))
    like = cell.init(jax.random.key(0), carry, jnp.zeros((B, X)))["params"]

    def step(weights, x, state):
        carry = state[::-1] if states == 2 else state[0]  # theirs is (c, h)
        carry, _ = cell.apply({"params": weights}, carry, x)
        return carry[::-1] if states == 2 else (carry,)

    return by_step(step, like, states)


def of_nnx(kind, states, **options):
    dtypes = {"dtype": jnp.float64, "param_dtype": jnp.float64}
    cell = kind(X, H, rngs=nnx.Rngs(0), **dtypes, **options)
    graph, params, others = nnx.split(cell, nnx.Param, ...)

    def step(weights, x, state):
        nnx.replace_by_pure_dict(params, weights)
        carry = state[::-1] if states == 2 else state[0]
        carry, _ = nnx.merge(graph, params, others)(carry, x)
        return carry[::-1] if states == 2 else (carry,)

    return by_step(step, nnx.to_pure_dict(params), states)


def of_haiku(kind, states, **options):
    def call(x, state):
        core = kind(H, name="core", **options)
        return core(x, hk.LSTMState(*state) if states == 2 else state[0])[1]

    core = hk.without_apply_rng(hk.transform(call))
    like = core.init(jax.random.key(0), jnp.ones((B, X)), [jnp.ones((B, H))] * states)

    def step(weights, x, state):
        state = core.apply(weights, x, list(state))
        return (state.hidden, state.cell) if states == 2 else (state,)

    return by_step(step, like, states)


def of_equinox(kind, states, **options):
    cell = kind(X, H, key=jax.random.key(0), **options)
    like = {k: v for k, v in vars(cell).items() if eqx.is_array(v)}

    def step(weights, x, state):
        loaded = eqx.tree_at(
            lambda cell: [getattr(cell, k) for k in weights],
            cell,
            list(weights.values()),
        )
        state = jax.vmap(loaded)(x, state if states == 2 else state[0])
        return state if states == 2 else (state,)

    return by_step(step, like, states)


def torch_cases():
    from torch.nn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell

    for kind in (RNN, GRU, LSTM):
        name = f"torch {kind.__name__}"
        yield name, 1, by_torch(kind(X, H))
        yield f"{name} bare", 1, by_torch(kind(X, H, bias=False))
        yield f"{name} deep", 4, by_torch(kind(X, H, 2, bidirectional=True))
    yield "torch RNN relu", 1, by_torch(RNN(X, H, nonlinearity="relu"))
    bare = RNN(X, H, nonlinearity="relu", bias=False)
    yield "torch RNN relu bare", 1, by_torch(bare)
    for kind in (RNNCell, GRUCell, LSTMCell):
        yield f"torch {kind.__name__} cell", 1, by_torch(kind(X, H), as_cell=True)


def keras_cases():
    layers = keras.layers
    shown = {"return_sequences": True, "return_state": True, "dtype": "float64"}
    gates = {"recurrent_activation": sigmoid}
    for words, options in (("", {}), (" bare", {"use_bias": False})):
        all_of = shown | options | {"activation": tanh}
        relu = shown | options | {"activation": jax.nn.relu}
        yield f"keras SimpleRNN{words}", 1, of_keras(layers.SimpleRNN(H, **all_of), 1)
        yield (
            f"keras SimpleRNN relu{words}",
            1,
            of_keras(layers.SimpleRNN(H, **relu), 1),
        )
        yield f"keras LSTM{words}", 1, of_keras(layers.LSTM(H, **all_of, **gates), 2)
        yield f"keras GRU{words}", 1, of_keras(layers.GRU(H, **all_of, **gates), 1)
        before = layers.GRU(H, **all_of, **gates, reset_after=False)
        yield f"keras GRU before{words}", 1, of_keras(before, 1)
    one = layers.LSTM(H, **shown, **gates, activation=tanh)
    both = layers.Bidirectional(one, dtype="float64")
    yield "keras LSTM both", 2, of_keras(both, 2, merge=True)


def jax_cases():
    yield "flax linen.SimpleCell", 1, of_linen(nn.SimpleCell(H), 1)
    relu = nn.SimpleCell(H, activation_fn=jax.nn.relu)
    yield "flax linen.SimpleCell relu", 1, of_linen(relu, 1)
    yield "flax linen.GRUCell", 1, of_linen(nn.GRUCell(H), 1)
    yield "flax linen.LSTMCell", 1, of_linen(nn.LSTMCell(H), 2)
    yield "flax linen.OptimizedLSTMCell", 1, of_linen(nn.OptimizedLSTMCell(H), 2)
    yield "flax nnx.SimpleCell", 1, of_nnx(nnx.SimpleCell, 1)
    relu = of_nnx(nnx.SimpleCell, 1, activation_fn=jax.nn.relu)
    yield "flax nnx.SimpleCell relu", 1, relu
    yield "flax nnx.GRUCell", 1, of_nnx(nnx.GRUCell, 1)
    yield "flax nnx.LSTMCell", 1, of_nnx(nnx.LSTMCell, 2)
    yield "flax nnx.OptimizedLSTMCell", 1, of_nnx(nnx.OptimizedLSTMCell, 2)
    yield "haiku VanillaRNN double", 1, of_haiku(hk.VanillaRNN, 1)
    yield "haiku VanillaRNN", 1, of_haiku(hk.VanillaRNN, 1, double_bias=False)
    yield "haiku GRU", 1, of_haiku(hk.GRU, 1)
    yield "haiku LSTM", 1, of_haiku(hk.LSTM, 2)
    for kind, states in ((eqx.nn.GRUCell, 1), (eqx.nn.LSTMCell, 2)):
        name = f"equinox {kind.__name__}"
        yield name, 1, of_equinox(kind, states)
        yield f"{name} bare", 1, of_equinox(kind, states, use_bias=False)


def main():
    """Writes the file beside this script."""
    rng = np.random.default_rng(0)
    # What all cases share; a case takes of start and d_final what it has rows for.
    shared = {"xs": draw(rng, (T, B, X)), "d_outputs": draw(rng, (T, B, 2 * H))}
    shared |= {k: draw(rng, (2, 4, B, H)) for k in ("start", "d_final")}
    found = dict(shared)
    for name, rows, (run, shapes, states) in (
        *torch_cases(),
        *keras_cases(),
        *jax_cases(),
    ):
        arrays = {k: draw(rng, shape) for k, shape in shapes.items()}
        start, d_final = (shared[k][:states, :rows] for k in ("start", "d_final"))
        d_outputs = shared["d_outputs"][..., : H * (2 if rows > 1 else 1)]
        outputs, final, d_arrays, d_xs, d_start = run(
            arrays, shared["xs"], start, d_outputs, d_final
        )
        found |= {f"{name}:weights:{k}": v for k, v in arrays.items()}
        found |= {f"{name}:gradients:{k}": d_arrays[k] for k in arrays}
        found |= {f"{name}:outputs": outputs, f"{name}:final": np.stack(final)}
        found |= {f"{name}:d_xs": d_xs, f"{name}:d_start": np.stack(d_start)}
        print(name)
    # One array of each dtype: a zip of a thousand would be mostly headers.
    names = list(found)
    arrays = [np.asarray(found[k], np.float64) for k in names]
    path = pathlib.Path(__file__).with_name("golden.npz")
    np.savez_compressed(
        path,
        names=np.array(names),
        shapes=np.array([str(a.shape) for a in arrays]),
        values=np.concatenate([a.ravel() for a in arrays]),
    )
    print(len(names), "arrays,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
