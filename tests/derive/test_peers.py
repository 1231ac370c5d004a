"""The cells of Flax, Haiku and Equinox as they are: nothing converted, nothing lost.

Each is a step function on its library's own tree of params. The oracle is the same cell
under `lax.scan`, differentiated by JAX.
"""

import jax
import jax.numpy as jnp
import pytest
from derive.judged import assert_exact, by_cell
from derive.peers import PEERS, B
from jax.sharding import NamedSharding, PartitionSpec
from programs import COLLECTIVE, loop_bodies

# Products that wait for the state before; all the others have one.
TWO = dict.fromkeys(("haiku GRU", "haiku ResetCore of GRU"), 2)
PRODUCTS = TWO | {"haiku DeepRNN": 3}


@pytest.mark.parametrize("name", PEERS)
def test_a_cell_of_another_library_is_derived_as_it_stands(name):
    """Exact per leaf, on its own params; of the loop's products none makes a weight."""
    assert assert_exact(PEERS[name]()) == (PRODUCTS.get(name, 1),) * 2


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
