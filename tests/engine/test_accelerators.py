"""What is traced for an accelerator: the same numbers, one block, few writes.

The mesh around a trace says what it is for, so no device is needed: the program is run
by NumPy.
"""

import jax
import jax.numpy as jnp
import pytest
from by_numpy import there_and_back
from cases import CELLS, OPTIONS, WAYS, assert_close, problem
from meshes import made_for
from pairs import chosen, pairs
from programs import inner, loops

import scanrnn as sr
from scanrnn.cells.lstm import LSTMTape
from scanrnn.engine.platform import platform_of

BOTH = {"by hand": lambda way: way, "linearized": sr.Linearized}


AXES = CELLS, OPTIONS, WAYS, BOTH
NEEDED = [*chosen(*AXES, together=1), ("lstm", "all", "stored", "linearized")]


@pytest.mark.parametrize(("cell", "option", "way", "rule"), pairs(*AXES, needed=NEEDED))
def test_the_numbers_are_the_same(cell, option, way, rule):
    backward = BOTH[rule](WAYS[way](sr))
    case = problem(cell, option)
    want = there_and_back(case, backward=sr.Autodiff())
    with made_for("gpu"):
        assert_close(there_and_back(case, backward=backward), want)


def gradient(cell, backward, platform):
    """The program of a gradient over many steps."""
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 64))
    xs = jax.ShapeDtypeStruct((1000, 16, 64), jnp.float64)

    def loss(params, xs):
        return sr.unroll(cell, params, xs, backward=backward).outputs.sum()

    with made_for(platform):
        return jax.make_jaxpr(jax.grad(loss))(params, xs).jaxpr


def loops_of(*args):
    """How many arrays each loop of a gradient writes step by step."""
    return written(gradient(*args))


def written(jaxpr):
    """Of every loop, how many of its results have an entry for each of its steps."""
    found = []
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "scan":
            steps = eqn.params["length"]
            found.append(sum(x.aval.shape[:1] == (steps,) for x in eqn.outvars))
        for body in inner(eqn):
            found += written(body)
    return found


@pytest.mark.parametrize("way", [sr.Stored(), sr.Recomputed()])
def test_a_block_holds_all_steps_and_a_loop_writes_little(way):
    cell = sr.lstm(64)
    assert len(loops_of(cell, way, "cpu")) > 2  # in blocks
    tapes = isinstance(way, sr.Stored)
    # h, c and all of a tape; the deltas
    assert loops_of(cell, way, "gpu") == [2 + tapes, 1]
    # A TPU's compiler makes a chain of what stands side by side.
    leaves = len(LSTMTape._fields)
    assert loops_of(cell, way, "tpu") == [2 + leaves * tapes, 1]


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
@pytest.mark.parametrize("way", [sr.Stored(), sr.Recomputed()])
def test_no_loop_over_all_steps_is_given_their_numbers(way, platform):
    """A TPU's compiler puts it at a fifth of a step to read one."""
    bodies = [body for _, body in loops(gradient(sr.lstm(64), way, platform))]
    assert bodies
    types = [x.aval.dtype for body in bodies for x in body.invars]
    assert not any(jnp.issubdtype(of, jnp.integer) for of in types)


def test_where_a_program_will_run_is_asked_of_meshes_arrays_and_the_default():
    assert platform_of(jnp.zeros(3)) == "cpu"
    with made_for("tpu"):
        assert platform_of(jnp.zeros(3)) == "tpu"
    with jax.default_device(jax.devices("cpu")[1]):
        assert platform_of(None) == "cpu"
    assert platform_of(None) == jax.default_backend()
