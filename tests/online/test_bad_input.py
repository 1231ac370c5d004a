"""One clear error: what was expected, what came, what to do."""

import jax
import jax.numpy as jnp
import pytest
from cases import B, X, problem

import scanrnn as sr
from scanrnn.online import RTRL, UORO, SnAp, follow, online

CASE = problem("gru")
PARAMS, START, XS = CASE.params, CASE.start, CASE.xs
LEARNER = online(CASE.cell, RTRL())
MEMORY = LEARNER.init(PARAMS, START)
DERIVED = sr.derive(lambda params, h, x: (params * h, h))
PAIRS = sr.derive(lambda params, h, x: (params * h, (h, h)))
DEEP = sr.stack(sr.bidirectional(sr.rnn(2), sr.rnn(2)))


def step(x=XS[0], memory=MEMORY, params=PARAMS, **options):
    return LEARNER.step(params, memory, x, **options)


def derived(params=jnp.ones(3), h=jnp.ones((B, 3)), **options):
    return online(DERIVED, RTRL()).init(params, h, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: online(sr.gru, RTRL()), "write gru"),
        (lambda: online(DEEP, RTRL()), "reads forwards"),
        (lambda: online(CASE.cell, RTRL), r"write RTRL\(\)"),
        (lambda: online(CASE.cell, "rtrl"), "expected method"),
        (lambda: online(CASE.cell, RTRL(), start=1), "start=True or False"),
        (lambda: online(CASE.cell, SnAp(1), start=True), "nothing of a start state"),
        (lambda: SnAp(0), "expected n, a positive integer, got 0"),
        (lambda: SnAp(1.5), "expected n, a positive integer"),
        (lambda: online(CASE.cell, UORO()).init(PARAMS, START), "expected key="),
        (lambda: LEARNER.init(PARAMS, START, key=jax.random.key(0)), "draws nothing"),
        (lambda: LEARNER.init(PARAMS, PARAMS), "expected start"),
        (
            lambda: LEARNER.init(PARAMS, CASE.cell.start(B, "float32")),
            "dtype of params",
        ),
        (lambda: LEARNER.init(PARAMS._replace(b=None), START), "expected params"),
        (lambda: derived(), "expected x=, an example"),
        (lambda: derived(h=jnp.ones(()), x=XS[0]), "a batch axis in every leaf"),
        (lambda: derived(h=(jnp.ones((B, 3)), jnp.ones(3)), x=XS[0]), "one batch size"),
        (lambda: derived(h=jnp.ones((B, 3), complex), x=XS[0]), "real numbers"),
        (lambda: derived(params=jnp.ones(3, int), x=XS[0]), "floating dtypes"),
        (lambda: derived(x=XS[0, :2]), "of the batch"),
        (
            lambda: online(PAIRS, RTRL()).init(jnp.ones(3), jnp.ones((B, 3)), x=XS[0]),
            "output is one array",
        ),
        (lambda: step(XS), "floats .5, X. or tokens"),
        (lambda: step(XS[0, :2]), "of the batch"),
        (lambda: step(XS[:B]), "hand over xs"),
        (lambda: step(XS[0, :, :2]), "time axis of 1"),
        (lambda: step(XS[0].astype("float32")), "dtype of params"),
        (lambda: step(jnp.full(B, X)), "expected tokens in"),
        (lambda: step(memory=START), "as init makes it"),
        (
            lambda: online(CASE.cell, SnAp(2)).step(PARAMS, MEMORY, XS[0]),
            "this learner",
        ),
        (lambda: step(params=PARAMS._replace(w_x=PARAMS.w_x[:2])), "made for"),
        (lambda: step(mask=jnp.ones(B)), "expected mask: bool"),
        (lambda: step(reset=jnp.ones((2, B), bool)), "expected reset: bool"),
        (lambda: step(reset_to=START), "together with reset"),
        (
            lambda: step(reset=jnp.ones(B, bool), reset_to=sr.gru(2).start(B)),
            "expected reset_to",
        ),
        (lambda: LEARNER.gradient(MEMORY, jnp.ones((B, 2))), "expected d_h: floats"),
        (
            lambda: LEARNER.gradient(MEMORY, jnp.ones((B, 7), int)),
            "expected d_h: floats",
        ),
        (lambda: LEARNER.gradient(MEMORY, sr.gru(7).start(2)), "expected d_h, a state"),
        (lambda: LEARNER.gradient(START, START.h), "as init makes it"),
        (lambda: LEARNER.gradient_of_start(MEMORY, START.h), "start=True"),
        (
            lambda: follow(
                LEARNER, PARAMS, MEMORY, XS, lambda *_: 0.0, (), jnp.ones(3)
            ),
            "one length T",
        ),
    ],
)
def test_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
