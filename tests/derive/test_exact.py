"""A derived cell has the numbers and the gradients of its step in `lax.scan`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from by_numpy import there_and_back as numpy_run
from cases import CELLS, WAYS, assert_close, problem
from cases import T as LONG
from pairs import each
from steps import B, H, T, X, drawn, recurrences

import scanrnn as sr
from scanrnn import verify

ALL = recurrences()
ALL.pop("hands on")  # its outputs are no array: for `sr.scan`
MASKED = ["gru of separate gates", "attention", "ode"]


def random_like(tree, seed=3):
    rng = np.random.default_rng(seed)

    def draw(leaf):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return np.zeros(leaf.shape, jax.dtypes.float0)
        return jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype)

    return jax.tree.map(draw, tree)


def numbers(tree):
    """Without the cotangents that integers do not have."""
    return [x for x in jax.tree.leaves(tree) if x.dtype != jax.dtypes.float0]


def there_and_back(run, *arguments):
    """What it makes, and the cotangents of what has some."""

    def function(*arguments):
        made, pull = jax.vjp(run, *arguments)
        return made, numbers(pull(random_like(made)))

    return by_numpy(function)(*arguments)


@functools.cache
def oracle(name):
    case = ALL[name]

    def run(params, start, xs):
        return jax.lax.scan(functools.partial(case.step, params), start, xs)

    return there_and_back(run, *case[1:])


def derived(name, **options):
    case = ALL[name]
    cell = sr.derive(case.step)

    def run(params, start, xs):
        made = sr.unroll(cell, params, xs, start, **options)
        return made.final, made.outputs

    return run


@pytest.mark.parametrize(("name", "way"), each(ALL, WAYS))
def test_every_step_has_the_gradients_of_lax_scan(name, way):
    made, back = there_and_back(derived(name, backward=WAYS[way](sr)), *ALL[name][1:])
    want, d_want = oracle(name)
    assert jax.tree.structure(made) == jax.tree.structure(want)
    assert_close(made, want, steps=T)
    assert_close(back, d_want, steps=4 * T)


def with_masks(step):
    """The step that passes over what is masked, and restarts where it is reset."""

    def masked(params, carry, at):
        state, zero = carry
        x, valid, reset = at

        def pick(flag, yes, no):
            def one(a, b):
                return jnp.where(flag.reshape(-1, *(1,) * (a.ndim - 1)), a, b)

            return jax.tree.map(one, yes, no)

        state = pick(reset, zero, state)
        after, output = step(params, state, x)
        output = pick(valid, output, jnp.zeros_like(output))
        return (pick(valid, after, state), zero), output

    return masked


@pytest.mark.parametrize("name", MASKED)
def test_masks_and_resets_of_a_derived_cell(name):
    case = ALL[name]
    rng = np.random.default_rng(0)
    mask, resets = (jnp.asarray(rng.random((T, B)) < p) for p in (0.7, 0.3))
    zero = jax.tree.map(lambda leaf: leaf * 0.5, case.start)

    def ours(params, start, xs):
        run = sr.unroll(
            sr.derive(case.step), params, xs, start, mask=mask, resets=resets,
            reset_to=zero, reverse=True, backward=sr.Recomputed(3),
        )  # fmt: skip
        return run.final, run.outputs

    def plain(params, start, xs):
        step = functools.partial(with_masks(case.step), params)
        (final, _), outputs = jax.lax.scan(
            step, (start, zero), (xs, mask, resets), reverse=True
        )
        return final, outputs

    got, want = (there_and_back(run, *case[1:]) for run in (ours, plain))
    assert_close(got, want, steps=4 * T)


@pytest.mark.parametrize("cell", CELLS)
def test_what_was_derived_by_hand_is_what_a_machine_derives(cell):
    """The way back of the shelf, and that of its own step: a third oracle."""
    case = problem(cell, "all")

    def step(params, state, x):
        drive = jax.tree.map(lambda leaf: leaf[0], case.cell.project(params, x[None]))
        state, _ = case.cell.step(params, state, drive)
        return state, state.h

    got = numpy_run(case._replace(cell=sr.derive(step)))
    assert_close(got, numpy_run(case), steps=LONG)


def init(key, size, dtype=None):
    d = drawn(1)
    shapes = {"w": (size, 3 * H), "u": (H, 3 * H), "b": (3 * H,)}
    return {k: d(*shape).astype(dtype or jnp.float64) for k, shape in shapes.items()}


def start(batch, dtype=None):
    return jnp.zeros((batch, H), dtype)


def minimal(p, h, x):
    """A gated step; its output is its state."""
    f, n, o = jnp.split(x @ p["w"] + h @ p["u"] + p["b"], 3, -1)
    f = jax.nn.sigmoid(f)
    h = (1 - f) * h + f * jnp.tanh(n) * jax.nn.sigmoid(o)
    return h, h


CELL = sr.derive(minimal, init=init, start=start)


def test_a_derived_cell_is_a_cell():
    """Equal and pickled by its call; in stacks, windows, streams, steps and budgets."""
    assert sr.derive(minimal, init=init, start=start) == CELL
    params, xs = CELL.init(jax.random.key(0), X), drawn(2)(T, B, X)
    run = sr.unroll(CELL, params, xs)
    assert run.final.h.shape == (B, H) and sr.last(run).shape == (B, H)
    assert_close(run.outputs[-1], run.final.h)
    output, after = sr.step(CELL, params, jnp.zeros((B, H)), xs[0])
    assert_close((output, after), (run.outputs[0], run.outputs[0]))
    net = sr.stack(CELL, sr.bidirectional(sr.rnn(2), CELL))
    made = jax.eval_shape(net.run, net.init(jax.random.key(1), X), xs)
    assert made.outputs.shape == (T, B, 2 + H)
    needs = [
        sr.temporary_bytes(CELL, params, xs, backward=way(sr)) for way in WAYS.values()
    ]
    assert needs[0] > needs[1] > 0
    lean = functools.partial(sr.unroll, CELL, backward=sr.Budget(max(needs)))
    assert_close(by_numpy(lean)(params, xs).outputs, run.outputs)


def test_windows_and_streams_of_a_derived_cell():
    params, xs = CELL.init(jax.random.key(0), X), drawn(2)(T, B, X)
    zero = jnp.zeros((B, H))

    def last(xs, back):
        windows = {"every": 1, "back": back}
        return jnp.sum(sr.truncated(CELL, params, xs, zero, **windows).outputs[-1])

    d_xs = by_numpy(jax.grad(functools.partial(last, back=3)))(xs)
    assert not np.any(d_xs[:-3]) and np.all(np.any(d_xs[-3:] != 0, axis=2))

    def later(h):
        return jnp.sum(jnp.sin(sr.unroll(CELL, params, xs[3:], h).outputs))

    run = by_numpy(functools.partial(sr.unroll, CELL))(params, xs, zero)
    adjoints = by_numpy(functools.partial(sr.adjoints, CELL))
    streams = adjoints(params, xs, np.cos(run.outputs), zero)
    want = by_numpy(jax.grad(later))(run.outputs[2])
    assert_close(streams.through_time[2], want, steps=T)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_narrow_floats_are_no_worse_than_autodiff(dtype):
    def grads(dtype, scan):
        params, xs = CELL.init(jax.random.key(0), X), drawn(2)(T, B, X)
        params, xs = jax.tree.map(lambda x: x.astype(dtype), (params, xs))

        def loss(params):
            if scan:
                zero = jnp.zeros((B, H), dtype)
                step = functools.partial(minimal, params)
                outputs = jax.lax.scan(step, zero, xs)[1]
            else:
                outputs = sr.unroll(CELL, params, xs).outputs
            return jnp.sum(outputs.astype(jnp.float64) ** 2)

        run = by_numpy if dtype == "float64" else jax.jit
        return run(jax.grad(loss))(params)

    exact = grads("float64", True)
    ours, plain = (grads(dtype, scan) for scan in (False, True))
    for got, theirs, want in zip(
        *map(jax.tree.leaves, (ours, plain, exact)), strict=True
    ):
        assert got.dtype == dtype
        error, theirs = (
            np.abs(np.asarray(g, float) - want).max() for g in (got, theirs)
        )
        # One rounding of the result is always allowed.
        room = float(jnp.finfo(dtype).eps) * np.abs(want).max()
        assert error <= 2 * theirs + room


def changes(change):
    def step(params, state, x):
        h, n = state
        return change(h, n), h

    return sr.derive(step)


STATE = (jnp.zeros((B, H)), jnp.zeros(B))
XS = jnp.ones((T, B, X))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sr.derive(None), "expected step, a function"),
        (lambda: sr.derive(minimal, init=3), "expected init, a function"),
        (lambda: sr.unroll(sr.derive(minimal), {}, XS), "expected a start state"),
        (
            lambda: sr.derive(minimal).init(jax.random.key(0), 3),
            "derived without init=",
        ),
        (
            lambda: sr.unroll(changes(lambda h, n: (h, n, n)), {}, XS, STATE),
            "state of the form of the one it was given",
        ),
        (
            lambda: sr.unroll(changes(lambda h, n: (h, n[:2])), {}, XS, STATE),
            r"leaf \[1\], float64 \(5,\), got float64 \(2,\)",
        ),
        (
            lambda: sr.unroll(changes(lambda h, n: (h.astype(int), n)), {}, XS, STATE),
            r"leaf \[0\], float64 \(5, 4\), got int64",
        ),
        (
            lambda: sr.unroll(sr.derive(lambda p, h, x: h), {}, XS, STATE[0]),
            r"return \(state, output\)",
        ),
    ],
)
def test_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.exhaustive  # the audit compares every cell with its derived form
def test_a_derived_cell_is_audited_and_proved():
    assert verify.check(CELL, quick=True).passed
    proof = verify.prove(CELL, ways=[sr.Stored()], steps=[3], draws=1)
    assert proof.passed, str(proof)


@pytest.mark.parametrize(
    "way",
    [
        "recomputed",
        *(
            pytest.param(w, marks=pytest.mark.exhaustive)
            for w in ("stored", "checkpointed")
        ),
    ],
)
def test_compiled_the_numbers_are_the_same(way):
    case = ALL["gru of joined inputs"]
    run = derived("gru of joined inputs", backward=WAYS[way](sr))
    got = jax.jit(lambda *a: jax.vjp(run, *a)[1](oracle("gru of joined inputs")[0]))
    want = by_numpy(lambda *a: jax.vjp(run, *a)[1](oracle("gru of joined inputs")[0]))
    assert_close(got(*case[1:]), want(*case[1:]), steps=4 * T)


def test_adjoints_take_the_cotangent_of_a_final_state_of_the_step_s_own_form():
    cell = sr.derive(lambda w, h, x: (jnp.tanh(x @ w + h),) * 2)
    w, xs, start = jnp.ones((X, H)) / 3, jnp.ones((T, B, X)), jnp.zeros((B, H))
    d_hs, d_final = jnp.ones((T, B, H)), 3 * jnp.ones((B, H))
    streams = sr.adjoints(cell, w, xs, d_hs, start, d_final=d_final)
    d_step = 1 - sr.unroll(cell, w, xs, start).outputs ** 2

    def loss(start):
        run = sr.unroll(cell, w, xs, start)
        return jnp.sum(run.outputs) + 3 * jnp.sum(run.final)

    d_start = by_numpy(jax.grad(loss))(start)
    np.testing.assert_allclose(streams.total[0] * d_step[0], d_start, rtol=1e-12)
    with pytest.raises(ValueError, match="d_final as the state before the first step"):
        sr.adjoints(cell, w, xs, d_hs, start, d_final=d_final[:, 1:])
