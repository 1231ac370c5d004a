"""Bad input gets one clear error at the border: expected, got, what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import scanrnn as sr

T, B, X, H = 7, 4, 3, 5
CELL = sr.gru(H)
PARAMS = CELL.init(jax.random.key(0), X, jnp.float32)
XS = jnp.ones((T, B, X), jnp.float32)
TOKENS = jnp.zeros((T, B), jnp.int32)

BAD = {
    "rank too low": (dict(xs=XS[:, 0]), r"shape \(T, B, X\).*xs\[:, None\]"),
    "rank too high": (dict(xs=XS[None]), r"expected xs of shape \(T, B, X\)"),
    "feature size": (
        dict(xs=jnp.ones((T, B, 6), jnp.float32)),
        r"\(T, B, 3\) to match params.w_x \(3, 15\), got \(7, 4, 6\)",
    ),
    "integer features": (dict(xs=jnp.zeros((T, B, X), jnp.int32)), "tokens of shape"),
    "bool inputs": (dict(xs=jnp.zeros((T, B, X), bool)), "cast it to float32"),
    "float64 inputs": (dict(xs=XS.astype(jnp.float64)), r"xs.astype\('float32'\)"),
    "token too large": (dict(xs=TOKENS.at[2, 1].set(3)), r"tokens in \[0, 3\)"),
    "token negative": (dict(xs=TOKENS.at[2, 1].set(-1)), "mask padding"),
    "lengths shape": (dict(lengths=jnp.ones(B + 1, int)), r"shape \(4,\), one per"),
    "lengths of batch-first data": (
        dict(lengths=jnp.ones(T, int)),
        r"did you pass xs \(7, 4, 3\) batch first",
    ),
    "lengths above T": (dict(lengths=jnp.asarray([1, 2, 3, 8])), r"in \[0, 7\]"),
    "lengths negative": (dict(lengths=jnp.asarray([1, 2, 3, -1])), r"from -1 to 3"),
    "lengths of floats": (dict(lengths=jnp.ones(B)), "integers of shape"),
    "lengths and mask": (
        dict(lengths=jnp.ones(B, int), mask=jnp.ones((T, B), bool)),
        "lengths or mask, got both",
    ),
    "mask transposed": (dict(mask=jnp.ones((B, T), bool)), r"did you mean mask.T"),
    "mask of floats": (dict(mask=jnp.ones((T, B))), "mask of dtype bool"),
    "resets shape": (dict(resets=jnp.ones(T, bool)), r"resets of shape \(T, B\)"),
    "start of another cell": (
        dict(start=sr.lstm(H).start(B, jnp.float32)),
        r"GRUState\(h \(4, 5\)\), got LSTMState\(h \(4, 5\), c \(4, 5\)\)",
    ),
    "start of another size": (
        dict(start=sr.gru(H + 1).start(B, jnp.float32)),
        r"GRUState\(h \(4, 5\)\), got GRUState\(h \(4, 6\)\)",
    ),
    "start of batch-first data": (
        dict(start=CELL.start(T, jnp.float32)),
        "batch first",
    ),
    "start of another dtype": (
        dict(start=CELL.start(B, jnp.float64)),
        "start in the dtype of params, float32, got float64",
    ),
    "params of another cell": (
        dict(params=sr.lstm(H).init(jax.random.key(0), X, jnp.float32)),
        "expected params as cell.init",
    ),
    "params of two dtypes": (
        dict(params=PARAMS._replace(b=PARAMS.b.astype(jnp.float64))),
        "one floating dtype, got float32, float64",
    ),
    "way back not called": (dict(backward=sr.Stored), "add the parentheses"),
    "way back unknown": (dict(backward="stored"), r"backward=Stored\(\)"),
    "unroll factor": (dict(unroll=0), "positive integer"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_clear_error(case):
    changed, message = BAD[case]
    call = {"params": PARAMS, "xs": XS, **changed}
    with pytest.raises(ValueError, match=message):
        sr.unroll(CELL, **call)


# Values are not known under jit.
BY_VALUE = {
    *("token too large", "token negative", "lengths above T", "lengths negative"),
}


@pytest.mark.parametrize("case", [case for case in BAD if case not in BY_VALUE])
def test_shapes_are_caught_under_jit_too(case):
    changed, message = BAD[case]
    call = {"params": PARAMS, "xs": XS, **changed}
    arrays = {k: v for k, v in call.items() if k not in ("backward", "unroll")}
    others = {k: v for k, v in call.items() if k not in arrays}
    with pytest.raises(ValueError, match=message):
        jax.jit(lambda arrays: sr.unroll(CELL, **arrays, **others))(arrays)


def test_a_token_out_of_range_under_jit_is_nan():
    run = jax.jit(lambda p, xs: sr.unroll(CELL, p, xs))
    outputs = run(PARAMS, TOKENS.at[2, 1].set(3)).outputs
    assert np.all(np.isnan(outputs[2:, 1]))
    assert np.all(np.isfinite(outputs[:, [0, 2, 3]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sr.rnn(H, activation="gelu"), '"tanh" or "relu", got \'gelu\''),
        (lambda: sr.gru(0), "positive integer, got 0"),
        (lambda: sr.lstm(2.5), "positive integer, got 2.5"),
        (lambda: sr.Recomputed(0), "at least 1 step"),
        (lambda: sr.Checkpointed("3"), "at least 1 step"),
    ],
)
def test_factories_say_what_they_expected(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((jnp.ones((T, 3)), jnp.ones(T)), "expected labels: integers"),
        ((jnp.ones((T, 3)), jnp.ones((T, 3), int)), r"argmax\(-1\)"),
        ((jnp.ones((T, 3), int), jnp.ones(T, int)), "expected logits: floats"),
        ((jnp.ones((T, 3)), jnp.full(T, 3)), r"labels in \[0, 3\)"),
        ((jnp.ones((T, 3)), jnp.ones(T, int), jnp.ones(B)), "weights of the shape"),
    ],
)
def test_errors_of_the_loss(arguments, message):
    with pytest.raises(ValueError, match=message):
        sr.softmax_cross_entropy(*arguments)


def test_padding_of_weight_zero_may_hold_any_label():
    labels = jnp.asarray([0, 2, -1])
    logits = jnp.asarray([[1.0, 2, 3], [0, 1, 0], [jnp.nan, jnp.inf, 0]])
    weights = jnp.asarray([1.0, 1.0, 0.0])
    loss = jax.value_and_grad(sr.softmax_cross_entropy)
    got, d_logits = loss(logits, labels, weights)
    want, d_want = loss(logits[:2], labels[:2])
    assert float(got) == float(want)
    np.testing.assert_array_equal(d_logits[:2], d_want)
    np.testing.assert_array_equal(d_logits[2], 0)
    assert float(sr.softmax_cross_entropy(logits, labels, 0 * weights)) == 0


def test_a_label_out_of_range_under_jit_is_nan():
    loss = jax.jit(sr.softmax_cross_entropy)
    assert np.isnan(loss(jnp.ones((2, 3)), jnp.asarray([0, 3])))


def test_errors_of_dense():
    params = sr.init_dense(jax.random.key(0), H, X)
    with pytest.raises(ValueError, match=r"floats \(\.\.\., 5\) to match params.w"):
        sr.dense(params, jnp.ones((T, B, H + 1)))
