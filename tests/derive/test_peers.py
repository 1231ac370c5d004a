"""The cells of Flax, Haiku and Equinox as they are: nothing converted, nothing lost.

Each is a step function on its library's own tree of params. The oracle is the same cell
under `lax.scan`, differentiated by JAX.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import evaluate
from cases import assert_close
from derive.peers import PEERS, B, T
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec
from programs import COLLECTIVE, count, loop_bodies, loops

import scanrnn as sr

NAMES = {"dot_general", "conv_general_dilated"}
# Products that wait for the state before; all the others have one.
TWO = dict.fromkeys(("haiku GRU", "haiku ResetCore of GRU"), 2)
PRODUCTS = TWO | {"haiku DeepRNN": 3}


def by_scan(step, scan, params, start, xs):
    return scan(functools.partial(step, params), start, xs)


def by_cell(step, params, start, xs):
    run = sr.unroll(sr.derive(step), params, xs, start)
    return run.final, run.outputs


def there_and_back(run, arguments):
    """The program of all that it makes and of the cotangents of floats."""

    def function(*arguments):
        made, pull = jax.vjp(run, *arguments)
        rng = np.random.default_rng(3)
        drawn = jax.tree.map(
            lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), made
        )
        back = jax.tree.leaves(pull(drawn))
        return made, [d for d in back if d.dtype != jax.dtypes.float0]

    return jax.make_jaxpr(function, return_shape=True)(*arguments)


def numbers(program, shape, arguments):
    made = evaluate(program, list(map(np.asarray, jax.tree.leaves(arguments))))
    return jax.tree.unflatten(jax.tree.structure(shape), made)


@pytest.mark.parametrize("name", PEERS)
def test_a_cell_of_another_library_is_derived_as_it_stands(name):
    """Exact per leaf, on its own params; of the loop's products none makes a weight."""
    case = PEERS[name]()
    arguments = case.params, case.start, case.xs
    # A cell takes one array of inputs; `sr.scan` any tree of them.
    run = functools.partial(by_cell, case.step)
    if isinstance(case.xs, tuple):
        run = functools.partial(by_scan, case.step, sr.scan)
    plain = there_and_back(functools.partial(by_scan, case.step, lax.scan), arguments)
    ours = there_and_back(run, arguments)
    got, want = numbers(*ours, arguments), numbers(*plain, arguments)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    assert_close(got, want, steps=4 * T)
    there, back = (count(body, NAMES) for _, body in loops(ours[0].jaxpr))
    assert (there, back) == (PRODUCTS.get(name, 1),) * 2


@pytest.mark.parametrize("name", ["linen ConvLSTMCell", "equinox GRUCell"])
def test_a_sharded_batch_has_no_collective_in_a_loop(name):
    """The channels of a convolution; weights on the left, under vmap."""
    case = PEERS[name]()
    mesh = jax.make_mesh((B,), ("b",), (jax.sharding.AxisType.Auto,))

    def loss(params, start, xs):
        return jnp.sum(jnp.sin(by_cell(case.step, params, start, xs)[1]))

    def placed(tree, *axes):
        return jax.device_put(tree, NamedSharding(mesh, PartitionSpec(*axes)))

    arguments = placed(case.params), placed(case.start, "b"), placed(case.xs, None, "b")
    program = jax.jit(jax.grad(loss)).lower(*arguments).compile()
    lines = [line for body in loop_bodies(program.as_text()) for line in body]
    assert lines and not [line for line in lines if COLLECTIVE.search(line)]
