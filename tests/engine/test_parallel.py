"""Cells whose units do not meet in the recurrence, and `sr.Parallel` over them."""

import functools

import jax
import jax.numpy as jnp
import meshes
import numpy as np
import pytest
from by_numpy import by_numpy, there_and_back
from cases import (
    DIAGONAL,
    OPTIONS,
    PARALLEL,
    WAYS,
    B,
    H,
    T,
    X,
    assert_close,
    problem,
)
from pairs import each, pairs
from programs import count, loop_depths, loops

import scanrnn as sr
from scanrnn.engine.recurrences import Maps, by_chunks, by_pairs
from scanrnn.verify import prove
from scanrnn.verify.audit.recurrence import recurrence_rows
from scanrnn.verify.audit.settings import point_of
from scanrnn.verify.double import double

MIXED = [
    *(("ind-rnn", "all", "parallel"), ("ind-rnn", "tokens-all", "in chunks")),
    *(("min-gru", "all", "in chunks"), ("min-lstm", "tokens-all", "parallel")),
    *(("lru", "all", "parallel"), ("lru", "tokens-all", "in chunks")),
    *(("min-lstm", "reverse", "in chunks"), ("min-gru", "lengths", "parallel")),
    *(("lru", "resets", "in chunks"), ("ind-rnn", "plain", "parallel")),
    *(("min-gru", "tokens", "in chunks"), ("min-lstm", "plain", "parallel")),
]


@functools.cache
def oracle(cell, option):
    return there_and_back(problem(cell, option), backward=sr.Autodiff())


@pytest.mark.parametrize(
    ("cell", "option", "way"), pairs(DIAGONAL, OPTIONS, PARALLEL, needed=MIXED)
)
def test_equals_jax_grad_of_the_plain_scan(cell, option, way):
    got = there_and_back(problem(cell, option), backward=PARALLEL[way](sr))
    assert_close(got, oracle(cell, option))


@pytest.mark.parametrize(
    ("cell", "way"),
    pairs(
        DIAGONAL,
        [*WAYS, "linearized"],
        needed=[
            *(("ind-rnn", "stored"), ("min-gru", "recomputed")),
            *(("min-lstm", "checkpointed"), ("lru", "linearized")),
        ],
    ),
)
def test_the_other_ways_have_these_cells_as_any_other(cell, way):
    ways = WAYS | {"linearized": lambda sr: sr.Linearized()}
    got = there_and_back(problem(cell, "all"), backward=ways[way](sr))
    assert_close(got, oracle(cell, "all"))


@pytest.mark.parametrize("length", [0, 1, 2])
def test_few_steps_and_no_batch(length):
    case = problem("min-gru", "resets", length=length)
    want = there_and_back(case, backward=sr.Autodiff())
    for way in PARALLEL.values():
        assert_close(there_and_back(case, backward=way(sr)), want)
        shape = jax.eval_shape(
            lambda xs, way=way: jax.grad(
                lambda xs: sr.unroll(
                    case.cell, case.params, xs, backward=way(sr)
                ).outputs.sum()
            )(xs),
            case.xs[:, :0],
        )
        assert shape.shape == (length, 0, X)


@pytest.mark.parametrize(("cell", "way"), each(["ind-rnn", "lru"], PARALLEL))
def test_whole_states_and_what_is_held(cell, way):
    case = problem(cell, "all")
    options = {"outputs": "states", "masked": "hold"}

    def run(backward):
        def both(*args):
            made, pull = jax.vjp(case.unroll(backward=backward, **options), *args)
            return made, pull((type(case.start)(case.d_run[0]), case.d_run[1]))

        return by_numpy(both)(case.params, case.xs, case.start)

    assert_close(run(PARALLEL[way](sr)), run(sr.Autodiff()))


def scalar(case, way):
    def loss(params, xs):
        run = sr.unroll(case.cell, params, xs, case.start, **case.options, backward=way)
        return jnp.sum(jnp.sin(run.outputs.real)) + jnp.sum(run.final.h.real**2)

    return loss


def twice(x):
    return jax.tree.map(lambda leaf: jnp.stack([leaf, 0.5 * leaf]), x)


TRANSFORMS = {
    "grad of grad": lambda f, p, x: jax.grad(
        lambda p: sum(jnp.sum(d**2) for d in jax.tree.leaves(jax.grad(f, (0, 1))(p, x)))
    )(p),
    "jvp of grad": lambda f, p, x: jax.jvp(jax.grad(f), (p, x), (p, jnp.cos(x)))[1],
    "vmap of grad": lambda f, p, x: jax.vmap(jax.grad(f, (0, 1)))(twice(p), twice(x)),
    "grad of vmap": lambda f, p, x: jax.grad(
        lambda p: jnp.sum(jax.vmap(f, (None, 0))(p, twice(x)))
    )(p),
    "checkpoint": lambda f, p, x: jax.grad(jax.checkpoint(f))(p, x),
}


@pytest.mark.parametrize(
    ("transform", "cell", "way"), each(TRANSFORMS, DIAGONAL, PARALLEL)
)
def test_under_transformations(transform, cell, way):
    case = problem(cell, "all", length=5)

    def of(backward):
        run = functools.partial(TRANSFORMS[transform], scalar(case, backward))
        return by_numpy(run)(case.params, case.xs)

    assert_close(of(PARALLEL[way](sr)), of(sr.Autodiff()), steps=T * T)


@pytest.mark.parametrize(("cell", "way"), each(DIAGONAL, PARALLEL))
def test_16_bit_floats(cell, way):
    """Joined wide: as near to what is exact as 16 bits are."""
    case = problem(cell, "all").astype(jnp.bfloat16)
    got = there_and_back(case, backward=PARALLEL[way](sr))
    like = jax.eval_shape(functools.partial(case.run, backward=sr.Stored()))
    assert dtypes(got) == dtypes(like)
    exact = there_and_back(case.astype(jnp.float64), backward=sr.Autodiff())
    assert_close(got, exact, jnp.bfloat16)


def dtypes(tree):
    return [leaf.dtype for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize(
    ("kind", "way"),
    pairs(
        ["explicit", "auto", "shard_map"],
        PARALLEL,
        needed=[
            *(("explicit", "in chunks"), ("auto", "parallel")),
            ("shard_map", "in chunks"),
        ],
    ),
)
def test_no_collective_in_a_loop_where_the_batch_is_cut(kind, way):
    cells = sr.min_gru(meshes.H), sr.ind_rnn(meshes.H), sr.lru(meshes.H)
    net = sr.stack(*cells, sr.parts)
    weights = net.init(jax.random.key(0), meshes.X), ()
    data = meshes.inputs("rnn", False)[2][:2]

    def loss_by(way):
        def loss(weights, xs, mask):
            run = net.run(weights[0], xs, mask=mask, resets=~mask, backward=way)
            return jnp.mean(run.outputs**2)

        return loss

    mesh, step, arguments = meshes.cut(
        kind, meshes.FORMS["batch"], loss_by(PARALLEL[way](sr)), weights, data
    )
    with meshes.under(kind, mesh):
        compiled = step.lower(*arguments).compile()
        got = jax.device_get(compiled(*arguments))
    depths = loop_depths(compiled.as_text())
    assert depths and max(depths) == 0
    want = by_numpy(jax.value_and_grad(loss_by(sr.Autodiff())))(weights, *data)
    assert_close(got, want)


def program(cell, way, length=T):
    case = problem(cell, "all", length=length)

    def run(*args):
        made, pull = jax.vjp(case.unroll(backward=way), *args)
        return made, pull(case.d_run)

    return jax.make_jaxpr(run)(case.params, case.xs, case.start).jaxpr


@pytest.mark.parametrize(
    ("cell", "form", "lengths"),
    [
        ("lru", sr.Parallel(), []),
        ("min-lstm", sr.Parallel("chunks", 4), 2 * [4, 3, 4]),
        ("ind-rnn", sr.Parallel(), [T]),
    ],
)
def test_a_few_large_products_and_none_in_a_loop(cell, form, lengths):
    jaxpr = program(cell, form)
    found = list(loops(jaxpr))
    assert sorted(length for length, _ in found) == sorted(lengths)
    assert not any(count(body, ["dot_general"]) for _, body in found)
    assert count(jaxpr, ["dot_general"]) == 4  # project twice, d_xs, d_w_x


def depth(jaxpr):
    """The longest chain of operations, one after the other."""
    at = {}
    for eqn in jaxpr.eqns:
        inside = [v for v in eqn.params.values() if hasattr(v, "jaxpr")]
        own = max([depth(v.jaxpr) for v in inside], default=1)
        own *= eqn.params.get("length", 1) if eqn.primitive.name == "scan" else 1
        before = [at.get(v, 0) for v in eqn.invars if not hasattr(v, "val")]
        for var in eqn.outvars:
            at[var] = max(before, default=0) + own
    return max(at.values())


def test_the_depth_grows_with_the_logarithm_of_time():
    once, twice, again = (
        depth(program("min-gru", sr.Parallel(), length)) for length in (16, 32, 64)
    )
    assert again - twice == twice - once < 40
    stored = [depth(program("min-gru", sr.Stored(), length)) for length in (32, 64)]
    assert stored[1] > 1.8 * stored[0] > again


def test_hundred_thousand_steps_in_float32_within_the_bound():
    """|a| <= 1: near one, of either sign, so small that products are zero, and one."""
    rng, steps = np.random.default_rng(0), 100_000
    a, b = rng.random((2, steps, 4))
    a = np.stack((1 - a[:, 0] / 1e3, 2 * a[:, 1] - 1, a[:, 2] / 1e9, a[:, 3] ** 0), 1)
    a, b, entry = (np.float32(x) for x in (a, b - 0.5, rng.random(4)))
    exact, met = np.zeros((2, steps, 4))
    h, (size, rounded) = entry.astype(float), np.abs([entry, 0 * entry]).astype(float)
    sizes = np.abs(a).astype(float), np.abs(b).astype(float)
    for t in range(steps):
        exact[t] = h = a[t] * h + b[t]
        rounded = sizes[0][t] * (rounded + size)
        size = sizes[0][t] * size + sizes[1][t]
        met[t] = rounded
        sizes[1][t] = size  # from here on the sums of absolute values

    maps = Maps(*(jnp.asarray(x[:, None]) for x in (a, b)))
    forms = {
        2 * np.log2(steps) + 4: by_pairs,
        2 * 250 + 400 + 4: functools.partial(by_chunks, size=250),
    }
    for sums, join in forms.items():
        got = jax.jit(join, static_argnums=2)(maps, entry[None], False)
        error = np.abs(np.asarray(got)[:, 0] - exact)
        bound = met + sums * sizes[1]
        assert np.all(error <= np.finfo(np.float32).eps / 2 * bound + 1e-30)


def test_what_is_no_number_does_not_pass_a_reset():
    case = problem("min-gru")
    resets = jnp.zeros((T, B), bool).at[5].set(True)

    def late(xs, way, scale=1.0):
        run = sr.unroll(case.cell, case.params, xs, resets=resets, backward=way)
        return jnp.sum(run.outputs[5:] * case.d_run[0][5:] * scale), run.outputs

    def back(xs, way, scale=1.0):
        grad = by_numpy(
            jax.grad(functools.partial(late, way=way, scale=scale), has_aux=True)
        )
        return grad(xs)

    for way in (way(sr) for way in PARALLEL.values()):
        d_xs, outputs = back(case.xs.at[2].set(jnp.nan), way)
        assert np.isnan(outputs[4]).all()
        want, clean = back(case.xs, sr.Autodiff())
        assert_close((outputs[5:], d_xs[5:]), (clean[5:], want[5:]))
        d_xs, _ = back(case.xs, way, scale=jnp.nan)
        assert np.isnan(d_xs[5:]).all() and not d_xs[:5].any()


@pytest.mark.parametrize("cell", DIAGONAL)
def test_what_a_cell_says_of_its_recurrence_is_so(cell):
    assert laws(DIAGONAL[cell](sr)) == {
        "ind-rnn": {"diagonal": True},
    }.get(cell, {"diagonal": True, "affine": True, "same factor": True})


def laws(cell):
    with double():
        point, _ = point_of(cell, None, 0)
        return {row.oracle: row.passed for row in recurrence_rows(cell, point)}


@pytest.mark.parametrize("cell", pairs(["ind-rnn", "min-gru"], needed=[("min-gru",)]))
def test_proved_in_exact_arithmetic(cell):
    """With masks, resets and both directions."""
    made = {"ind-rnn": sr.ind_rnn, "min-gru": sr.min_gru}[cell](2)
    ways = sr.Parallel(), sr.Parallel("chunks", 2)
    assert prove(made, ways=ways, steps=[2], inputs=["floats"], draws=1).passed


def test_a_false_marker_is_found_out():
    assert laws(sr.rnn(3)) == {}
    assert laws(sr.rnn(3)._replace(recurrence="diagonal")) == {"diagonal": False}
    found = laws(sr.ind_rnn(3, activation="tanh")._replace(recurrence="affine"))
    assert found == {"diagonal": True, "affine": False, "same factor": False}


def test_bad_input():
    case = problem("rnn")
    args = case.cell, case.params, case.xs
    with pytest.raises(ValueError, match=r"got one that is dense, .*7.*Stored"):
        sr.unroll(*args, backward=sr.Parallel())
    with pytest.raises(ValueError, match="diagonal or affine"):
        sr.unroll(case.cell, case.params, case.xs[:0], backward=sr.Parallel())
    with pytest.raises(ValueError, match="diagonal or affine"):
        step = lambda h, x: (h + x, h)  # noqa: E731
        sr.scan(step, jnp.zeros(2), jnp.ones((3, 2)), backward=sr.Parallel())
    with pytest.raises(ValueError, match='"associative" or "chunks"'):
        sr.Parallel("tree")
    with pytest.raises(ValueError, match="chunk=4"):
        sr.Parallel(chunk=4)
    with pytest.raises(ValueError, match="a positive integer"):
        sr.Parallel("chunks", 0)
    with pytest.raises(ValueError, match="add the parentheses"):
        sr.unroll(*args, backward=sr.Parallel)
    with pytest.raises(ValueError, match="Linearized\\(of=Stored"):
        sr.Linearized(sr.Parallel())
    case = problem("min-gru")
    args = case.cell, case.params, case.xs
    with pytest.raises(ValueError, match="nothing is predicted"):
        sr.temporary_bytes(*args, backward=sr.Parallel())
    assert not isinstance(sr.Budget(10**9).choose(*args), sr.Parallel)
    (t,) = jax.export.symbolic_shape("t")
    with pytest.raises(ValueError, match="a number of steps"):
        jax.eval_shape(
            lambda xs: sr.unroll(*args[:2], xs, backward=sr.Parallel()),
            jax.ShapeDtypeStruct((t, B, X), case.xs.dtype),
        )


def test_what_is_not_proved_is_refused():
    """A logarithm of a sum, which is no polynomial; and complex states."""
    refused = prove(sr.min_lstm(2), ways=[sr.Stored()], steps=[1], inputs=["floats"])
    assert {row.reason[:7] for row in refused.rows} == {"refused"}
    with pytest.raises(ValueError, match=r"real states.*audits such cells"):
        prove(sr.lru(2))


def test_complex_outputs_are_told_what_to_do():
    case = problem("lru")
    outputs = jnp.zeros((T, B, H), complex)
    dense = sr.init_dense(jax.random.key(0), H, 2)
    with pytest.raises(ValueError, match=r"complex128.*sr.parts"):
        sr.dense(dense, outputs)
    with pytest.raises(ValueError, match=r"complex128.*sr.parts"):
        sr.unroll(sr.gru(3), sr.gru(3).init(jax.random.key(0), H), outputs)
    with pytest.raises(ValueError, match="complex128, got float64"):
        sr.unroll(case.cell, case.params, case.xs, type(case.start)(case.start.h.real))
    with pytest.raises(ValueError, match="real outputs"):
        sr.feedback(sr.lru(3), 2)
