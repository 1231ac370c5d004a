"""`scanrnn.course`: the exercise's formulas, tables and whole gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.random import randn

from scanrnn import course

# n_x, n_a, n_y, m, T
SHAPES = [(3, 5, 2, 10, 4), (2, 3, 4, 5, 7), (1, 1, 1, 1, 1), (4, 1, 3, 1, 2)]
GATES = "fico"


# The exercise's formulas, written out once more, column by column, in NumPy.


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=0))
    return e / e.sum(axis=0)


def plain_rnn_cell_forward(xt, a_prev, p):
    a_next = np.tanh(p["Wax"] @ xt + p["Waa"] @ a_prev + p["ba"])
    return a_next, softmax(p["Wya"] @ a_next + p["by"]), (a_next, a_prev, xt, p)


def plain_rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, p = cache
    dz = (1 - a_next**2) * da_next
    return {
        "dxt": p["Wax"].T @ dz,
        "da_prev": p["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": dz.sum(axis=1, keepdims=True),
    }


def plain_lstm_cell_forward(xt, a_prev, c_prev, p):
    both = np.concatenate((a_prev, xt))
    ft, it, ot = (sigmoid(p["W" + g] @ both + p["b" + g]) for g in "fio")
    cct = np.tanh(p["Wc"] @ both + p["bc"])
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p)
    return a_next, c_next, softmax(p["Wy"] @ a_next + p["by"]), cache


def plain_lstm_cell_backward(da_next, dc_next, cache):
    _, c_next, a_prev, c_prev, ft, it, cct, ot, xt, p = cache
    n_a = len(a_prev)
    dc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    d = {
        "f": dc * c_prev * ft * (1 - ft),
        "i": dc * cct * it * (1 - it),
        "c": dc * it * (1 - cct**2),
        "o": da_next * np.tanh(c_next) * ot * (1 - ot),
    }
    both = np.concatenate((a_prev, xt))
    d_both = sum(p["W" + g].T @ d[g] for g in GATES)
    return (
        {"dxt": d_both[n_a:], "da_prev": d_both[:n_a], "dc_prev": dc * ft}
        | {"dW" + g: d[g] @ both.T for g in GATES}
        | {"db" + g: d[g].sum(axis=1, keepdims=True) for g in GATES}
    )


def plain_backward(da, steps, cell_backward):
    """The loop of `rnn_backward`; of `lstm_backward`, with the second stream."""
    is_lstm = cell_backward is plain_lstm_cell_backward
    da_prev = dc_prev = 0 * da[:, :, 0]
    total, dx = {}, []
    for t in reversed(range(da.shape[2])):
        streams = (da[:, :, t] + da_prev, dc_prev)[: 1 + is_lstm]
        step = cell_backward(*streams, steps[t])
        dx.insert(0, step.pop("dxt"))
        da_prev, dc_prev = step.pop("da_prev"), step.pop("dc_prev", None)
        total = {name: total.get(name, 0) + step[name] for name in step}
    return {"dx": np.stack(dx, axis=2), "da0": da_prev} | total


def rnn_parameters(n_x, n_a, n_y, draw=randn, order="Waa Wax Wya ba by"):
    shapes = {
        "Wax": (n_a, n_x),
        "Waa": (n_a, n_a),
        "Wya": (n_y, n_a),
        "ba": (n_a, 1),
        "by": (n_y, 1),
    }
    return {name: draw(*shapes[name]) for name in order.split()}


def lstm_parameters(n_x, n_a, n_y, draw=randn, order="Wf bf Wi bi Wo bo Wc bc Wy by"):
    shapes = {"Wy": (n_y, n_a), "by": (n_y, 1)}
    of_gate = {"W": (n_a, n_a + n_x), "b": (n_a, 1)}
    return {name: draw(*shapes.get(name, of_gate[name[0]])) for name in order.split()}


def drawer(seed=0):
    rng = np.random.default_rng(seed)
    return lambda *shape: rng.normal(size=shape)


def random_rnn_caches(n_x, n_a, n_y, m, T, draw):
    p = rnn_parameters(n_x, n_a, n_y, draw)
    steps = [(draw(n_a, m), draw(n_a, m), draw(n_x, m), p) for _ in range(T)]
    return steps, draw(n_x, m, T)


def random_lstm_caches(n_x, n_a, n_y, m, T, draw):
    p = lstm_parameters(n_x, n_a, n_y, draw)
    steps = [(*(draw(n_a, m) for _ in range(8)), draw(n_x, m), p) for _ in range(T)]
    return steps, draw(n_x, m, T)


def assert_close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].shape == theirs[name].shape, name
        assert ours[name].dtype == np.float64, name
        scale = np.abs(theirs[name]).max(initial=1)
        assert np.abs(ours[name] - theirs[name]).max() <= 1e-12 * scale, name


def assert_digits(number, digits):
    """``number`` prints as the digits of a published table."""
    for ours, literal in zip(np.ravel(number), digits.split(), strict=True):
        decimals = len(literal.partition(".")[2])
        assert abs(ours - float(literal)) <= 0.51 * 10.0**-decimals, (ours, literal)


# Forward.


@pytest.mark.parametrize("shape", SHAPES)
def test_rnn_forward_is_the_exercise(shape):
    n_x, n_a, n_y, m, T = shape
    draw = drawer()
    p, x, a_prev = rnn_parameters(n_x, n_a, n_y, draw), draw(n_x, m, T), draw(n_a, m)
    a, y, (steps, kept_x) = course.rnn_forward(x, a_prev, p)
    np.testing.assert_array_equal(kept_x, x)
    for t in range(T):
        a_next, yt, cache = plain_rnn_cell_forward(x[:, :, t], a_prev, p)
        np.testing.assert_allclose(a[:, :, t], a_next, rtol=0, atol=1e-14)
        np.testing.assert_allclose(y[:, :, t], yt, rtol=0, atol=1e-14)
        for ours, theirs in zip(steps[t][:-1], cache[:-1], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)
        assert steps[t][-1] is p
        a_prev = a_next


@pytest.mark.parametrize("shape", SHAPES)
def test_lstm_forward_is_the_exercise(shape):
    n_x, n_a, n_y, m, T = shape
    draw = drawer()
    p, x, a_prev = lstm_parameters(n_x, n_a, n_y, draw), draw(n_x, m, T), draw(n_a, m)
    a, y, c, (steps, kept_x) = course.lstm_forward(x, a_prev, p)
    np.testing.assert_array_equal(kept_x, x)
    c_prev = np.zeros_like(a_prev)
    for t in range(T):
        a_next, c_next, yt, cache = plain_lstm_cell_forward(
            x[:, :, t], a_prev, c_prev, p
        )
        np.testing.assert_allclose(a[:, :, t], a_next, rtol=0, atol=1e-14)
        np.testing.assert_allclose(c[:, :, t], c_next, rtol=0, atol=1e-14)
        np.testing.assert_allclose(y[:, :, t], yt, rtol=0, atol=1e-14)
        for ours, theirs in zip(steps[t][:-1], cache[:-1], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)
        assert steps[t][-1] is p
        a_prev, c_prev = a_next, c_next


# Backward: random caches, consistent with nothing.


@pytest.mark.parametrize("shape", SHAPES)
def test_rnn_cell_backward_uses_what_its_cache_holds(shape):
    (cache, *_), _ = random_rnn_caches(*shape, drawer())
    da = drawer(1)(*cache[0].shape)
    ours = course.rnn_cell_backward(da, cache)
    assert_close(ours, plain_rnn_cell_backward(da, cache))


@pytest.mark.parametrize("shape", SHAPES)
def test_lstm_cell_backward_uses_what_its_cache_holds(shape):
    (cache, *_), _ = random_lstm_caches(*shape, drawer())
    da, dc = drawer(1)(2, *cache[0].shape)
    ours = course.lstm_cell_backward(da, dc, cache)
    assert_close(ours, plain_lstm_cell_backward(da, dc, cache))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fewer", [0, 1])
def test_rnn_backward_takes_its_steps_from_da(shape, fewer):
    caches = random_rnn_caches(*shape, drawer())
    T = max(1, shape[-1] - fewer)
    da = drawer(1)(shape[1], shape[3], T)
    ours = course.rnn_backward(da, caches)
    assert_close(ours, plain_backward(da, caches[0], plain_rnn_cell_backward))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fewer", [0, 1])
def test_lstm_backward_takes_its_steps_from_da(shape, fewer):
    caches = random_lstm_caches(*shape, drawer())
    T = max(1, shape[-1] - fewer)
    da = drawer(1)(shape[1], shape[3], T)
    ours = course.lstm_backward(da, caches)
    assert_close(ours, plain_backward(da, caches[0], plain_lstm_cell_backward))


def test_every_step_goes_back_through_the_parameters_of_its_own_cache():
    steps, x = random_rnn_caches(3, 5, 2, 4, 3, drawer())
    steps = [
        (*cache[:-1], rnn_parameters(3, 5, 2, drawer(seed)))
        for seed, cache in enumerate(steps)
    ]
    da = drawer(9)(5, 4, 3)
    ours = course.rnn_backward(da, (steps, x))
    assert_close(ours, plain_backward(da, steps, plain_rnn_cell_backward))


# The whole gradient of a cross-entropy loss against central differences.


def by_differences(loss, value, step=1e-6):
    """d loss / d value; value is disturbed in place and put back."""
    gradient = np.zeros_like(value)
    for index in np.ndindex(value.shape):
        kept = value[index]
        value[index] = kept + step
        up = loss()
        value[index] = kept - step
        down = loss()
        value[index] = kept
        gradient[index] = (up - down) / (2 * step)
    return gradient


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_the_whole_gradient_of_the_loss_agrees_with_differences(kind):
    n_x, n_a, n_y, m, T = 2, 3, 4, 5, 3
    draw = drawer()
    make = rnn_parameters if kind == "rnn" else lstm_parameters
    p, x, a0 = make(n_x, n_a, n_y, draw), draw(n_x, m, T), draw(n_a, m)
    labels = np.random.default_rng(1).integers(n_y, size=(m, T))
    forward = getattr(course, f"{kind}_forward")

    def loss():
        return course.cross_entropy(forward(x, a0, p)[1], labels)

    a, y, *_, caches = forward(x, a0, p)
    from_loss = course.readout_backward(y, labels, a, p)
    gradients = getattr(course, f"{kind}_backward")(from_loss.pop("da"), caches)
    gradients |= from_loss
    values = {"x": x, "a0": a0} | p
    assert gradients.keys() == {"d" + name for name in values}
    for name, value in values.items():
        expected = by_differences(loss, value)
        np.testing.assert_allclose(gradients["d" + name], expected, atol=1e-9)


def test_the_readout_of_one_step_has_no_axis_of_time():
    draw = drawer()
    z, a, w = draw(4, 5), draw(3, 5), draw(4, 3)
    labels = np.arange(5) % 4
    one = course.readout_backward(softmax(z), labels, a, {"Wy": w})
    of_one = course.readout_backward(
        softmax(z)[..., None], labels[:, None], a[..., None], {"Wy": w}
    )
    assert_close(one, of_one | {"da": of_one["da"][..., 0]})


# The published tables.


def test_the_tables_of_the_rnn_forward():
    np.random.seed(1)
    xt, a_prev, p = randn(3, 10), randn(5, 10), rnn_parameters(3, 5, 2)
    a_next, yt_pred, _ = course.rnn_cell_forward(xt, a_prev, p)
    assert_digits(
        a_next[4],
        "0.59584544 0.18141802 0.61311866 0.99808218 0.85016201 "
        "0.99980978 -0.18887155 0.99815551 0.6531151 0.82872037",
    )
    assert_digits(
        yt_pred[1],
        "0.9888161 0.01682021 0.21140899 0.36817467 0.98988387 "
        "0.88945212 0.36920224 0.9966312 0.9982559 0.17746526",
    )
    np.random.seed(1)
    x, a0, p = randn(3, 10, 4), randn(5, 10), rnn_parameters(3, 5, 2)
    a, y_pred, caches = course.rnn_forward(x, a0, p)
    assert_digits(a[4][1], "-0.99999375 0.77911235 -0.99861469 -0.99833267")
    assert_digits(y_pred[1][3], "0.79560373 0.86224861 0.11118257 0.81515947")
    assert_digits(caches[1][1][3], "-1.1425182 -0.34934272 -0.20889423 0.58662319")


def test_the_tables_of_the_rnn_backward():
    order = "Wax Waa Wya ba by"
    np.random.seed(1)
    xt, a_prev, p = randn(3, 10), randn(5, 10), rnn_parameters(3, 5, 2, order=order)
    *_, cache = course.rnn_cell_forward(xt, a_prev, p)
    step = course.rnn_cell_backward(randn(5, 10), cache)
    assert_digits(step["dxt"][1][2], "-1.38721305060")
    assert_digits(step["da_prev"][2][3], "-0.152399493774")
    assert_digits(step["dWax"][3][1], "0.410772824935")
    assert_digits(step["dWaa"][1][2], "1.15034506685")
    assert_digits(step["dba"][4], "0.20023491")
    np.random.seed(1)
    x, a0, p = randn(3, 10, 4), randn(5, 10), rnn_parameters(3, 5, 2, order=order)
    *_, caches = course.rnn_forward(x, a0, p)
    gradients = course.rnn_backward(randn(5, 10, 4), caches)
    assert_digits(
        gradients["dx"][1][2], "-2.07101689 -0.59255627 0.02466855 0.01483317"
    )
    assert_digits(gradients["da0"][2][3], "-0.314942375127")
    assert_digits(gradients["dWax"][3][1], "11.2641044965")
    assert_digits(gradients["dWaa"][1][2], "2.30333312658")
    assert_digits(gradients["dba"][4], "-0.74747722")


def test_the_tables_of_the_lstm_forward():
    np.random.seed(1)
    xt, a_prev, c_prev = randn(3, 10), randn(5, 10), randn(5, 10)
    p = lstm_parameters(3, 5, 2)
    a_next, c_next, yt, cache = course.lstm_cell_forward(xt, a_prev, c_prev, p)
    assert_digits(
        a_next[4],
        "-0.66408471 0.0036921 0.02088357 0.22834167 -0.85575339 "
        "0.00138482 0.76566531 0.34631421 -0.00215674 0.43827275",
    )
    assert_digits(
        c_next[2],
        "0.63267805 1.00570849 0.35504474 0.20690913 -1.64566718 "
        "0.11832942 0.76449811 -0.0981561 -0.74348425 -0.26810932",
    )
    assert_digits(
        yt[1],
        "0.79913913 0.15986619 0.22412122 0.15606108 0.97057211 "
        "0.31146381 0.00943007 0.12666353 0.39380172 0.07828381",
    )
    assert len(cache) == 10
    np.random.seed(1)
    x, a0, p = randn(3, 10, 7), randn(5, 10), lstm_parameters(3, 5, 2)
    a, y, c, caches = course.lstm_forward(x, a0, p)
    assert a.shape == (5, 10, 7)
    assert_digits(a[4][3][6], "0.172117767533")
    assert_digits(y[1][4][3], "0.95087346185")
    assert_digits(c[1][2][1], "-0.855544916718")
    assert_digits(
        caches[1][1][1],
        "0.82797464 0.23009474 0.76201118 -0.22232814 "
        "-0.20075807 0.18656139 0.41005165",
    )


def test_the_tables_of_the_lstm_backward():
    np.random.seed(1)
    xt, a_prev, c_prev = randn(3, 10), randn(5, 10), randn(5, 10)
    *_, cache = course.lstm_cell_forward(xt, a_prev, c_prev, lstm_parameters(3, 5, 2))
    step = course.lstm_cell_backward(randn(5, 10), randn(5, 10), cache)
    assert_digits(step["dxt"][1][2], "3.23055911511")
    assert_digits(step["da_prev"][2][3], "-0.0639621419711")
    assert_digits(step["dc_prev"][2][3], "0.797522038797")
    at = {"dWf": (3, 1), "dWi": (1, 2), "dWc": (3, 1), "dWo": (1, 2)}
    digits = "-0.147954838164 1.05749805523 2.30456216369 0.331311595289"
    assert_digits([step[name][index] for name, index in at.items()], digits)
    digits = "0.18864637 -0.40142491 0.25587763 0.13893342"
    assert_digits([step["db" + gate][4] for gate in "fico"], digits)
    np.random.seed(1)
    x, a0 = randn(3, 10, 7), randn(5, 10)
    p = lstm_parameters(3, 5, 2, order="Wf bf Wi bi Wo bo Wc bc")
    p |= {"Wy": np.zeros((2, 5)), "by": np.zeros((2, 1))}
    *_, caches = course.lstm_forward(x, a0, p)
    gradients = course.lstm_backward(randn(5, 10, 4), caches)
    assert_digits(
        gradients["dx"][1][2], "0.00218254 0.28205375 -0.48292508 -0.43281115"
    )
    assert_digits(gradients["da0"][2][3], "0.312770310257")
    digits = "-0.0809802310938 0.40512433093 -0.0793746735512 0.038948775763"
    assert_digits([gradients[name][index] for name, index in at.items()], digits)
    digits = "-0.15745657 -0.50848333 -0.42510818 -0.17958196"
    assert_digits([gradients["db" + gate][4] for gate in "fico"], digits)


# The border.


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_that_comes_in_goes_out_whether_or_not_x64_is_on(x64, dtype):
    def draw(*shape):
        return drawer()(*shape).astype(dtype)

    with jax.enable_x64(x64):
        p, q = rnn_parameters(3, 5, 2, draw), lstm_parameters(3, 5, 2, draw)
        x, a0, da = draw(3, 4, 3), draw(5, 4), draw(5, 4, 3)
        a, y, caches = course.rnn_forward(x, a0, p)
        b, z, c, lstm_caches = course.lstm_forward(x, a0, q)
        made = [a, y, b, z, c, *caches[0][0][:-1], *lstm_caches[0][0][:-1]]
        made += course.rnn_backward(da, caches).values()
        made += course.lstm_backward(da, lstm_caches).values()
        labels = np.zeros((4, 3), int)
        made += course.readout_backward(y, labels, a, p).values()
    assert all(isinstance(array, np.ndarray) for array in made)
    assert {array.dtype for array in made} == {np.dtype(dtype)}


def test_integers_and_jax_arrays_are_welcome():
    p = rnn_parameters(3, 5, 2, drawer())
    x, a0 = np.ones((3, 4, 2), int), np.zeros((5, 4), int)
    a, y, _ = course.rnn_forward(x, a0, p)
    assert a.dtype == y.dtype == np.float64
    again, *_ = course.rnn_forward(jnp.asarray(x), jnp.asarray(a0), p)
    np.testing.assert_array_equal(a, again)


def test_nothing_that_comes_in_is_written_to_or_shared():
    p, x, a0 = rnn_parameters(3, 5, 2, drawer()), np.ones((3, 4, 2)), np.zeros((5, 4))
    a, y, caches = course.rnn_forward(x, a0, p)
    labels = np.zeros((4, 2), int)
    before = [y.copy(), a.copy(), x.copy(), a0.copy()]
    d = course.readout_backward(y, labels, a, p)
    for made in (d["da"], *course.rnn_backward(d["da"], caches).values()):
        made += 1  # writable, and no view of what came in
    for array, kept in zip([y, a, x, a0], before, strict=True):
        np.testing.assert_array_equal(array, kept)
    x[:] = a0[:] = 7
    assert not any((part == 7).any() for part in (*caches[0][0][:3], caches[1]))


def replaced(parameters, **changes):
    return {**parameters, **changes}


def without(parameters, name):
    return {key: value for key, value in parameters.items() if key != name}


RNN = rnn_parameters(3, 5, 2, drawer())
LSTM = lstm_parameters(3, 5, 2, drawer())
XT, X, A, DA = np.ones((3, 4)), np.ones((3, 4, 2)), np.ones((5, 4)), np.ones((5, 4, 2))
RNN_CACHES = course.rnn_forward(X, A, RNN)[-1]
LSTM_CACHES = course.lstm_forward(X, A, LSTM)[-1]
Y, LABELS = np.full((2, 4, 2), 0.5), np.zeros((4, 2), int)
BAD = [
    (course.rnn_cell_forward, (XT, A, without(RNN, "Wya")), "add Wya"),
    (course.rnn_cell_forward, (XT, A, [1]), "a dictionary with Wax"),
    (course.rnn_cell_forward, (XT.T, A, RNN), r"expected a_prev .*got \(5, 4\)"),
    (course.rnn_cell_forward, (XT[:2], A, RNN), r"Wax .*= \(5, 2\), got \(5, 3\)"),
    (course.rnn_cell_forward, (XT, A[:, 0], RNN), r"a_prev of shape \(n_a, m\)"),
    (course.rnn_cell_forward, (XT, A, replaced(RNN, ba=np.ones(5))), r"ba .*\(5,\)"),
    (course.rnn_cell_forward, (XT, A, replaced(RNN, by=XT)), r"by .*\(2, 1\)"),
    (course.rnn_cell_forward, (XT.astype(str), A, RNN), "xt, an array of numbers"),
    (course.rnn_forward, (XT, A, RNN), r"x of shape \(n_x, m, T_x\)"),
    (course.rnn_forward, (X, A.T, RNN), r"a0 of shape \(n_a, m\) = \(4, 4\)"),
    (course.rnn_forward, (X[:, :, :0], A, RNN), "at least one step"),
    (course.rnn_cell_backward, (A, RNN_CACHES), r"cache = \(a_next, a_prev, xt, par"),
    (course.rnn_cell_backward, (A, 3), "got a int"),
    (course.rnn_cell_backward, (A.T, RNN_CACHES[0][0]), r"da_next .*\(4, 5\)"),
    (course.rnn_backward, (A, RNN_CACHES), r"da of shape \(n_a, m, T_x\)"),
    (course.rnn_backward, (np.ones((5, 4, 3)), RNN_CACHES), "at most 2 steps"),
    (course.rnn_backward, (DA, RNN_CACHES[0][0]), r"caches = \(list, x\)"),
    (course.rnn_backward, (DA[:4], RNN_CACHES), r"da_next .*\(5, 4\), got \(4, 4\)"),
    (course.lstm_cell_forward, (XT, A, A, without(LSTM, "Wc")), "add Wc"),
    (course.lstm_cell_forward, (XT, A, A.T, LSTM), "expected c_prev"),
    (
        course.lstm_cell_forward,
        (XT, A, A, replaced(LSTM, Wo=LSTM["Wo"][:, 1:])),
        r"Wo of shape \(n_a, n_a \+ n_x\) = \(5, 8\), got \(5, 7\)",
    ),
    (course.lstm_forward, (X, A, replaced(LSTM, Wy=DA)), r"Wy of shape \(n_y, n_a\)"),
    (course.lstm_cell_backward, (A, A, RNN_CACHES[0][0]), "tuple of 4"),
    (course.lstm_cell_backward, (A, A[:2], LSTM_CACHES[0][0]), "expected dc_next"),
    (course.lstm_backward, (np.ones((5, 4, 3)), LSTM_CACHES), "at most 2 steps"),
    (course.cross_entropy, (Y, LABELS.T), r"labels: integers \(4, 2\)"),
    (course.cross_entropy, (Y, LABELS + 2), r"labels in \[0, 2\), got 2 to 2"),
    (course.cross_entropy, (Y, Y), "argmax"),
    (course.cross_entropy, (Y[:, :, :0], LABELS[:, :0]), "got none"),
    (course.readout_backward, (Y, LABELS, A, RNN), "expected a of shape"),
    (course.readout_backward, (Y, LABELS, DA[:4], RNN), r"expected Wya .*\(2, 4\)"),
    (course.readout_backward, (Y, LABELS, DA, {**RNN, **LSTM}), "Wya .* or Wy"),
    (course.readout_backward, (Y, LABELS, DA, {}), "got none"),
]


@pytest.mark.parametrize(("function", "arguments", "message"), BAD)
def test_bad_input_is_a_clear_error(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_a_probability_of_zero_is_an_infinite_loss_with_a_gradient():
    y = np.array([[0.0, 1.0], [1.0, 0.0]])
    labels = np.zeros(2, int)
    assert course.cross_entropy(y, labels) == np.inf
    d = course.readout_backward(y, labels, np.ones((1, 2)), {"Wy": np.ones((2, 1))})
    np.testing.assert_array_equal(d["dby"], [[-0.5], [0.5]])
