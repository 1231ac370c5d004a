"""No array is stretched to more axes in silence: JAX may be told to forbid it."""

import jax
import jax.numpy as jnp
import pytest
from cases import CELLS, OPTIONS, WAYS, B, H, T, problem
from pairs import each

import scanrnn as sr

WAYS = {**WAYS, "autodiff": lambda sr: sr.Autodiff()}


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_rank_promotion("raise"):
        yield


def trace(function, params):
    """The program of value and gradient; nothing is compiled."""

    def loss(params):
        leaves = jax.tree.leaves(function(params))
        return sum(jnp.sum(leaf**2) for leaf in leaves)

    jax.make_jaxpr(jax.value_and_grad(loss))(params)


@pytest.mark.parametrize(("cell", "option", "way"), each(CELLS, OPTIONS, WAYS))
def test_unroll(cell, option, way):
    case = problem(cell, option)
    function = case.unroll(backward=WAYS[way](sr))
    trace(lambda params: function(params, case.xs, case.start), case.params)
    trace(lambda params: function(params, case.xs, None), case.params)


@pytest.mark.parametrize(("cell", "option"), each(CELLS, OPTIONS))
def test_what_is_built_on_it(cell, option):
    case = problem(cell, option)
    args = case.xs, case.start
    layers = sr.stack(case.cell, sr.bidirectional(case.cell, case.cell))
    deep = layers.init(jax.random.key(0), 3)
    lengths = jnp.full(B, T)
    dense = sr.init_dense(jax.random.key(1), 2 * H, 3)

    def read_out(weights):
        deep, dense = weights
        run = layers.run(
            deep, case.xs.swapaxes(0, 1), lengths=lengths, batch_first=True
        )
        logits = sr.dense(dense, run.outputs)
        labels = jnp.zeros((B, T), int)
        return sr.softmax_cross_entropy(logits, labels, label_smoothing=0.1)

    trace(read_out, (deep, dense))
    trace(
        lambda params: sr.truncated(
            case.cell, params, *args, every=2, back=5, **case.options
        ),
        case.params,
    )
    trace(
        lambda params: sr.adjoints(
            case.cell, params, case.xs, case.d_run[0], case.start, **case.options
        ),
        case.params,
    )
