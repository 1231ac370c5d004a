"""Bad input gets one clear error at the border: expected, got, what to do."""

import dataclasses

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


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Box:
    """As frameworks hold a parameter."""

    value: jax.Array


BAD = {
    "rank too low": (dict(xs=XS[0, 0]), r"expected xs of shape \(T, B, X\), or"),
    "no batch, other size": (
        dict(xs=XS[..., 0]),
        r"shape \(T, B, 3\) to match .* without a batch were given a batch of 1",
    ),
    "rank too high": (dict(xs=XS[None]), r"expected xs of shape \(T, B, X\)"),
    "feature size": (
        dict(xs=jnp.ones((T, B, 6), jnp.float32)),
        r"\(T, B, 3\) to match params GRUParams\(w_x \(3, 15\).*got \(7, 4, 6\)",
    ),
    "integer features": (dict(xs=jnp.zeros((T, B, X), jnp.int32)), "tokens of shape"),
    "bool inputs": (dict(xs=jnp.zeros((T, B, X), bool)), "cast it to float32"),
    "float64 inputs": (dict(xs=XS.astype(jnp.float64)), r"xs.astype\('float32'\)"),
    "token too large": (dict(xs=TOKENS.at[2, 1].set(3)), r"tokens in \[0, 3\)"),
    "token negative": (dict(xs=TOKENS.at[2, 1].set(-2)), "mask padding"),
    "token too large, not masked": (
        dict(xs=TOKENS.at[2, 1].set(3), mask=jnp.ones((T, B), bool)),
        "mask padding",
    ),
    "no features": (dict(xs=XS[..., :0]), "at least one feature"),
    "tokens that wrap": (
        dict(xs=np.full((T, B), 2**40)),
        r"tokens in \[0, 3\).*1099511627776",
    ),
    "ragged": (dict(xs=[[1.0, 2.0], [3.0]]), "xs: one array.*equal lengths"),
    "no array": (dict(xs=None), "xs: one array of numbers, got None"),
    "params and xs swapped": (dict(params=XS, xs=PARAMS), "xs: one array of numbers"),
    "params of a dict": (dict(params=PARAMS._asdict()), "expected params as cell.init"),
    "params in boxes": (
        dict(params=jax.tree.map(Box, PARAMS)),
        "got its fields as Box; take the arrays out",
    ),
    "params of words": (dict(params=PARAMS._replace(b="b")), "params: one array"),
    "one feature": (
        dict(params=CELL.init(jax.random.key(0), 1, jnp.float32), xs=XS[..., 0]),
        r"xs\[..., None\]",
    ),
    "huge lengths": (dict(lengths=[10**30] * B), "lengths"),
    "reset_to without resets": (
        dict(reset_to=CELL.start(B, jnp.float32)),
        "together with resets",
    ),
    "reset_to of another size": (
        dict(
            resets=jnp.ones((T, B), bool), reset_to=sr.gru(H + 1).start(1, jnp.float32)
        ),
        "expected reset_to as cell.start",
    ),
    "batch first by accident": (
        dict(xs=XS, mask=jnp.ones((B, T), bool), batch_first=True),
        r"time first, \(T, B, ...\)",
    ),
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
    "unroll by a flag": (dict(unroll=True), "positive integer, got True"),
    "reverse by a word": (dict(reverse="no"), "reverse=True or False, got 'no'"),
    "reverse by an array": (dict(reverse=jnp.ones(B)), "got an array float64"),
    "batch_first by a word": (dict(batch_first="yes"), "batch_first=True or False"),
    "outputs unknown": (dict(outputs="c"), 'outputs "h" or "states", got \'c\''),
    "masked unknown": (dict(masked=0), 'masked "zero" or "hold", got 0'),
}


@pytest.mark.parametrize("case", BAD)
def test_one_clear_error(case):
    changed, message = BAD[case]
    call = {"params": PARAMS, "xs": XS, **changed}
    with pytest.raises(ValueError, match=message):
        sr.unroll(CELL, **call)


# Values are not known under jit.
BY_VALUE = {
    *("token too large", "token too large, not masked", "token negative"),
    *("lengths above T", "lengths negative", "tokens that wrap"),
}
# These are no arguments of a jitted function.
NO_ARRAYS = {
    *("ragged", "no array", "params and xs swapped", "params of words", "huge lengths"),
}


@pytest.mark.parametrize(
    "case", [case for case in BAD if case not in BY_VALUE | NO_ARRAYS]
)
def test_shapes_are_caught_under_jit_too(case):
    changed, message = BAD[case]
    call = {"params": PARAMS, "xs": XS, **changed}
    options = {"backward", "unroll", "reverse", "batch_first", "outputs", "masked"}
    arrays = {k: v for k, v in call.items() if k not in options}
    others = {k: v for k, v in call.items() if k not in arrays}
    with pytest.raises(ValueError, match=message):
        jax.jit(lambda arrays: sr.unroll(CELL, **arrays, **others))(arrays)


def test_numpy_integers_and_flags_are_as_good_as_python_s():
    assert sr.gru(np.int64(H), bias=np.True_) is CELL
    assert sr.Recomputed(np.int32(3)) == sr.Recomputed(3)
    run = sr.unroll(CELL, PARAMS, XS, unroll=np.int64(2), reverse=np.False_)
    assert run.outputs.shape == (T, B, H)


def test_padding_holds_any_token_where_its_value_is_known_as_well():
    tokens = TOKENS.at[5:, 1].set(10**6)
    lengths = jnp.full(B, 5)
    run = sr.unroll(CELL, PARAMS, tokens, lengths=lengths)
    want = sr.unroll(CELL, PARAMS, TOKENS, lengths=lengths)
    np.testing.assert_array_equal(run.outputs, want.outputs)


def test_int64_tokens_that_would_wrap_are_told():
    with jax.enable_x64(False):
        params = CELL.init(jax.random.key(0), X)
        with pytest.raises(ValueError, match="fit in int32"):
            sr.unroll(CELL, params, np.full((T, B), 2**32 + 1))


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
        (lambda: sr.rnn(H, activation=["tanh"]), '"tanh" or "relu", got'),
        (lambda: sr.rnn(True), "positive integer, got True"),
        (lambda: sr.rnn(H, bias="no"), "bias=True or False"),
        (lambda: sr.gru(H, reset_after="before"), "reset_after=True or False"),
        (lambda: sr.lstm(H, forget_bias="one"), "forget_bias, a number"),
        (lambda: sr.lstm(H, forget_bias=1.0, bias=False), "no forget_bias"),
        (lambda: CELL.init(jax.random.key(0), 0), "input_size, a positive integer"),
        (lambda: CELL.init(jax.random.key(0), X, int), "dtype, a floating one"),
        (lambda: sr.Recomputed(0), r"Recomputed\(block\), a positive integer"),
        (lambda: sr.Checkpointed("3"), r"Checkpointed\(every\), a positive"),
        (lambda: sr.Budget(2.5), r"Budget\(bytes\), a positive integer"),
        (lambda: sr.unroll(sr.gru, PARAMS, XS), r"write gru\(hidden_size\)"),
        (lambda: sr.unroll(None, PARAMS, XS), "a Cell, such as .*got None"),
        (lambda: sr.unroll(sr.layer(CELL), PARAMS, XS), "a layer runs itself"),
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
        (
            (jnp.ones((T, 3)), jnp.ones(T, int), jnp.ones(B)),
            "weights: numbers or bool of the shape",
        ),
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
