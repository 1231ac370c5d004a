"""No weight gradient in a loop, and no more products than a step has recurrent ones."""

import jax
import jax.numpy as jnp
import pytest
from programs import count, loop_bodies, loops
from shelf.told import CELLS, given

import scanrnn as sr

PRODUCTS = {"projected_lstm": 2, "mgu of the paper": 2}
NAMES = {"dot_general", "conv_general_dilated"}


def gradient(name):
    cell = CELLS[name]()
    params, xs, start, _ = given(name, cell)

    def loss(params, xs, start):
        return jnp.sum(jnp.sin(sr.unroll(cell, params, xs, start).outputs))

    return jax.grad(loss, (0, 1, 2)), (params, xs, start)


@pytest.mark.parametrize("name", [name for name in CELLS if name != "orthogonal_rnn"])
def test_products_in_the_loops(name):
    function, arguments = gradient(name)
    there, back = (b for _, b in loops(jax.make_jaxpr(function)(*arguments).jaxpr))
    assert count(there, NAMES) == count(back, NAMES) == PRODUCTS.get(name, 1)
    params = arguments[0]._asdict()
    weights = {leaf.shape for k, leaf in params.items() if k[:2] in ("w_", "k_")}
    made = [e.outvars[0].aval.shape for e in back.eqns if e.primitive.name in NAMES]
    assert weights and not weights & set(made)


def test_a_weight_made_of_params_is_made_outside_of_the_loops():
    """The solve behind an orthogonal matrix, and its derivative, as compiled."""
    function, arguments = gradient("orthogonal_rnn")
    text = jax.jit(function).lower(*arguments).compile().as_text()
    assert "getrf" in text
    lines = [line for body in loop_bodies(text) for line in body]
    assert lines and not [line for line in lines if "custom-call" in line]
