"""Feedback: the gradient through a cell's own predictions is the right one."""

import functools
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import CELLS, WAYS, B, H, T, assert_close, tolerance
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from pairs import pairs
from programs import COLLECTIVE, loop_bodies

import scanrnn as sr
from scanrnn.verify.proof.prove import prove

Y, E = 3, 2
FEEDS = {
    "prediction": sr.Prediction(),
    "probabilities": sr.Probabilities(0.7),
    "straight-through": sr.StraightThrough(0.7),
}


# What is fed back, written down again: the oracle shares no line with the library.
def fed_back(name, y):
    if name == "prediction":
        return y
    p = jnp.exp(y / 0.7) / jnp.sum(jnp.exp(y / 0.7), axis=-1, keepdims=True)
    if name == "probabilities":
        return p
    choice = jax.nn.one_hot(jnp.argmax(y, axis=-1), Y, dtype=y.dtype)
    return jax.lax.stop_gradient(choice - p) + p


def free_run(cell, name, params, data, start, mask=None, resets=None, reverse=False):
    """The plain scan: one step, all of it, in the loop."""
    ones = jnp.ones((T, B), bool)
    mask = ones if mask is None else mask
    resets = ~ones if resets is None else resets

    def pick(condition, yes, no):
        return jax.tree.map(lambda a, b: jnp.where(condition[:, None], a, b), yes, no)

    def body(state, at):
        (given, gate, noise, further), mask, reset = at
        state = pick(reset, jax.tree.map(jnp.zeros_like, start), state)
        y = state.h @ params.readout.w + params.readout.b + noise
        u = jnp.where(gate[:, None], given, fed_back(name, y))
        x = jnp.concatenate((u, further), axis=-1)
        drive = jax.tree.map(lambda a: a[0], cell.project(params.cell, x[None]))
        state = pick(mask, cell.step(params.cell, state, drive)[0], state)
        return state, jnp.where(mask[:, None], state.h, 0)

    final, outputs = jax.lax.scan(body, start, (data, mask, resets), reverse=reverse)
    return outputs, final


class Own(NamedTuple):
    w_x: jax.Array
    w_h: jax.Array


class OwnState(NamedTuple):
    h: jax.Array


@functools.cache
def own():
    """h = tanh(sin(x) W_x ∘ h_prev W_h): its dx asks for x and for the state."""

    def init(key, size, dtype=None):
        drawn = jax.random.normal(key, (size + H, H), dtype)
        drawn = drawn / H**0.5  # near norm 1, as the cases of cases.py
        return Own(drawn[:size], drawn[size:])

    def step(params, state, drive):
        h = jnp.tanh(drive * (state.h @ params.w_h))
        return OwnState(h), (1 - h * h, drive)

    def pull(params, tape, d_state):
        delta = d_state.h * tape[0]
        return OwnState((delta * tape[1]) @ params.w_h.T), (delta, tape[1])

    def collect(params, xs, states_prev, deltas):
        delta, drive = deltas
        d_drive = delta * (states_prev.h @ params.w_h)
        d_w_x = jnp.einsum("tbi,tbj->ij", jnp.sin(xs), d_drive)
        d_w_h = jnp.einsum("tbi,tbj->ij", states_prev.h, delta * drive)
        return Own(d_w_x, d_w_h), d_drive @ params.w_x.T * jnp.cos(xs)

    return sr.Cell(
        init=init,
        start=lambda batch, dtype=None: OwnState(jnp.zeros((batch, H), dtype)),
        project=lambda params, xs: jnp.sin(xs) @ params.w_x,
        step=step,
        pull=pull,
        collect=collect,
    )


INNER = {name: make(sr) for name, make in CELLS.items()} | {"own": own()}


class Case(NamedTuple):
    cell: sr.Cell
    params: sr.FeedbackParams
    data: tuple  # inputs, gate, noise, further
    start: NamedTuple
    flags: dict
    d_run: tuple


def case_of(name, feed, seed=0):
    """Drawn as in cases.py; about half of the steps are given."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return jnp.asarray(rng.normal(size=shape))

    cell = sr.feedback(INNER[name], Y, FEEDS[feed])
    params = cell.init(jax.random.key(seed), Y + E + 1)
    params = jax.tree.map(lambda leaf: leaf + 0.2 * draw(*leaf.shape), params)
    gate = jnp.asarray(rng.random((T, B)) < 0.4)
    noise = jnp.where(gate[..., None], 0, draw(T, B, Y))
    start = jax.tree.map(lambda leaf: draw(*leaf.shape), cell.start(B))
    d_final = jax.tree.map(lambda leaf: draw(*leaf.shape), start)
    flags = {
        "mask": jnp.asarray(rng.random((T, B)) < 0.7),
        "resets": jnp.asarray(rng.random((T, B)) < 0.3),
    }
    data = (draw(T, B, Y), gate, noise, draw(T, B, E))
    return Case(cell, params, data, start, flags, (draw(T, B, H), d_final))


def ours(case, way, **options):
    def run(params, inputs, noise, further, start):
        gate = case.data[1]
        xs = sr.forced(inputs, gate, noise=noise, further=further)
        return tuple(sr.unroll(case.cell, params, xs, start, backward=way, **options))

    return run


def plain(case, name, feed, **options):
    def run(params, inputs, noise, further, start):
        data = (inputs, case.data[1], noise, further)
        return free_run(INNER[name], feed, params, data, start, **options)

    return run


def there_and_back(case, run, jit=by_numpy):
    inputs, _, noise, further = case.data
    arguments = (case.params, inputs, noise, further, case.start)

    @jit
    def both(arguments, d_run):
        made, pull = jax.vjp(run, *arguments)
        return made, pull(d_run)

    # What is given is no noise where it is given, and nothing where it is not.
    made, (d_params, d_inputs, d_noise, d_further, d_start) = both(
        arguments, case.d_run
    )
    gate = case.data[1][..., None]
    d_noise = jnp.where(gate, 0, d_noise)
    return made, (d_params, d_inputs, d_noise, d_further, d_start)


@functools.cache
def oracle(name, feed):
    case = case_of(name, feed)
    options = {**case.flags, "reverse": True}
    return there_and_back(case, plain(case, name, feed, **options))


@pytest.mark.parametrize(("name", "feed", "way"), pairs(INNER, FEEDS, WAYS))
def test_equals_jax_grad_of_the_plain_free_run(name, feed, way):
    case = case_of(name, feed)
    options = {**case.flags, "reverse": True}
    got = there_and_back(case, ours(case, WAYS[way](sr), **options))
    assert_close(got, oracle(name, feed))


# One cell and feed for every way: what differs among cells is compiled below.
COMPILED = list(zip(["rnn", "relu", "own"], FEEDS, WAYS, strict=True))


@pytest.mark.parametrize(
    ("name", "feed", "way"), pairs(INNER, FEEDS, WAYS, needed=COMPILED)
)
def test_equals_it_when_compiled(name, feed, way):
    case = case_of(name, feed)
    options = {**case.flags, "reverse": True}
    got = there_and_back(case, ours(case, WAYS[way](sr), **options), jax.jit)
    assert_close(got, oracle(name, feed))


@pytest.mark.parametrize("option", ["plain", "mask", "resets", "reverse"])
@pytest.mark.parametrize("way", [sr.Recomputed(4), sr.Autodiff()])
def test_equals_it_with_every_option(option, way):
    case = case_of("lstm", "probabilities")
    options = {k: v for k, v in (case.flags | {"reverse": True}).items() if k == option}
    want = there_and_back(case, plain(case, "lstm", "probabilities", **options))
    assert_close(there_and_back(case, ours(case, way, **options)), want)


def test_lengths_leave_the_rest_out():
    case = case_of("gru", "probabilities")
    lengths = jnp.asarray([0, 1, T, T // 2, T - 1])
    mask = jnp.arange(T)[:, None] < lengths
    want = there_and_back(case, plain(case, "gru", "probabilities", mask=mask))
    got = there_and_back(case, ours(case, sr.Stored(), lengths=lengths))
    assert_close(got, want)
    d_inputs = np.asarray(got[1][1])
    np.testing.assert_array_equal(d_inputs[~np.asarray(mask)], 0)


@pytest.mark.parametrize("feed", FEEDS)
def test_all_given_is_teacher_forcing(feed):
    """The same numbers as the cell alone; the readout of the loop gets nothing."""
    case = case_of("gru", feed)
    inputs, _, _, further = case.data

    def forced(params, inputs):
        xs = sr.forced(inputs, True, further=further)
        return jnp.sum(sr.unroll(case.cell, params, xs).outputs * case.d_run[0])

    def alone(params, inputs):
        xs = jnp.concatenate((inputs, further), axis=-1)
        run = sr.unroll(INNER["gru"], params.cell, xs)
        return jnp.sum(run.outputs * case.d_run[0])

    got, want = (
        by_numpy(jax.value_and_grad(loss, (0, 1)))(case.params, inputs)
        for loss in (forced, alone)
    )
    assert_close(got[0], want[0])
    assert_close(got[1][0].cell, want[1][0].cell)
    assert_close(got[1][1], want[1][1])
    for leaf in got[1][0].readout:
        np.testing.assert_array_equal(leaf, 0)


def test_what_is_given_at_a_free_step_is_noise_alone():
    """inputs reach nothing where the gate is shut; NaN there changes nothing."""
    case = case_of("lstm", "probabilities")
    inputs, gate, noise, further = case.data
    junk = jnp.where(gate[..., None], inputs, jnp.nan)
    run = ours(case, sr.Stored())
    made, (_, d_inputs, *_) = there_and_back(case, run)
    again, _ = there_and_back(case._replace(data=(junk, gate, noise, further)), run)
    jax.tree.map(np.testing.assert_array_equal, again, made)
    np.testing.assert_array_equal(np.asarray(d_inputs)[~np.asarray(gate)], 0)


def test_the_loss_of_a_step_reaches_the_predictions_before_it():
    """With the recurrence cut, the only way back through time is the feedback."""
    case = case_of("rnn", "prediction")
    cell, params = case.cell, case.params
    no_memory = params.cell._replace(w_h=jnp.zeros_like(params.cell.w_h))
    params = params._replace(cell=no_memory)

    def last(first, gate):
        xs = sr.forced(jnp.zeros((T, B, Y)).at[0].set(first), gate[:, None])
        return jnp.sum(sr.unroll(cell, params, add_further(xs)).outputs[-1])

    def add_further(xs):
        more = jnp.zeros((T, B, E))
        return jnp.concatenate((xs[..., :Y], more, xs[..., Y:]), axis=-1)

    grad = by_numpy(jax.grad(last))
    first = case.data[0][0]
    assert np.all(grad(first, jnp.arange(T) < 1) != 0)
    np.testing.assert_array_equal(grad(first, jnp.arange(T) != 4), 0)


def test_sampling_is_the_likeliest_of_noisy_logits():
    """Gumbel noise makes a sample of the choice: its frequencies are the softmax."""
    cell = sr.feedback(sr.rnn(H), Y, sr.StraightThrough())
    params = cell.init(jax.random.key(0), Y + 1)
    many = 20_000
    params = params._replace(readout=params.readout._replace(b=jnp.array([0.0, 1, 2])))
    noise = jnp.asarray(np.random.default_rng(1).gumbel(size=(1, many, Y)))

    @by_numpy
    def stepped(params, noise):
        xs = sr.forced(jnp.zeros((1, many, Y)), False, noise=noise)
        return cell.step(params, cell.start(many), cell.project(params, xs)[0])[0]

    state = stepped(params, noise)
    rows = jnp.tanh(params.cell.w_x + params.cell.b)  # of the three choices
    chosen = jnp.argmin(jnp.sum((state.h[:, None] - rows) ** 2, -1), -1)
    counts = np.bincount(chosen, minlength=Y) / many
    want = np.asarray(jax.nn.softmax(params.readout.b))
    np.testing.assert_allclose(counts, want, atol=4 * 0.5 / many**0.5)


@pytest.mark.parametrize("feed", FEEDS)
def test_only_the_choice_is_biased(feed):
    """Central differences of the loss itself: the oracle that no rule can fool."""
    case = case_of("gru", feed)
    inputs, gate, noise, further = case.data
    xs = sr.forced(inputs, gate, noise=noise, further=further)
    loss = by_numpy(lambda params: loss_of(case, sr.Stored())(params, xs))
    way = jax.tree.map(jnp.cos, case.params)

    def moved(by):
        return loss(jax.tree.map(lambda p, v: p + by * v, case.params, way))

    slope = (moved(1e-6) - moved(-1e-6)) / 2e-6
    d_params = by_numpy(jax.grad(loss_of(case, sr.Stored())))(case.params, xs)
    terms = jax.tree.map(lambda g, v: jnp.sum(g * v), d_params, way)
    difference = abs(slope - sum(jax.tree.leaves(terms))) / abs(slope)
    if feed == "straight-through":
        assert difference > 1e-3
    else:
        assert difference < 1e-7


def test_linear_feedback_is_proved():
    cell, ways = sr.feedback(sr.gru(2), 1), [sr.Recomputed(2)]
    proof = prove(cell, ways=ways, steps=[3], inputs=["floats"], draws=1)
    assert proof.passed, str(proof)


@pytest.mark.parametrize("feed", FEEDS)
def test_pull_is_linear_and_never_mixes_sequences(feed):
    case = case_of("lstm", feed)
    inputs, gate, noise, further = case.data
    xs = sr.forced(inputs, gate, noise=noise, further=further)
    _, tape = by_numpy(case.cell.step)(case.params, case.start, xs[1])
    one, two = case.d_run[1], jax.tree.map(jnp.sin, case.d_run[1])

    @by_numpy
    def back(d_state):
        return case.cell.pull(case.params, tape, d_state)

    both = jax.tree.map(lambda a, b: 3 * a - b / 7, one, two)
    want = jax.tree.map(lambda a, b: 3 * a - b / 7, back(one), back(two))
    assert_close(back(both), want)
    only = jax.tree.map(lambda x: jnp.where((jnp.arange(B) == 2)[:, None], x, 0), one)
    for leaf in jax.tree.leaves(back(only)):
        np.testing.assert_array_equal(np.delete(np.asarray(leaf), 2, axis=0), 0)


def loss_of(case, way):
    def loss(params, xs):
        run = sr.unroll(case.cell, params, xs, backward=way)
        logits = sr.dense(params.readout, run.outputs)
        total = jnp.sum(jnp.sin(logits))
        return total + sum(jnp.sum(leaf.astype(total.dtype)) for leaf in run.final)

    return loss


# Recurrent, readout, input product; the reset-before GRU has two recurrent ones.
PRODUCTS = {"rnn": 3, "gru": 3, "gru-reset-before": 4, "lstm": 3}


@pytest.mark.parametrize("name", PRODUCTS)
def test_two_more_products_a_step_and_no_weight_gradient_among_them(name):
    case = case_of(name, "probabilities")
    inputs, gate, noise, further = case.data
    xs = sr.forced(inputs, gate, noise=noise, further=further)
    grad, plain = (
        jax.grad(loss_of(case, way), (0, 1)) for way in (sr.Stored(), AUTODIFF)
    )
    compiled = jax.jit(grad).lower(case.params, xs).compile()
    assert_close(compiled(case.params, xs), by_numpy(plain)(case.params, xs))
    hlo = compiled.as_text()
    products = [
        [line for line in body if re.search(r" dot\(", line)]
        for body in loop_bodies(hlo)
    ]
    products = [body for body in products if body]
    assert [len(body) for body in products] == [PRODUCTS[name]] * 2
    for line in (line for body in products for line in body):
        shape = re.search(r"f64\[([\d,]+)\]", line).group(1).split(",")
        assert str(B) in shape, f"no batch in {line}"


def test_what_the_cell_does_not_ask_for_is_not_stored():
    """x and the state on the tape: for the cells of the library, dead code."""
    inner = sr.gru(32)
    cell = sr.feedback(inner, Y)

    def bytes_of(cell):
        params = cell.init(jax.random.key(0), Y + 1)
        xs = sr.forced(jnp.ones((512, 8, Y)), False)

        def loss(params):
            return jnp.sum(sr.unroll(cell, params, xs).final.h)

        compiled = jax.jit(jax.grad(loss)).lower(params).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    def lean(params, state, drive):
        after, tape = cell.step(params, state, drive)
        nothing = jax.tree.map(jnp.zeros_like, (tape.x, tape.state))
        return after, tape._replace(x=nothing[0], state=nothing[1])

    assert bytes_of(cell) <= 1.01 * bytes_of(cell._replace(step=lean))


def test_forward_over_reverse_and_grad_of_grad():
    case = case_of("gru", "probabilities")
    inputs, gate, noise, further = case.data
    xs = sr.forced(inputs, gate, noise=noise, further=further)

    def second(way):
        grad = jax.grad(loss_of(case, way))

        def norm(params):
            return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(grad(params, xs)))

        ones = jax.tree.map(jnp.ones_like, case.params)
        product = jax.jvp(lambda p: grad(p, xs), (case.params,), (ones,))[1]
        return product, jax.grad(norm)(case.params)

    got, want = (by_numpy(lambda w=w: second(w))() for w in (sr.Stored(), AUTODIFF))
    assert_close(got, want, steps=T * T)


AUTODIFF = sr.Autodiff()


def test_vmap_over_models():
    cases = [case_of("lstm", "straight-through", seed) for seed in range(2)]
    inputs, gate, noise, further = cases[0].data
    xs = sr.forced(inputs, gate, noise=noise, further=further)
    grad = jax.grad(loss_of(cases[0], sr.Stored()))
    params = jax.tree.map(lambda *p: jnp.stack(p), *(case.params for case in cases))
    got = by_numpy(jax.vmap(grad, (0, None)))(params, xs)
    alone = by_numpy(jax.grad(loss_of(cases[0], AUTODIFF)))
    want = [alone(case.params, xs) for case in cases]
    assert_close(got, jax.tree.map(lambda *g: jnp.stack(g), *want))


@pytest.mark.parametrize(
    "feed",
    [
        *("probabilities", "straight-through"),
        pytest.param("prediction", marks=pytest.mark.exhaustive),
    ],
)
def test_16_bit_floats_in_and_out(feed):
    case = case_of("lstm", feed)
    params = jax.tree.map(lambda p: p.astype(jnp.bfloat16), case.params)
    inputs, gate, noise, further = case.data
    xs = sr.forced(inputs, gate, noise=noise, further=further).astype(jnp.bfloat16)
    grad = jax.grad(loss_of(case, sr.Stored()), (0, 1))
    shapes = jax.tree.leaves(jax.eval_shape(grad, params, xs))
    assert all(leaf.dtype == jnp.bfloat16 for leaf in shapes)
    # A choice may fall otherwise in 16 bits; smooth feedback is merely rounded.
    if feed != "straight-through":
        grads = [
            jax.jit(grad)(params, xs),
            by_numpy(grad)(as_double(params), as_double(xs)),
        ]
        bound = 8 * tolerance(jnp.bfloat16, T)
        for got, want in zip(*map(jax.tree.leaves, grads), strict=True):
            assert np.max(np.abs(as_double(got) - want)) <= bound * np.max(np.abs(want))


def as_double(tree):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float64), tree)


@pytest.mark.parametrize("kind", ["auto", "explicit", "shard_map"])
def test_a_sharded_batch_has_no_collective_in_a_loop(kind):
    case = case_of("lstm", "probabilities")
    rng = np.random.default_rng(0)
    inputs = jnp.asarray(rng.normal(size=(T, 8, Y)))
    gate = jnp.asarray(rng.random((T, 8)) < 0.4)
    xs = sr.forced(inputs, gate, further=jnp.asarray(rng.normal(size=(T, 8, E))))
    want = by_numpy(jax.grad(loss_of(case, AUTODIFF), (0, 1)))(case.params, xs)
    types = AxisType.Explicit if kind == "explicit" else AxisType.Auto
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(types,))
    grad = jax.grad(loss_of(case, sr.Stored()), (0, 1))
    if kind == "shard_map":
        by_batch = P(None, "batch")
        grad = jax.shard_map(
            grad, mesh=mesh, in_specs=(P(), by_batch), out_specs=(P(), by_batch)
        )
    with jax.set_mesh(mesh):
        params = jax.device_put(case.params, NamedSharding(mesh, P()))
        placed = jax.device_put(xs, NamedSharding(mesh, P(None, "batch")))
        compiled = jax.jit(grad).lower(params, placed).compile()
        got = jax.device_get(compiled(params, placed))
    assert_close(got, want)
    inside = [line for body in loop_bodies(compiled.as_text()) for line in body]
    assert not [line for line in inside if COLLECTIVE.search(line)]


CELL = sr.feedback(sr.gru(H), Y)
PARAMS = CELL.init(jax.random.key(0), Y + 1, jnp.float32)
INPUTS = jnp.ones((T, B, Y), jnp.float32)
XS = sr.forced(INPUTS, True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sr.feedback(sr.layer(sr.gru(3)), Y), "expected a Cell"),
        (lambda: sr.feedback(sr.gru(3), 0), "positive integer, got 0"),
        (lambda: sr.feedback(sr.gru(3), 1.5), "positive integer, got 1.5"),
        (lambda: sr.feedback(sr.gru(3), Y, "soft"), r"Prediction\(\)"),
        (lambda: sr.feedback(sr.gru(3), Y, sr.Prediction), r"expected feed=Pre"),
        (lambda: sr.Probabilities(0.0), "temperature above 0, got 0.0"),
        (lambda: sr.StraightThrough(-1), "temperature above 0, got -1"),
        (lambda: CELL.init(jax.random.key(0), Y), "at least 4: 3 given"),
        (lambda: sr.unroll(CELL, PARAMS, INPUTS), "sr.forced"),
        (lambda: sr.unroll(CELL, PARAMS, jnp.ones((T, B), int)), "one-hot"),
        (lambda: sr.unroll(CELL, PARAMS.cell, XS), "expected params as"),
        (lambda: sr.forced(jnp.ones((T, B), int), True), r"jax.nn.one_hot"),
        (lambda: sr.forced(INPUTS, jnp.ones((T, B))), "expected gate: bool"),
        (lambda: sr.forced(INPUTS, jnp.ones((B, T), bool)), "expected gate: bool"),
        (
            lambda: sr.forced(INPUTS, True, noise=INPUTS[1:]),
            "noise: reals of the shape",
        ),
        (lambda: sr.forced(INPUTS, True, further=INPUTS[1:]), "expected further"),
    ],
)
def test_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_cells_are_values():
    assert sr.feedback(sr.gru(4), 2) is sr.feedback(sr.gru(4), 2, sr.Prediction())
    assert sr.feedback(sr.gru(4), 2) != sr.feedback(sr.gru(4), 2, sr.Probabilities())


def test_no_steps_and_no_sequences_are_legal():
    for shape in ((0, B, Y), (T, 0, Y)):
        xs = sr.forced(jnp.ones(shape, jnp.float32), False)
        grad = jax.grad(lambda p, xs=xs: jnp.sum(sr.unroll(CELL, p, xs).outputs))
        for leaf in jax.tree.leaves(by_numpy(grad)(PARAMS)):
            np.testing.assert_array_equal(leaf, 0)
