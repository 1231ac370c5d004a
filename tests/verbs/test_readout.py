"""The loss and the dense layer with every option, against a loop in NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import assert_close
from pairs import pairs

import scanrnn as sr

N, V = 6, 5
TWINS = {"by hand": sr.softmax_cross_entropy, "plain": sr.plain_softmax_cross_entropy}


def drawn(classes=V):
    rng = np.random.default_rng(0)
    logits, weights = rng.normal(size=(N, classes)), rng.random(N)
    weights[2] = 0
    return logits, rng.integers(classes, size=N), weights


def by_loop(logits, labels, weights, reduction, smoothing):
    """One position at a time, from the definition."""
    losses = []
    for row, label, weight in zip(logits, labels, weights, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        target = np.full(len(row), smoothing / len(row))
        target[label] += 1 - smoothing
        losses.append(
            -weight * sum(t * np.log(q) for t, q in zip(target, p, strict=True))
        )
    total = np.sum(losses)
    return {
        "none": np.array(losses), "sum": total, "mean": total / np.sum(weights)
    }[reduction]  # fmt: skip


@pytest.mark.parametrize(
    ("reduction", "smoothing", "twin"),
    pairs(["mean", "sum", "none"], [0.0, 0.1], TWINS),
)
def test_reductions_and_smoothing(reduction, smoothing, twin):
    logits, labels, weights = drawn()
    options = {"reduction": reduction, "label_smoothing": smoothing}
    loss = functools.partial(TWINS[twin], **options)
    got = loss(jnp.asarray(logits), labels, weights)
    assert_close(got, by_loop(logits, labels, weights, *options.values()))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradients_by_logits_and_weights_are_the_twin_s(reduction):
    logits, labels, weights = drawn()
    d_loss = jnp.cos(jnp.arange(float(N))) if reduction == "none" else 1.7

    @functools.partial(jax.jit, static_argnums=0)
    def cotangents(loss, logits, weights):
        def function(logits, weights):
            return loss(
                logits, labels, weights, reduction=reduction, label_smoothing=0.1
            )

        value, pull = jax.vjp(function, logits, weights)
        return pull(jnp.broadcast_to(d_loss, value.shape))

    args = jnp.asarray(logits), jnp.asarray(weights)
    got, want = (cotangents(loss, *args) for loss in TWINS.values())
    assert_close(got, want)


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("classes", [128, 256, 300])
def test_labels_of_any_width_are_the_same_labels(classes, twin):
    """A byte does not count to 256: neither the labels nor the classes may wrap."""
    logits, labels, _ = drawn(classes)
    labels[:2] = 0, min(classes, 256) - 1
    loss = by_numpy(TWINS[twin])
    want = float(by_loop(logits, labels, np.ones(N), "mean", 0.0))
    for dtype in ("uint8", "int8", "int16", "uint32", "int64"):
        fitting = np.minimum(labels, np.iinfo(dtype).max)
        here = want
        if np.any(fitting != labels):
            here = float(by_loop(logits, fitting, np.ones(N), "mean", 0.0))
        got = float(loss(jnp.asarray(logits), jnp.asarray(fitting, dtype)))
        assert abs(got - here) <= 1e-12 * here, dtype


@pytest.mark.parametrize("twin", TWINS)
def test_what_has_no_weight_may_be_anything(twin):
    logits, labels, weights = drawn()
    filled, strange = logits.copy(), labels.copy()
    filled[2], strange[2] = np.nan, 10**6

    def value_and_grad(logits, labels):
        loss = functools.partial(TWINS[twin], label_smoothing=0.1, reduction="sum")
        return jax.value_and_grad(loss)(jnp.asarray(logits), labels, weights)

    got, want = value_and_grad(filled, strange), value_and_grad(logits, labels)
    assert_close(got, want)
    np.testing.assert_array_equal(got[1][2], 0)


def test_a_dense_layer_without_a_bias_is_a_product():
    params = sr.init_dense(jax.random.key(0), 4, 3, bias=False)
    hs = jnp.asarray(np.random.default_rng(0).normal(size=(7, 2, 4)))
    for dense in (sr.dense, sr.plain_dense):
        assert_close(dense(params, hs), np.asarray(hs) @ np.asarray(params.w))
        d_params = jax.grad(lambda p, f=dense: jnp.sum(jnp.sin(f(p, hs))))(params)
        assert d_params.b is None
        want = np.einsum("tbi,tbo->io", hs, np.cos(hs @ params.w))
        assert_close(d_params.w, want)


W = jnp.ones((4, 3))
HS = jnp.ones((7, 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sr.dense((W, None), HS), r"expected params: DenseParams\(w, b\)"),
        (lambda: sr.dense(sr.DenseParams(W.astype(int), None), HS), "w: floats"),
        (lambda: sr.dense(sr.DenseParams(W > 0, None), HS), "w: floats"),
        (lambda: sr.dense(sr.DenseParams(W[0], None), HS), r"w: floats \(H, V\)"),
        (lambda: sr.dense(sr.DenseParams(W, W), HS), r"params.b: float64 \(3,\)"),
        (lambda: sr.dense(sr.DenseParams(W, W[0, :2]), HS), r"b: .* or None, got"),
        (lambda: sr.dense(sr.DenseParams(W, None), HS.astype(complex)), "hs: floats"),
        (lambda: sr.dense(sr.DenseParams(W, None), HS > 0), "hs: floats"),
        (lambda: sr.dense(sr.DenseParams(W, None), None), "hs: one array"),
        (lambda: sr.init_dense(jax.random.key(0), 0, 3), "input_size, a positive"),
        (lambda: sr.init_dense(jax.random.key(0), 2, 3, int), "a floating one"),
        (lambda: loss(reduction="max"), 'reduction "mean" or "sum" or "none"'),
        (lambda: loss(label_smoothing=1), r"label_smoothing, a number in \[0, 1\)"),
        (lambda: loss(labels=[[0], [0, 1]]), "labels: one array"),
        (lambda: loss(weights=jnp.ones(N, complex)), "weights: numbers or bool"),
        (lambda: loss(logits=jnp.ones((N, 0))), "at least one class"),
    ],
)
def test_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def loss(**changed):
    call = {"logits": jnp.ones((N, V)), "labels": jnp.zeros(N, int)} | changed
    return sr.softmax_cross_entropy(**call)
