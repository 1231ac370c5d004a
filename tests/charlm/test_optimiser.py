"""How gradients become updates: which matrix is Muon's, and what it makes of them."""

import chex
import jax
import numpy as np
import pytest
from by_numpy import by_numpy

import scanrnn as sr
from scanrnn.charlm import Config, char_model
from scanrnn.charlm.model import model_of
from scanrnn.charlm.optimiser import (
    MOMENTUM,
    RMS,
    optimiser,
    orthogonalised,
    scale_by_muon,
)

V, H = 5, 7


def params_of(layers=1, cell=sr.lstm):
    net = sr.stack(*(cell(H),) * layers)
    return drawn(jax.eval_shape(char_model(net, V).init, jax.random.key(0)), seed=0)


def drawn(like, seed):
    random = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: random.normal(size=leaf.shape).astype(leaf.dtype), like
    )


def gradients(params, seed=1):
    return drawn(params, seed)


def first_update(name, params, d_params, decay=0.0):
    transform = optimiser(name, 1e9, decay)
    update = by_numpy(transform.update)
    return update(d_params, transform.init(params), params)[0]


def rotation(seed):
    matrix = np.random.default_rng(seed).normal(size=(H, H))
    return np.linalg.qr(matrix)[0].astype(np.float32)


def test_singular_values_become_about_one_and_the_rest_of_a_matrix_stays():
    u, v = rotation(1), rotation(2)
    s = np.geomspace(0.03, 1, H).astype(np.float32)
    found = u.T @ by_numpy(orthogonalised)(u @ np.diag(s) @ v) @ v.T
    assert (np.diag(found) > 0.6).all() and (np.diag(found) < 1.25).all()
    np.testing.assert_allclose(found - np.diag(np.diag(found)), 0, atol=1e-4)


def test_no_gradient_is_no_update():
    zeros = np.zeros((2, H, H), np.float32)
    np.testing.assert_array_equal(by_numpy(orthogonalised)(zeros), zeros)


def test_muon_moves_each_gate_by_the_polar_factor_of_its_momentum():
    params = params_of().layers[0].w_h
    one, two = (gradients(params, seed) for seed in (1, 2))
    muon = scale_by_muon()
    update = by_numpy(muon.update)
    _, state = update(one, muon.init(params))
    found, state = update(two, state)
    mean = MOMENTUM * (1 - MOMENTUM) * one + (1 - MOMENTUM) * two
    np.testing.assert_allclose(state.momentum, mean, rtol=1e-5, atol=1e-7)
    ahead = MOMENTUM * mean + (1 - MOMENTUM) * two
    for gate in range(4):
        at = slice(gate * H, (gate + 1) * H)
        expected = RMS * H**0.5 * by_numpy(orthogonalised)(ahead[:, at])
        np.testing.assert_allclose(found[:, at], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", [sr.rnn, sr.gru, sr.lstm])
def test_muon_takes_what_reads_hidden_states_and_leaves_adamw_the_rest(cell):
    params = params_of(layers=2, cell=cell)
    d_params = gradients(params)
    by_muon, by_adamw = (first_update(n, params, d_params) for n in ("muon", "adamw"))
    other = {
        jax.tree_util.keystr(path)
        for (path, one), two in zip(
            jax.tree_util.tree_leaves_with_path(by_muon),
            jax.tree.leaves(by_adamw),
            strict=True,
        )
        if not np.array_equal(one, two)
    }
    assert other == {".layers[0].w_h", ".layers[1].w_x", ".layers[1].w_h"}


def test_an_entry_moves_as_far_by_muon_as_by_adamw_to_a_factor_of_ten():
    params = params_of()
    moved = first_update("muon", params, gradients(params)).layers[0].w_h
    assert 0.1 < float(np.sqrt(np.mean(moved**2))) < 1  # AdamW's first moves are 1


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_matrices_decay_and_biases_do_not(name):
    params = jax.tree.map(np.ones_like, params_of())
    zeros = jax.tree.map(np.zeros_like, params)
    updates = first_update(name, params, zeros, decay=0.5)
    for leaf in jax.tree.leaves(jax.tree.map(np.add, params, updates)):
        np.testing.assert_allclose(leaf, 0.5 if leaf.ndim > 1 else 1.0)


def test_an_optimiser_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="an optimiser of muon, adamw, got 'sgd'"):
        Config(optimiser="sgd")


def test_tokens_are_heard_from_the_first_step_on():
    """A row of the first W_x is as large as an embedding; the other draws stay."""
    drawn = model_of(Config(hidden=64, layers=2), 50).init(jax.random.key(0))
    plain = char_model(sr.stack(sr.lstm(64), sr.lstm(64)), 50).init(jax.random.key(0))
    first = drawn.layers[0]
    assert float(first.w_x.std()) == pytest.approx(1, rel=0.05)
    assert float(plain.layers[0].w_x.std()) < 0.2
    chex.assert_trees_all_equal(
        drawn._replace(layers=(plain.layers[0], drawn.layers[1])),
        plain._replace(layers=(plain.layers[0], plain.layers[1])),
    )
    chex.assert_trees_all_equal(first._replace(w_x=0), plain.layers[0]._replace(w_x=0))


def test_a_layer_without_an_input_matrix_of_its_own_has_none_to_draw():
    net = sr.stack(sr.bidirectional(sr.gru(3), sr.gru(2)), sr.gru(3))
    with pytest.raises(ValueError, match="a first layer with a w_x"):
        char_model(net, V, embedding=1.0).init(jax.random.key(0))
