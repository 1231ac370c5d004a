"""There and back again: bit for bit; gradients go by the transpose of reading."""

import jax
import numpy as np
import pytest
from cases import tolerance
from interop.peers import golden, read, row_of, write

import scanrnn as sr
from scanrnn import interop

_, CASES = golden()
LIBRARIES = {"torch", "keras", "flax", "haiku", "equinox"}


def drawn_like(tree, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(dtype), tree)


def inner(one, two):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return sum(np.vdot(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", CASES)
def test_params_come_back_bit_for_bit(name):
    net, params = read(name, CASES[name].weights)
    params = drawn_like(params, np.float32)
    if "nnx.GRUCell" in name:
        params = params._replace(b_hn=np.zeros_like(params.b_hn))
    theirs = write(name, net, params)
    assert theirs.keys() == CASES[name].weights.keys()
    for k, array in theirs.items():
        assert array.shape == CASES[name].weights[k].shape
        assert array.dtype == np.float32 and array.flags.c_contiguous
        assert array.flags.owndata and array.flags.writeable
    again, same = read(name, theirs)
    assert again == net
    if name == "haiku LSTM":  # 1 is taken from the bias of f, and added again
        f = slice(5, 10)
        np.testing.assert_allclose(same.b[f], params.b[f], atol=1e-6)
        params.b[f] = same.b[f]
    jax.tree.map(np.testing.assert_array_equal, same, params)


@pytest.mark.parametrize("name", CASES)
def test_their_weights_come_back_but_for_summed_biases(name):
    theirs = CASES[name].weights
    again = write(name, *read(name, theirs))
    second = {"torch": "bias", "haiku": "/b" if "double" in name else " "}
    for k, array in theirs.items():
        if second.get(name.split()[0], " ") in k or name.startswith("keras GRU"):
            continue
        np.testing.assert_array_equal(again[k], array)
    jax.tree.map(
        np.testing.assert_array_equal, *(read(name, w)[1] for w in (theirs, again))
    )


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_the_transpose_of_reading(name):
    """<read(v) - read(0), d> = <v, write(d)> for the linear part of reading."""
    theirs = CASES[name].weights
    net, zero = read(name, {k: np.zeros_like(v) for k, v in theirs.items()})
    v = drawn_like(theirs)
    params = jax.tree.map(np.subtract, read(name, v)[1], zero)
    d_params = drawn_like(params, seed=1)
    d_theirs = write(name, net, d_params, gradients=True)
    one, two = (
        inner(params, d_params),
        inner([v[k] for k in d_theirs], list(d_theirs.values())),
    )
    np.testing.assert_allclose(one, two, rtol=tolerance(np.float64, 100))


def test_both_biases_of_a_sum_have_the_same_gradient():
    cell = sr.lstm(5)
    d_params = sr.LSTMParams(np.ones((3, 20)), np.ones((5, 20)), np.arange(20.0))
    theirs = interop.to_torch(cell, d_params, gradients=True)
    np.testing.assert_array_equal(theirs["bias_hh_l0"], d_params.b)
    np.testing.assert_array_equal(theirs["bias_ih_l0"], d_params.b)
    weights = interop.to_torch(cell, d_params)
    assert not weights["bias_hh_l0"].any()


def test_no_bias_is_zeros_where_theirs_always_has_one():
    cell = sr.lstm(5, bias=False)
    params = sr.LSTMParams(np.ones((3, 20)), np.ones((5, 20)), None)
    assert not interop.to_flax(cell, params, "nnx.OptimizedLSTMCell")["dense_h"][
        "bias"
    ].any()
    assert (
        interop.to_haiku(cell, params, "lstm")["lstm/linear"]["b"][10:15] == -1
    ).all()
    assert "bias_ih_l0" not in interop.to_torch(cell, params)


def test_states_come_back_in_the_rows_of_torch():
    rng = np.random.default_rng(0)
    deep = sr.stack(*[sr.bidirectional(sr.lstm(5), sr.lstm(5))] * 2)
    hx = tuple(rng.normal(size=(4, 2, 5)) for _ in "hc")
    state = interop.state_from_torch(deep, hx)
    np.testing.assert_array_equal(state[1].backward.c, hx[1][3])
    np.testing.assert_array_equal(state[0].backward.h, hx[0][1])
    jax.tree.map(np.testing.assert_array_equal, interop.state_to_torch(deep, state), hx)


def test_every_case_has_a_row():
    assert {row_of(name).name.split(".")[0] for name in CASES} == LIBRARIES
