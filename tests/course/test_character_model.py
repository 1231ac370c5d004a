"""`course`'s character model: updates, samples and losses are the exercise's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.random import randn

from scanrnn import course

SHAPES = {
    "Wax": ("n_a", "n_y"),
    "Waa": ("n_a", "n_a"),
    "Wya": ("n_y", "n_a"),
    "b": ("n_a", "1"),
    "by": ("n_y", "1"),
}
NAMES = ["anna", "bo", "barbarossa", "o", "nabob"]
CHARACTERS = dict(enumerate("\nabnors"))
INDICES = {character: index for index, character in CHARACTERS.items()}


def draw_parameters(n_a, n_y, draw):
    sizes = {"n_a": n_a, "n_y": n_y, "1": 1}
    return {name: draw(*map(sizes.get, axes)) for name, axes in SHAPES.items()}


def drawer(seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return lambda *shape: scale * rng.normal(size=shape)


# The exercise once more, column by column, in NumPy.


def plain_step(p, token, a_prev):
    x = np.zeros((p["Wax"].shape[1], 1))
    if token is not None:
        x[token] = 1
    a = np.tanh(p["Wax"] @ x + p["Waa"] @ a_prev + p["b"])
    e = np.exp(p["Wya"] @ a + p["by"])
    return x, a, e / e.sum()


def plain_gradients(X, Y, a_prev, p):
    states, loss, steps = [a_prev], 0.0, []
    for token, label in zip(X, Y, strict=True):
        x, a, y = plain_step(p, token, states[-1])
        loss -= np.log(y[label, 0])
        steps.append((x, states[-1], a, y))
        states.append(a)
    d = {"d" + name: np.zeros_like(value) for name, value in p.items()}
    d_next = np.zeros_like(a_prev)
    for (x, before, a, y), label in zip(reversed(steps), reversed(Y), strict=True):
        y[label] -= 1
        dz = (1 - a**2) * (p["Wya"].T @ y + d_next)
        d_next = p["Waa"].T @ dz
        found = dict(Wax=dz @ x.T, Waa=dz @ before.T, Wya=y @ a.T, b=dz, by=y)
        for name, value in found.items():
            d["d" + name] += value
    return loss, d, states[-1]


def plain_optimize(X, Y, a_prev, p, rate):
    loss, d, a = plain_gradients(X, Y, a_prev, p)
    d = {name: np.minimum(np.maximum(value, -5), 5) for name, value in d.items()}
    return loss, d, a, {name: p[name] - rate * d["d" + name] for name in p}


def plain_sample(p, seed):
    a, token, drawn = np.zeros_like(p["b"]), None, []
    while token != 0 and len(drawn) < 50:
        _, a, y = plain_step(p, token, a)
        np.random.seed(seed + 2 * len(drawn))
        token = np.random.choice(len(y), p=y.ravel())
        drawn.append(token)
    return drawn + [0] * (len(drawn) == 50)


def plain_model(names, iterations, n_a, shown):
    """The parameters, and the smoothed loss and the samples at every iteration."""
    np.random.seed(1)
    p = draw_parameters(n_a, len(CHARACTERS), lambda *s: 0.01 * randn(*s))
    p |= {name: np.zeros_like(p[name]) for name in ("b", "by")}
    names = list(names)
    np.random.seed(0)
    np.random.shuffle(names)
    smooth, a, told = shown * np.log(len(CHARACTERS)), np.zeros((n_a, 1)), []
    for j in range(iterations):
        tokens = [INDICES[character] for character in names[j % len(names)]]
        loss, _, a, p = plain_optimize([None, *tokens], [*tokens, 0], a, p, 0.01)
        smooth = 0.999 * smooth + 0.001 * loss
        samples = [plain_sample(p, seed) for seed in range(shown)]
        told.append((smooth, ["".join(map(CHARACTERS.get, s)) for s in samples]))
    return p, told


def assert_close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].dtype == np.float64, name
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-12)


# Clip.


def test_clip_bounds_every_element_and_leaves_what_came():
    gradients = {"dWax": drawer()(3, 5), "dba": np.array([[0.5], [-7.0]])}
    kept = {name: value.copy() for name, value in gradients.items()}
    for limit in (0, 0.5, 1e9):
        clipped = course.clip(gradients, limit)
        assert_close(gradients, kept)
        assert clipped.keys() == kept.keys()
        for name, value in clipped.items():
            inside = np.abs(kept[name]) <= limit
            np.testing.assert_array_equal(value[inside], kept[name][inside])
            np.testing.assert_array_equal(
                value[~inside], limit * np.sign(kept[name][~inside])
            )
            assert not np.shares_memory(value, gradients[name])


def test_the_table_of_clip():
    np.random.seed(3)
    sizes = {
        "dWax": (5, 3),
        "dWaa": (5, 5),
        "dWya": (2, 5),
        "db": (5, 1),
        "dby": (2, 1),
    }
    d = course.clip({name: 10 * randn(*size) for name, size in sizes.items()}, 10)
    assert (d["dWaa"][1][2], d["dWax"][3][1], d["db"][4][0]) == (10, -10, 10)
    np.testing.assert_allclose(d["dWya"][1][2], 0.29713815361, atol=1e-11)
    np.testing.assert_allclose(d["dby"][1], 8.45833407, atol=1e-8)


# Optimize.


@pytest.mark.parametrize(
    ("X", "scale"),
    [
        ([None], 1),  # the shortest; and large weights, with gradients to clip
        ([None, 3, 1, 1, 6], 1),
        ([2, None, 6], 9),
        ([None, *range(7), *range(7), *range(7)], 9),
    ],
)
def test_optimize_is_one_step_of_the_exercise(X, scale):
    Y = [*(token or 0 for token in X[1:]), 0]
    p = draw_parameters(3, 7, drawer(scale=scale))
    a_prev = drawer(1)(3, 1)
    loss, d, a, after = plain_optimize(X, Y, a_prev, p, 0.3)
    ours = dict(p)
    our_loss, our_d, our_a = course.optimize(X, Y, a_prev, ours, 0.3)
    assert our_loss == pytest.approx(loss, rel=1e-13)
    assert_close(our_d, d)
    assert_close({"a": our_a}, {"a": a})
    assert_close(ours, after)
    clipped = max(np.abs(value).max() for value in d.values()) == 5
    assert clipped == (len(X) > 5)


def test_the_gradient_is_that_of_jax_and_does_not_reach_beyond_a_prev():
    p, a_prev = draw_parameters(3, 7, drawer(scale=0.3)), drawer(1)(3, 1)
    X, Y = [None, 5, 2], [5, 2, 0]

    def loss(p):
        a, total = jnp.asarray(a_prev), 0.0
        for token, label in zip(X, Y, strict=True):
            z = p["Waa"] @ a + p["b"]
            a = jnp.tanh(z if token is None else z + p["Wax"][:, token : token + 1])
            total -= jax.nn.log_softmax((p["Wya"] @ a + p["by"])[:, 0])[label]
        return total

    d_p = jax.jit(jax.grad(loss))(
        {name: jnp.asarray(value) for name, value in p.items()}
    )
    _, d, _ = course.optimize(X, Y, a_prev, dict(p))
    assert_close(d, {"d" + name: np.asarray(value) for name, value in d_p.items()})


def test_the_dictionary_is_updated_and_its_arrays_are_not():
    p = draw_parameters(3, 7, drawer())
    ours, kept = dict(p, note="kept"), {name: value.copy() for name, value in p.items()}
    course.optimize([1], [2], np.zeros((3, 1)), ours, 0.5)
    assert_close(p, kept)
    assert ours.pop("note") == "kept"
    assert all(ours[name] is not p[name] for name in p)
    ours["b"] += 1  # writable


def test_float32_stays_float32():
    p = draw_parameters(3, 7, lambda *shape: drawer()(*shape).astype(np.float32))
    ours, a_prev = dict(p), np.zeros((3, 1), np.float32)
    _, d, a = course.optimize([None, 1], [1, 0], a_prev, ours)
    assert {array.dtype for array in (a, *d.values(), *ours.values())} == {a_prev.dtype}
    _, expected, _, _ = plain_optimize([None, 1], [1, 0], a_prev, p, 0.01)
    for name in d:
        np.testing.assert_allclose(d[name], expected[name], atol=1e-5)
    assert course.sample(ours, INDICES, 0) == plain_sample(ours, 0)


def test_the_table_of_optimize():
    np.random.seed(1)
    a_prev = randn(100, 1)
    p = draw_parameters(100, 27, randn)
    X, Y = [12, 3, 5, 11, 22, 3], [4, 14, 11, 22, 25, 26]
    loss, d, a_last = course.optimize(X, Y, a_prev, p, 0.01)
    found = [loss, d["dWaa"][1][2], d["dWya"][1][2], d["db"][4][0], d["dby"][1][0]]
    table = [126.503975722, 0.194709315347, -0.007773876032, -0.06809825, 0.01538192]
    np.testing.assert_allclose(found, table, rtol=0, atol=1e-8)
    assert abs(found[2] - table[2]) < 1e-12
    assert (np.argmax(d["dWax"]), round(a_last[4][0], 8)) == (93, -1)


# Sample.


@pytest.mark.parametrize("seed", range(4))
def test_sample_draws_what_the_exercise_draws(seed):
    p = draw_parameters(3, 7, drawer(seed, 0.7))
    before = np.random.get_state()[1].copy()
    drawn = course.sample(p, INDICES, seed)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert drawn == plain_sample(p, seed)
    assert drawn.index(0) == len(drawn) - 1


@pytest.mark.parametrize("newline", [0, 2])
def test_a_sample_that_does_not_end_is_cut_at_50(newline):
    p = draw_parameters(3, 3, lambda *shape: np.zeros(shape))
    p["by"][newline] = -800  # a probability of 0
    drawn = course.sample(p, {"\n": newline, "a": 1, "b": 2 - newline}, 0)
    assert len(drawn) == 51
    assert drawn.index(newline) == 50
    p["by"][newline] = 800
    assert course.sample(p, {"\n": newline, "a": 1, "b": 2 - newline}, 0) == [newline]


def test_the_table_of_sample():
    """Of its 51 indices 43; the others depend on rounding, and publications differ."""
    np.random.seed(2)
    p = draw_parameters(100, 27, randn)
    indices = {
        character: at for at, character in enumerate("\nabcdefghijklmnopqrstuvwxyz")
    }
    drawn = course.sample(p, indices, 0)
    table = (
        "12 17 24 14 13 9 10 22 24 6 13 11 12 6 21 15 21 14 3 2 1 21 18 24 7 25 6 25 "
        "18 10 16 2 3 8 15 12 11 7 1 12 10 2 7"
    )
    assert drawn[:43] == [int(index) for index in table.split()]


# Model.


@pytest.fixture(scope="module")
def plain():
    return plain_model(NAMES, 23, 4, 3)


@pytest.mark.parametrize("every", [1, 7])
def test_model_is_the_exercise(plain, every):
    parameters, told = plain
    before = np.random.get_state()[1].copy()
    reports = []
    with jax.enable_x64(every == 1):
        ours, last_name = course.model(
            "\n\n ".join(NAMES) + "\r\n" if every == 7 else NAMES,
            CHARACTERS,
            INDICES,
            23,
            n_a=4,
            dino_names=3,
            every=every,
            report=reports.append,
        )
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert_close(ours, parameters)
    assert [report.iteration for report in reports] == list(range(0, 23, every))
    for report in reports:
        loss, samples = told[report.iteration]
        assert report.loss == pytest.approx(loss, rel=1e-13)
        expected = [text[0].upper() + text[1:] for text in samples]
        assert report.names == [text.rstrip("\n") for text in expected]
    assert last_name == expected[-1]


# The border.

P = draw_parameters(3, 7, drawer())
A = np.zeros((3, 1))
BAD = [
    (course.clip, ([1.0], 5), "gradients, a dictionary .*got a list"),
    (course.clip, ({"db": A}, -1), "maxValue of at least 0, got -1"),
    (course.clip, ({"db": A}, "much"), "maxValue, a number, got 'much'"),
    (course.clip, ({"db": ["x"]}, 5), "db, an array of numbers"),
    (course.optimize, ([1], [2], A, tuple(P)), "updated in place, got a tuple"),
    (course.optimize, ([1], [2], A, {**P, "b": A.T}), r"b of shape .* \(1, 3\)"),
    (course.optimize, ([1], [2], A, {"ba": A}), "got ba; add Wax, Waa, Wya, b, by"),
    (
        course.optimize,
        ([1], [2], A, {**P, "Wax": P["Wax"][:, 1:]}),
        r"n_x = n_y.*\(3, 6\) and \(7, 3\)",
    ),
    (
        course.optimize,
        ([1], [2], np.zeros((3, 2)), dict(P)),
        r"\(n_a, 1\), got \(3, 2\)",
    ),
    (course.optimize, ([7], [2], A, dict(P)), r"X, .*in \[0, 7\), or None.*got \[7\]"),
    (course.optimize, ([-1], [2], A, dict(P)), "expected X"),
    (course.optimize, ([], [], A, dict(P)), r"expected X, .*got \[\]"),
    (course.optimize, (3, [2], A, dict(P)), "expected X, .*got 3"),
    (course.optimize, ([1], [None], A, dict(P)), r"expected Y, .*got \[None\]"),
    (course.optimize, ([1], [0.5], A, dict(P)), "expected Y"),
    (course.optimize, ([1, 2], [2], A, dict(P)), "same length, got 2 and 1"),
    (course.optimize, ([1], [2], A, dict(P), np.nan), "learning_rate, a number"),
    (course.sample, ({**P, "b": A + np.nan}, INDICES, 0), "finite parameters"),
    (course.sample, (P, {"a": 0}, 0), r"char_to_ix.*with '\\n'"),
    (course.sample, (P, {"\n": 0}, 0), "indices 0 to 6"),
    (course.sample, (P, {**INDICES, "a": 0}, 0), "indices 0 to 6"),
    (course.sample, (P, INDICES, -1), "seed, an integer from 0 on, got -1"),
    (course.sample, (P, INDICES, 0.5), "seed, an integer"),
    (course.model, ("", CHARACTERS, INDICES), "at least one name.*got ''"),
    (course.model, (None, CHARACTERS, INDICES), "at least one name.*got None"),
    (course.model, ([b"bo"], CHARACTERS, INDICES), "at least one name"),
    (course.model, ("Bo", CHARACTERS, INDICES), "got 'Bo' with 'B'; make names lower"),
    (course.model, ("bo", INDICES, INDICES), "expected ix_to_char = "),
    (course.model, ("bo", CHARACTERS, None), "expected char_to_ix"),
    (course.model, ("bo", CHARACTERS, INDICES, 0), "num_iterations, an integer from 1"),
    (course.model, ("bo", CHARACTERS, INDICES, 1, 0), "n_a, an integer from 1"),
    (course.model, ("bo", CHARACTERS, INDICES, 1, 4, 0), "dino_names, an integer"),
    (course.model, ("bo", CHARACTERS, INDICES, 1, 4, 7, 27), "indices 0 to 26"),
]


@pytest.mark.parametrize(("function", "arguments", "sentence"), BAD)
def test_what_does_not_fit_is_told(function, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        function(*arguments)
