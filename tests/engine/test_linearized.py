"""Forward and reverse from one rule: `sr.Linearized` of every other way."""

import dataclasses

import jax
import jax.numpy as jnp
import meshes
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import CELLS, OPTIONS, WAYS, H, T, assert_close, is_float, problem
from jax.interpreters import partial_eval as pe
from pairs import chosen, each, pairs
from programs import count, loop_depths, loops
from steps import recurrences

import scanrnn as sr


@dataclasses.dataclass(frozen=True)
class InBlocks(sr.Stored):
    """`Stored` as it walks long sequences: in blocks, and 4 does not divide T."""

    def block_size(self, cell, task, parts):
        return 4


FOUR = WAYS | {"stored in blocks": lambda sr: InBlocks()}


def direction(tree, seed=0):
    """Numbers of its own for every float, and the zero that an integer has."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda x: (
            jnp.asarray(rng.normal(size=x.shape), x.dtype)
            if is_float(x)
            else np.zeros(x.shape, jax.dtypes.float0)
        ),
        tree,
    )


def pushed(case, backward):
    """The run and its tangents, by params, xs, start and what resets restore."""
    arrays = {k: v for k, v in case.options.items() if k == "reset_to"}
    others = {k: v for k, v in case.options.items() if k not in arrays}

    def run(params, xs, start, arrays):
        made = sr.unroll(
            case.cell, params, xs, start, **others, **arrays, backward=backward
        )
        return tuple(made)

    args = case.params, case.xs, case.start, arrays
    return by_numpy(lambda: jax.jvp(run, args, direction(args)))()


@pytest.mark.parametrize(
    ("cell", "option", "way"),
    pairs(CELLS, OPTIONS, FOUR, needed=chosen(CELLS, OPTIONS, FOUR, together=1)),
)
def test_both_directions_are_those_of_the_plain_scan(cell, option, way):
    case, backward = problem(cell, option), sr.Linearized(FOUR[way](sr))
    want = there_and_back(case, backward=sr.Autodiff())
    assert_close(there_and_back(case, backward=backward), want)
    assert_close(pushed(case, backward), pushed(case, sr.Autodiff()))


def scalar(case, backward):
    """A loss with second derivatives, of the readout as well."""
    labels = jnp.zeros(case.xs.shape[:2], int)
    dense = sr.DenseParams(jnp.eye(H), None)

    def loss(params, xs, start):
        run = sr.unroll(case.cell, params, xs, start, **case.options, backward=backward)
        if isinstance(backward, sr.Autodiff):
            logits = sr.plain_dense(dense, run.outputs)
            return sr.plain_softmax_cross_entropy(logits, labels) + run.final.h.sum()
        logits = sr.dense(dense, run.outputs)
        return sr.softmax_cross_entropy(logits, labels) + run.final.h.sum()

    return loss


def of_tangents(f, args):
    return jax.jvp(f, args, direction(args))[1]


TRANSFORMS = {
    "jvp of jvp": lambda f, args: of_tangents(lambda *x: of_tangents(f, x), args),
    "jvp of grad": lambda f, args: of_tangents(jax.grad(f, (0, 1, 2)), args),
    "grad of jvp": lambda f, args: jax.grad(lambda *x: of_tangents(f, x), 2)(*args),
    "grad of grad": lambda f, args: jax.grad(
        lambda s: jnp.sum(jax.grad(f)(args[0], args[1], s).b ** 2)
    )(args[2]),
    "hessian by b": lambda f, args: jax.hessian(
        lambda b: f(args[0]._replace(b=b), *args[1:])
    )(args[0].b),
    "vmap of jvp, jvp of vmap": lambda f, args: (
        jax.vmap(lambda x: of_tangents(f, (args[0], x, args[2])))(twice(args[1])),
        of_tangents(jax.vmap(lambda x: f(args[0], x, args[2])), (twice(args[1]),)),
    ),
    "checkpoint, linearize": lambda f, args: (
        of_tangents(jax.checkpoint(f), args),
        jax.linearize(f, *args)[1](*direction(args)),
    ),
    "grad and jvp of a scan around it": lambda f, args: (
        jax.grad(lambda p: scanned(f, (p, *args[1:])))(args[0]),
        of_tangents(lambda *x: scanned(f, x), args),
    ),
}


def twice(x):
    return jnp.stack([x, 0.5 * x])


def scanned(f, args):
    params, xs, start = args
    return jax.lax.scan(
        lambda s, x: (s + f(params, x, start), None), jnp.zeros(()), twice(xs)
    )[0]


@pytest.mark.parametrize(
    ("transform", "cell", "way"),
    each(TRANSFORMS, ["rnn", "gru-reset-before", "lstm"], FOUR),
)
def test_every_order_of_derivatives(transform, cell, way):
    case = problem(cell, "all", length=5)
    args = case.params, case.xs, case.start

    def of(backward):
        return by_numpy(lambda: TRANSFORMS[transform](scalar(case, backward), args))()

    assert_close(of(sr.Linearized(FOUR[way](sr))), of(sr.Autodiff()), steps=T * T)


def program(cell, way, transform, option="all"):
    case = problem(cell, option)

    def f(*args):
        run = case.unroll(backward=sr.Linearized(FOUR[way](sr)))(*args)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(run))

    traced = jax.make_jaxpr(lambda *args: transform(f, args))
    return unused_left_out(traced(case.params, case.xs, case.start))


def unused_left_out(closed):
    """As compilers do, at every depth."""
    jaxpr = closed.jaxpr
    return pe.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))[0]


PRODUCTS = {"rnn": 1, "relu": 1, "gru": 1, "gru-reset-before": 2, "lstm": 1}
DIRECTIONS = {
    "grad": lambda f, args: jax.grad(f, (0, 1, 2))(*args),
    "jvp": of_tangents,
}


@pytest.mark.parametrize(("cell", "way", "transform"), each(CELLS, FOUR, DIRECTIONS))
def test_one_product_a_step_in_every_loop(cell, way, transform):
    jaxpr = program(cell, way, DIRECTIONS[transform])
    innermost = [body for _, body in loops(jaxpr) if not list(loops(body))]
    counts = [count(body, ["dot_general"]) for body in innermost]
    assert max(counts) == PRODUCTS[cell]
    assert sum(counts) >= 2 * PRODUCTS[cell]  # there, and the tangents or back


def test_what_is_not_asked_for_is_not_made():
    """A tangent of the inputs alone meets no product with one of the weights."""

    def large(transform):
        jaxpr = program("rnn", "stored", transform, "plain")
        inside = sum(count(body, ["dot_general"]) for _, body in loops(jaxpr))
        return count(jaxpr, ["dot_general"]) - inside

    def by(*which):
        def along(f, args):
            def of(*some):
                mixed = list(args)
                for k, x in zip(which, some, strict=True):
                    mixed[k] = x
                return f(*mixed)

            return of_tangents(of, tuple(args[k] for k in which))

        return along

    assert large(lambda f, args: f(*args)) == 1  # project
    assert large(by(1)) == 2  # and dx W_x
    assert large(by(2)) == 1
    assert large(by(0)) == 3  # and x dW_x, h dW_h
    assert large(DIRECTIONS["grad"]) == 4  # as of `Stored`: test_structure.py


@pytest.mark.parametrize("kind", pairs(["explicit", "auto"], needed=[("explicit",)]))
def test_no_collective_in_a_loop_where_the_batch_is_cut(kind):
    made, weights, data = meshes.inputs("gru", False)
    backward = sr.Linearized()
    mesh, step, arguments = meshes.on_mesh(kind, made, backward, weights, data)
    with meshes.under(kind, mesh):
        compiled = step.lower(*arguments).compile()
        got = jax.device_get(compiled(*arguments))
    depths = loop_depths(compiled.as_text())
    assert depths and max(depths) == 0
    want = by_numpy(jax.value_and_grad(meshes.loss_of(made, sr.Autodiff())))
    assert_close(got, want(weights, *data))


def test_tangents_under_shard_map():
    case = problem("rnn", "plain")
    by_hand = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((1,), ("b",), axis_types=by_hand)

    def local(xs):
        def of(way):
            def run(xs):
                return sr.unroll(case.cell, case.params, xs, backward=way).outputs

            return jax.jvp(run, (xs,), (jnp.cos(xs),))[1]

        return of(sr.Linearized()), of(sr.Autodiff())

    spec = jax.sharding.PartitionSpec(None, "b")
    cut = jax.shard_map(local, mesh=mesh, in_specs=spec, out_specs=spec)
    assert_close(*jax.jit(cut)(case.xs))


@pytest.mark.parametrize(
    ("name", "way"), each(["ode", "policy"], ["stored", "recomputed"])
)
def test_derived_cells(name, way):
    """Weights whose gradient stays in the loop; states that hold integers."""
    of = recurrences()[name]
    cell, args = sr.derive(of.step), (of.params, of.start)

    def both(backward):
        def run(*args):
            return tuple(sr.unroll(cell, args[0], of.xs, args[1], backward=backward))

        def both(*args):
            out, pull = jax.vjp(run, *args)
            pushed = jax.jvp(run, args, direction(args))[1]
            return numbers((out, pull(direction(out, 1)), pushed))

        return by_numpy(both)(*args)

    assert_close(both(sr.Linearized(WAYS[way](sr))), both(sr.Autodiff()))


def numbers(tree):
    return [x for x in jax.tree.leaves(tree) if is_float(x)]


def test_scan_and_layers():
    w, xs = (
        jnp.asarray(np.random.default_rng(0).normal(size=(4, 4))) / 2,
        jnp.ones((T, 4)),
    )

    def scanned(scan, **way):
        def f(w):
            def step(carry, x):
                h = jnp.tanh(w @ carry[0] + x)
                return (h, carry[1] + 1), (h, carry[1])

            return scan(step, (jnp.zeros(4), 0), xs, **way)[1][0]

        return by_numpy(lambda w: jax.jvp(f, (w,), (jnp.cos(w),)))(w)

    assert_close(scanned(sr.scan, backward=sr.Linearized()), scanned(jax.lax.scan))
    layers = sr.bidirectional(sr.rnn(3), sr.gru(2))
    params = layers.init(jax.random.key(0), 4)

    def outputs(way):
        return by_numpy(
            lambda x: jax.jvp(
                lambda x: layers.run(params, x, backward=way).outputs, (x,), (x,)
            )
        )(xs[:, None])

    assert_close(outputs(sr.Linearized()), outputs(sr.Autodiff()))


def test_no_steps_and_one():
    for length, option in ((0, "plain"), (1, "resets")):
        case = problem("lstm", option, length=length)
        got, want = (pushed(case, way) for way in (sr.Linearized(), sr.Autodiff()))
        assert_close(got, want)


@pytest.mark.parametrize("way", ["stored", "recomputed"])
def test_16_bit_floats(way):
    """The gradient of the way it stands on; tangents in its dtype."""
    case = problem("gru-reset-before", "all").astype(jnp.bfloat16)
    of = WAYS[way](sr)
    got, want = (there_and_back(case, backward=b) for b in (sr.Linearized(of), of))
    assert_close(got, want, jnp.bfloat16)
    run, tangents = pushed(case, sr.Linearized(of))
    assert {x.dtype for x in jax.tree.leaves((run, tangents))} == {
        jnp.dtype(jnp.bfloat16)
    }
    exact = pushed(problem("gru-reset-before", "all"), sr.Autodiff())[1]
    assert_close(tangents, exact, jnp.bfloat16)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_readout_has_forward_mode(reduction):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, T, 5))
    weights = np.abs(rng.normal(size=T))
    weights[2], logits[0, 2], labels = 0, np.nan, rng.integers(5, size=T)
    args = jnp.asarray(logits[0]), jnp.asarray(weights)
    v = jnp.asarray(logits[1]), jnp.where(weights == 0, 0, jnp.cos(weights))
    options = {"reduction": reduction, "label_smoothing": 0.1}

    def of(loss):
        def f(logits, weights):
            return loss(logits, labels, weights, **options)

        return by_numpy(lambda *args: jax.jvp(f, args, v))(*args)

    assert_close(of(sr.softmax_cross_entropy), of(sr.plain_softmax_cross_entropy))


def test_bad_input():
    for of in (sr.Autodiff(), sr.Linearized(), "stored", None):
        with pytest.raises(ValueError, match="Linearized\\(of=Stored"):
            sr.Linearized(of)
    with pytest.raises(ValueError, match="it is a value: add the parentheses"):
        sr.Linearized(sr.Stored)
    assert (
        sr.Linearized()
        == sr.Linearized(of=sr.Stored())
        != sr.Linearized(sr.Recomputed())
    )
    case = problem("rnn")
    run = case.unroll(backward=sr.Linearized())
    args = case.params, case.xs, case.start
    narrow = jax.tree.map(lambda x: x.astype("float32"), args)
    with pytest.raises(TypeError, match="float32"):
        jax.jvp(run, args, narrow)
    with pytest.raises(ValueError, match="nothing is predicted"):
        sr.temporary_bytes(case.cell, *args[:2], backward=sr.Linearized())
