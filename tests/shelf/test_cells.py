"""Every verb takes a cell of the shelf as it takes those by hand."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from by_numpy import by_numpy
from cases import WAYS, assert_close
from pairs import pairs
from shelf.told import CELLS, H, given

import scanrnn as sr
from scanrnn import shelf
from scanrnn.shelf.shelved import biases

# What has states that are not (B, H), and what is normal; the others are exhaustive.
FEW = ["projected_lstm", "conv_lstm on a line", "layer_norm_gru"]
rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "way"),
    pairs(CELLS, WAYS, needed=[*zip(FEW, list(WAYS)[1:], strict=False)]),
)
def test_masks_and_resets_by_every_way_back(name, way):
    cell = CELLS[name]()
    params, xs, start, d_run = given(name, cell)
    mask, resets = (jnp.asarray(rng.random(xs.shape[:2]) < p) for p in (0.7, 0.3))
    to = jax.tree.map(lambda leaf: 0.5 * leaf, start)

    def there_and_back(backward):
        def run(params, xs, start, to):
            return tuple(sr.unroll(
                cell, params, xs, start, mask=mask, resets=resets, reset_to=to,
                reverse=True, backward=backward,
            ))  # fmt: skip

        def function(*arguments):
            made, pull = jax.vjp(run, *arguments)
            return made, pull(d_run)

        return by_numpy(function)(params, xs, start, to)

    assert_close(there_and_back(WAYS[way](sr)), there_and_back(sr.Autodiff()))


@pytest.mark.parametrize("name", pairs(CELLS, needed=[(name,) for name in FEW]))
def test_layers_windows_streams_steps_and_bytes(name):
    """Their shapes; the numbers of two cells below."""
    cell = CELLS[name]()
    params, xs, start, (d_outputs, d_final) = given(name, cell)
    net = sr.stack(cell, sr.residual(cell), sr.bidirectional(sr.layer(cell), cell))
    size = d_outputs.shape[-1]

    @jax.eval_shape
    def made():
        lengths = jnp.asarray([5, 0, 2])
        weights = net.init(jax.random.key(0), xs.shape[-1])
        return (
            net.run(weights, xs, lengths=lengths).outputs,
            sr.truncated(cell, params, xs, start, every=2, back=3, lengths=lengths),
            sr.adjoints(cell, params, xs, d_outputs, start, d_final=d_final),
            sr.step(cell, params, start, xs[0]),
            sr.last(sr.unroll(cell, params, xs, batch_first=False)),
        )

    outputs, windows, streams, (output, after), last = made
    assert outputs.shape == (*d_outputs.shape[:-1], 2 * size)
    assert windows.outputs.shape == d_outputs.shape
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, start)
    assert jax.tree.map(jnp.shape, windows.final) == jax.tree.map(jnp.shape, start)
    assert streams.total.h.shape == d_outputs.shape
    assert output.shape == last.shape == d_outputs.shape[1:]
    needs = [
        sr.temporary_bytes(cell, params, xs, backward=w(sr)) for w in WAYS.values()
    ]
    assert needs[0] > 0
    assert sr.Budget(max(needs)).choose(cell, params, xs)


@pytest.mark.parametrize("name", FEW[:2])
def test_the_streams_are_derivatives_by_later_states(name):
    cell = CELLS[name]()
    params, xs, start, (d_outputs, d_final) = given(name, cell)

    @by_numpy
    def streams_and_right():
        run = sr.unroll(cell, params, xs, start, outputs="states")
        after_2 = jax.tree.map(lambda leaf: leaf[2], run.outputs)
        _, pull = jax.vjp(
            lambda state: tuple(
                sr.unroll(cell, params, xs[3:], state, backward=sr.Autodiff())
            ),
            after_2,
        )
        streams = sr.adjoints(cell, params, xs, d_outputs, start, d_final=d_final)
        through = jax.tree.map(lambda leaf: leaf[2], streams.through_time)
        return through, *pull((d_outputs[3:], d_final))

    assert_close(*streams_and_right())


@pytest.mark.parametrize("name", FEW[:2])
def test_windows_reach_back_so_far(name):
    cell = CELLS[name]()
    params, xs, start, _ = given(name, cell)

    def last(xs):
        run = sr.truncated(cell, params, xs, start, every=1, back=2)
        return jnp.sum(run.outputs[-1])

    d_xs = by_numpy(jax.grad(last))(xs)
    reached = [bool(np.any(d_x)) for d_x in d_xs]
    assert reached == [False] * 3 + [True] * 2


def test_tokens_are_looked_up():
    cell = CELLS["coupled_lstm"]()
    params, *_ = given("coupled_lstm", cell)
    tokens = jnp.asarray([[0, 1, -1], [1, 1, 0]])
    rows = jnp.asarray(np.eye(3, 2)[np.asarray(tokens)])  # of -1 a row of zeros

    def back(xs):
        return by_numpy(
            jax.grad(lambda params: jnp.sum(sr.unroll(cell, params, xs).outputs ** 2))
        )(params)

    assert_close(back(tokens), back(rows))


@pytest.mark.parametrize(
    "name", pairs(CELLS, needed=[(n,) for n in (*FEW, "leaky_rnn", "orthogonal_rnn")])
)
def test_the_dtype_that_is_asked_for_comes_back(name):
    cell = CELLS[name]()
    places = jax.eval_shape(lambda: cell.start(1)).h.shape[1:-1]

    @jax.eval_shape
    def made():
        params = cell.init(jax.random.key(0), 3, "bfloat16")
        xs = jnp.ones((2, 3, *places, 3), "bfloat16")
        return params, sr.unroll(cell, params, xs)

    assert {str(leaf.dtype) for leaf in jax.tree.leaves(made)} == {"bfloat16"}


def test_narrow_floats_are_no_worse_than_autodiff():
    name = "conv_lstm on a line"
    cell = CELLS[name]()
    arguments = given(name, cell)[:3]

    def grads(dtype, backward):
        def loss(params, xs, start):
            outputs = sr.unroll(cell, params, xs, start, backward=backward).outputs
            return jnp.sum(outputs.astype(float) ** 2)

        cast = jax.tree.map(lambda x: x.astype(dtype), arguments)
        return jax.tree.leaves(by_numpy(jax.grad(loss))(*cast))

    ways = [("bfloat16", sr.Stored()), ("bfloat16", sr.Autodiff())]
    exact = grads("float64", sr.Autodiff())
    for ours, plain, want in zip(*(grads(*way) for way in ways), exact, strict=True):
        assert ours.dtype == "bfloat16"
        error, theirs = (np.abs(g.astype(float) - want).max() for g in (ours, plain))
        # One rounding of the result is always allowed.
        assert error <= 2 * theirs + 2**-8 * np.abs(want).max()


OPTIONS = {
    "sr.shelf.peephole_lstm(3, forget_bias=2.0)",
    "sr.shelf.projected_lstm(5, 2, bias=False)",
    "sr.shelf.coupled_lstm(3)",
    "sr.shelf.layer_norm_lstm(3, bias=False, epsilon=0.001)",
    "sr.shelf.layer_norm_gru(3, bias=False)",
    "sr.shelf.mgu(3, reset_after=False, forget_bias=1.0)",
    "sr.shelf.ugrnn(3, bias=False)",
    "sr.shelf.conv_lstm(3, (4, 6), kernel=(3, 5))",
    "sr.shelf.leaky_rnn(3, dt=0.1, tau=(0.5, 2.0), method='euler', activation='relu')",
    "sr.shelf.orthogonal_rnn(3, reflections=2)",
}


@pytest.mark.parametrize("call", sorted(OPTIONS))
def test_a_cell_is_its_call(call):
    cell = eval(call, {"sr": sr})
    assert repr(cell) == call and str(cell).startswith(f"{call}: The ")
    assert eval(call, {"sr": sr}) is cell
    assert pickle.loads(pickle.dumps(cell)) == cell
    assert hash(cell) == hash(eval(call, {"sr": sr}))


def test_every_cell_of_the_shelf_is_among_them():
    made = {name for name in vars(shelf) if callable(getattr(shelf, name))}
    made = {name for name in made if name.islower()} - {"orthogonal"}
    assert made == {call.split("(")[0].split(".")[-1] for call in OPTIONS}


WITHOUT_BIAS = {
    "layer_norm_lstm": lambda: shelf.layer_norm_lstm(H, bias=False),
    "layer_norm_gru": lambda: shelf.layer_norm_gru(H, bias=False),
    "mgu": lambda: shelf.mgu(H, bias=False),
}


@pytest.mark.parametrize("name", WITHOUT_BIAS)
def test_no_bias_is_a_bias_of_zero(name):
    cell, without = CELLS[name](), WITHOUT_BIAS[name]()
    params, xs, start, _ = given(name, cell)
    biases = {
        k: v for k, v in params._asdict().items() if k[0] == "b" and v is not None
    }
    like = jax.eval_shape(lambda: without.init(jax.random.key(0), xs.shape[-1]))
    assert all(getattr(like, k) is None for k in biases)

    @by_numpy
    def both(params):
        none, zero = (
            params._replace(**{k: made(b) for k, b in biases.items()})
            for made in (lambda b: None, jnp.zeros_like)
        )
        plain = sr.unroll(without, none, xs, start)
        return plain.outputs, sr.unroll(cell, zero, xs, start).outputs

    assert_close(*both(params))


def test_what_is_drawn_is_what_was_told():
    """Time constants between their bounds; rotations by angles in [0, π / 2]."""

    @jax.jit
    def drawn():
        key = jax.random.key(0)
        turned = shelf.orthogonal(shelf.orthogonal_rnn(5).init(key, 2).a, 5)
        return shelf.leaky_rnn(20, tau=(0.5, 20)).init(key, 2).log_tau, turned

    log_tau, turned = drawn()
    assert np.log(0.5) <= log_tau.min() < 0 < 1.5 < log_tau.max() <= np.log(20)
    np.testing.assert_allclose(turned @ turned.T, np.eye(5), atol=1e-14)
    cosines = np.diag(turned)
    assert ((cosines >= 0) & (cosines <= 1)).all() and cosines[4] == 1
    np.testing.assert_allclose(turned[0, 1] ** 2 + cosines[0] ** 2, 1)


def test_forget_biases_begin_where_it_is_told():
    assert biases(4, 2, 1, 0.5, float).tolist() == [0, 0, 0.5, 0.5, 0, 0, 0, 0]
    assert biases(4, 2, 1, None, float) is None
    assert "forget_bias" not in repr(shelf.mgu(3, forget_bias=1))
    assert "forget_bias" in repr(shelf.mgu(3, forget_bias=1, reset_after=False))


PLANE = CELLS["conv_lstm in a plane"]


def conv(*shape, dtype=float, start=None):
    cell = PLANE()
    params, *_ = given("conv_lstm in a plane", cell)
    return sr.unroll(cell, params, jnp.ones(shape, dtype), start)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: shelf.mgu(0), "expected hidden_size, a positive integer"),
        (lambda: shelf.mgu(3, reset_after="no"), "expected reset_after=True or False"),
        (lambda: shelf.ugrnn(3, forget_bias="much"), "expected forget_bias, a number"),
        (
            lambda: shelf.coupled_lstm(3, forget_bias=1, bias=False),
            "expected no forget_bias with bias=False",
        ),
        (lambda: shelf.projected_lstm(3, 3), "expected proj_size less than hidden"),
        (lambda: shelf.layer_norm_gru(3, epsilon=0), "epsilon, a number above 0"),
        (lambda: shelf.leaky_rnn(3, tau=(2, 1)), r"tau, a pair \(least, greatest\)"),
        (lambda: shelf.leaky_rnn(3, tau=2), r"tau, a pair \(least, greatest\)"),
        (lambda: shelf.leaky_rnn(3, method="exact"), '"exponential" or "euler"'),
        (lambda: shelf.orthogonal_rnn(1), "expected hidden_size, an integer >= 2"),
        (lambda: shelf.orthogonal_rnn(3, reflections=4), "reflections of at most"),
        (lambda: shelf.conv_lstm(3, ()), "expected shape of at least one axis"),
        (lambda: shelf.conv_lstm(3, (4, 4), kernel=(3,)), "kernel: a number, or one"),
        (lambda: conv(7, 4, 3, 2), r"float64 \(T, B, 4, 3, 2\) to match params"),
        (lambda: conv(7, 1, 3, 4, 2), r"got float64 \(7, 1, 3, 4, 2\); time"),
        (lambda: conv(7, 1, 4, 3, 2, dtype=int), "expected xs: float64"),
        (
            lambda: sr.unroll(PLANE(), {"w": jnp.ones(2)}, jnp.ones((7, 1, 4, 3, 2))),
            "expected params as cell.init",
        ),
        (
            lambda: conv(7, 2, 4, 3, 2, start=shelf.conv_lstm(H, 5).start(2)),
            r"expected start as cell.start\(2\) makes it",
        ),
        (lambda: sr.recurrent_dropout(PLANE(), 0.1), r"output is \(B, H\), got sr.sh"),
        (
            lambda: sr.feedback(PLANE(), 2).init(jax.random.key(0), 5),
            r"output is \(B, H\), got sr.shelf.conv_lstm",
        ),
        (
            lambda: sr.unroll(shelf.mgu(3), shelf.ugrnn(3), jnp.ones((2, 2, 2))),
            "expected params",
        ),
    ],
)
def test_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
