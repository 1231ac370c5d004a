"""Arrays cut over devices: the numbers of one, and as few collectives as can be.

With the batch cut there is no collective in a loop over steps, and at most one in a
block of them; none there either where types tell the cut. With the hidden axis cut
every step needs some, but no more than a step of a plain scan.
"""

import collections
import functools

import jax
import jax.numpy as jnp
import pytest
from cases import WAYS, assert_close
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from meshes import (
    DEVICES,
    FORMS,
    KINDS,
    B,
    H,
    cut,
    inputs,
    loss_of,
    on_mesh,
    plain_loss,
    under,
)
from pairs import chosen, pairs
from programs import loop_depths

import scanrnn as sr

# Whether the inputs are tokens goes with the cell: so both lie on every mesh.
INPUTS = {"gru": False, "gru-reset-before": True, "lstm": True, "rnn": False}
EXPLICIT = ("explicit", "placed")


# The collectives of a plain scan in one step there and back.
OF_A_PLAIN_STEP = {
    "hidden": {"rnn": 3, "gru": 23, "gru-reset-before": 21, "lstm": 20},
    "batch and hidden": {"rnn": 4, "gru": 14, "gru-reset-before": 17, "lstm": 13},
}


@functools.cache
def oracle(cell):
    made, weights, data = inputs(cell, INPUTS[cell])
    loss = loss_of(made, sr.Autodiff())
    return jax.device_get(jax.jit(jax.value_and_grad(loss))(weights, *data))


def run(kind, mesh, step, arguments):
    """The numbers, and how many collectives stand how deep in loops."""
    with under(kind, mesh):
        compiled = step.lower(*arguments).compile()
        got = jax.device_get(compiled(*arguments))
    return got, collections.Counter(loop_depths(compiled.as_text()))


def run_plain(kind, form, cell):
    """The same of a plain scan, whose start lies as a later state does."""
    made, weights, data = inputs(cell, INPUTS[cell])
    start = tuple(made.start(B))
    spec = P(FORMS[form].batch, FORMS[form].hidden)
    more = (start, (spec,) * len(start))
    return run(kind, *cut(kind, FORMS[form], plain_loss(cell), weights, data, more))


def can_be(kind, form):
    """By hand, what is not the batch needs collectives of the user's own."""
    return kind != "shard_map" or not (FORMS[form].hidden or FORMS[form].rows)


def forms(*axes):
    """Every form, cell and way somewhere; the rest is exhaustive."""
    others = sorted({*FORMS} - {"batch", "hidden"})
    return pairs(
        KINDS,
        FORMS,
        *axes,
        where=lambda kind, form, *_: can_be(kind, form),
        needed=[
            *chosen(["placed", "auto", "shard_map"], ["batch"], *axes, together=1),
            *chosen(["explicit"], others, *axes, together=1),
            # The gates of every cell are cut in another way.
            *chosen(["placed"], ["hidden"], *axes, together=1),
        ],
    )


@pytest.mark.parametrize(("kind", "form", "cell", "way"), forms(INPUTS, WAYS))
def test_gradients_and_collectives(kind, form, cell, way):
    made, weights, data = inputs(cell, INPUTS[cell])
    got, depths = run(
        kind, *on_mesh(kind, made, WAYS[way](sr), weights, data, form=form)
    )
    assert_close(got, oracle(cell))
    is_cut = form != "nothing"
    assert bool(depths) == is_cut, "a gradient over a sharded batch needs a collective"
    # A block of steps is one loop deep, a step of a block two deep.
    step = 1 if way == "stored" else 2
    if FORMS[form].hidden is None and (kind != "auto" or form != "rows"):
        assert depths[step] == 0
        # Rows that lie apart are added up for every device.
        in_blocks = kind == "auto" or FORMS[form].rows is not None
        looks_up = FORMS[form].rows is not None and INPUTS[cell]
        assert depths[1] <= in_blocks + looks_up
    elif kind in EXPLICIT and form in OF_A_PLAIN_STEP:
        runs = 2 if way == "checkpointed" else 1  # it takes every step there twice
        assert depths[step] <= runs * OF_A_PLAIN_STEP[form][cell]


@pytest.mark.exhaustive
@pytest.mark.parametrize("cell", INPUTS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_where_a_plain_scan_runs(kind, form, cell):
    if not can_be(kind, form):
        pytest.skip("by hand a plain scan would need collectives of its own")
    if kind in EXPLICIT and form == "rows and columns":
        with pytest.raises(Exception, match="consistent sharding"):
            run_plain(kind, form, cell)
    else:
        got, depths = run_plain(kind, form, cell)
        assert_close(got, oracle(cell))
        if kind in EXPLICIT and form in OF_A_PLAIN_STEP:
            assert depths[1] >= OF_A_PLAIN_STEP[form][cell]


@pytest.mark.parametrize("kind", ["auto", "explicit"])
def test_the_count_sees_the_collectives_of_autodiff(kind):
    made, weights, data = inputs("lstm", False)
    mesh, step, arguments = on_mesh(kind, made, sr.Autodiff(), weights, data)
    with jax.set_mesh(mesh):
        hlo = step.lower(*arguments).compile().as_text()
    assert max(loop_depths(hlo)) == 1


@pytest.mark.parametrize("spec", [P("batch"), P()])
def test_a_start_state_of_ones_own_is_sharded_too(spec):
    made, (params, _), (xs, *_) = inputs("gru", False)
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(AxisType.Explicit,))
    xs = jax.device_put(xs, NamedSharding(mesh, P(None, "batch")))
    params = jax.device_put(params, NamedSharding(mesh, P()))
    start = jax.device_put(made.start(B), NamedSharding(mesh, spec))
    step = jax.jit(lambda p, xs, s: sr.unroll(made, p, xs, s))
    run = step(params, xs, start)
    assert run.outputs.sharding.spec == P(None, "batch", None)
    assert run.final.h.sharding.spec == P("batch", None)
    no_steps = jax.eval_shape(lambda xs: step(params, xs[:0], start), xs)
    assert no_steps.outputs.shape == (0, B, H)


VERBS = {
    "whole states, resets to one for all": lambda made, p, xs, start: sr.unroll(
        made, p, xs, start, outputs="states", masked="hold", lengths=jnp.arange(B),
        resets=jnp.ones(xs.shape[:2], bool), reset_to=made.start(1),
    ),
    "truncated": lambda made, p, xs, start: sr.truncated(
        made, p, xs, start, every=2, back=5
    ),
    "adjoints": lambda made, *args: sr.adjoints(
        made, *jax.lax.stop_gradient(args[:2]), jnp.ones((*args[1].shape[:2], H))
    ),
    "vmap": lambda made, p, xs, start: jax.vmap(
        lambda xs: sr.unroll(made, p, xs).final
    )(jnp.stack((xs, xs))),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_types_fit_with_batch_and_hidden_cut(verb):
    made, weights, data = inputs("gru", False)
    mesh, _, ((params, _), xs, *_) = on_mesh(
        "placed", made, sr.Stored(), weights, data, form="batch and hidden"
    )
    start = jax.device_put(made.start(B), NamedSharding(mesh, P()))

    def loss(*arguments):
        leaves = jax.tree.leaves(VERBS[verb](made, *arguments))
        return sum(jnp.sum(leaf**2) for leaf in leaves)

    arguments = params, xs, start
    gradient = jax.eval_shape(jax.grad(loss, (0, 1, 2)), *arguments)
    for leaf, of in zip(
        jax.tree.leaves(gradient), jax.tree.leaves(arguments), strict=True
    ):
        assert leaf.shape == of.shape


def test_without_jit_arrays_that_were_placed_bring_their_mesh():
    made, (params, _), (xs, *_) = inputs("gru", False)
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(AxisType.Explicit,))
    placed = jax.device_put(xs, NamedSharding(mesh, P(None, "batch")))
    run = sr.unroll(made, jax.device_put(params, NamedSharding(mesh, P())), placed)
    assert run.outputs.sharding.spec == P(None, "batch", None)
    assert_close(jax.device_get(run), jax.device_get(sr.unroll(made, params, xs)))
