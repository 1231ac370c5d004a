"""Any hand-written rule against any plain reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pairs import each

import scanrnn as sr
from scanrnn.verify import assert_vjp, check_vjp


@jax.custom_vjp
def layer(params, xs):
    return jnp.tanh(xs @ params["w"] + params["b"]), xs.sum()


def plain(params, xs):
    return jnp.tanh(xs @ params["w"] + params["b"]), xs.sum()


def forward(params, xs):
    y = jnp.tanh(xs @ params["w"] + params["b"])
    return (y, xs.sum()), (params, xs, y)


def backward(saved, cotangents):
    params, xs, y = saved
    d_y, d_sum = cotangents
    delta = d_y * (1 - y * y)
    d_params = {"w": xs.T @ delta, "b": delta.sum(0)}
    return d_params, delta @ params["w"].T + d_sum


layer.defvjp(forward, backward)


def broken(change):
    """The layer with its cotangents changed on the way out."""

    @jax.custom_vjp
    def wrong(params, xs):
        return plain(params, xs)

    def back(saved, cotangents):
        return change(*backward(saved, cotangents))

    wrong.defvjp(forward, back)
    return wrong


def arguments(dtype=np.float32, scale=1.0):
    rng = np.random.default_rng(0)

    def draw(*shape):
        return (scale * rng.standard_normal(shape)).astype(dtype)

    return {"w": draw(3, 3), "b": draw(3)}, draw(5, 3)


@pytest.mark.parametrize(
    ("dtype", "scale"), each([np.float32, np.float64], [1e-8, 1.0, 30.0])
)
def test_a_right_rule_is_right(dtype, scale):
    assert_vjp(layer, plain, *arguments(dtype, scale))


def test_a_right_rule_is_right_by_differences():
    verdict = check_vjp(layer, None, *arguments())
    assert verdict.passed, str(verdict)
    assert {row.oracle for row in verdict.rows} == {
        "central differences",
        "own float64",
    }


WRONG = {
    "params.w is transposed": lambda p, x: ({"w": p["w"].T, "b": p["b"]}, x),
    "params.b has the wrong sign": lambda p, x: ({"w": p["w"], "b": -p["b"]}, x),
    "params.b is zero": lambda p, x: ({"w": p["w"], "b": 0 * p["b"]}, x),
    "xs is scaled": lambda p, x: (p, 2 * x),
    "xs runs backwards in time": lambda p, x: (p, x[::-1]),
    "xs is one step late": lambda p, x: (p, jnp.roll(x, 1, 0)),
}


@pytest.mark.parametrize(("name", "dtype"), each(WRONG, [np.float32, np.float64]))
def test_a_wrong_leaf_is_told_and_described(name, dtype):
    verdict = check_vjp(broken(WRONG[name]), plain, *arguments(dtype), time={"xs": 0})
    assert {row.leaf for row in verdict.rows if not row.passed} == {name.split()[0]}
    assert verdict.suspicions[0].names == (name,)


def test_the_first_wrong_step_from_the_end_is_told():
    wrong = broken(lambda p, x: (p, x.at[2].multiply(1.01)))
    verdict = check_vjp(wrong, plain, *arguments(), time={"xs": 0})
    assert {row.step for row in verdict.rows if not row.passed} == {2}


def test_a_wrong_rule_is_seen_without_a_reference():
    verdict = check_vjp(broken(lambda p, x: (p, 1.001 * x)), None, *arguments())
    assert {row.leaf for row in verdict.rows if not row.passed} == {"xs"}


def test_an_output_whose_cotangent_is_ignored_is_named():
    def back(p, x):
        return p, x

    @jax.custom_vjp
    def wrong(params, xs):
        return plain(params, xs)

    def deaf(saved, cotangents):
        return back(*backward(saved, (cotangents[0], 0.0)))

    wrong.defvjp(forward, deaf)
    verdict = check_vjp(wrong, plain, *arguments())
    cases = {row.case for row in verdict.rows if not row.passed}
    assert "output 1 alone" in cases and "output 0 alone" not in cases


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_thousandth_in_one_small_leaf_of_a_long_recurrence_is_seen(dtype):
    cell = sr.rnn(64)
    with jax.enable_x64(dtype == "float64"):
        params = cell.init(jax.random.key(0), 8, dtype)
        xs = jax.random.normal(jax.random.key(1), (100, 25, 8), dtype)

    def reference(params, xs):
        return sr.unroll(cell, params, xs, backward=sr.Autodiff()).outputs

    @jax.custom_vjp
    def wrong(params, xs):
        return reference(params, xs)

    def back(pull, d_hs):
        d_params, d_xs = pull(d_hs)
        return d_params._replace(b=d_params.b * 1.001), d_xs

    wrong.defvjp(lambda *args: jax.vjp(reference, *args), back)
    verdict = check_vjp(wrong, reference, params, xs, directions=1)
    assert {row.leaf for row in verdict.rows if not row.passed} == {"params.b"}


def test_assert_vjp_raises_with_the_report():
    with pytest.raises(AssertionError, match=r"params\.w is transposed"):
        assert_vjp(broken(WRONG["params.w is transposed"]), plain, *arguments())


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_a_wrong_slope_is_named_and_not_called_a_multiple(size, scale):
    @jax.custom_vjp
    def squash(x):
        return jnp.tanh(x)

    squash.defvjp(lambda x: (jnp.tanh(x), jnp.tanh(x)), lambda a, d_y: (d_y * (1 - a),))
    x = scale * jax.random.normal(jax.random.key(0), (size,))
    (suspect,) = check_vjp(squash, jnp.tanh, x).suspicions
    assert suspect.names == ("x: the slope is 1 - y and not 1 - y**2",)


def test_of_a_single_number_only_a_plain_multiple_is_told():
    def times(factor):
        wrong = jax.custom_vjp(lambda x: 3 * x)
        wrong.defvjp(lambda x: (3 * x, None), lambda _, d_y: (3 * factor * d_y,))
        verdict = check_vjp(wrong, lambda x: 3 * x, jnp.array(0.7))
        assert not verdict.passed
        return [s.says for s in verdict.suspicions]

    assert times(0.5) == ["x is 0.5 times what it should be."]
    assert times(0.617) == []


def test_a_wrong_value_is_a_row_of_its_own():
    verdict = check_vjp(lambda x: 1.001 * x, lambda x: x, jnp.ones(3))
    assert ("output 0", False) in {(row.leaf, row.passed) for row in verdict.rows}


def test_integers_are_passed_on_and_not_differentiated():
    def pick(w, tokens):
        return w[tokens]

    verdict = check_vjp(pick, pick, jnp.ones((4, 2)), jnp.array([0, 3]))
    assert verdict.passed
    assert {row.leaf for row in verdict.rows} == {"output 0", "w"}


@pytest.mark.parametrize(
    "args, time, message",
    [
        ((jnp.arange(3),), None, "floating arrays"),
        ((jnp.ones(3),), {"y": 0}, "time to name"),
    ],
)
def test_what_cannot_be_checked_is_said(args, time, message):
    with pytest.raises(ValueError, match=message):
        check_vjp(lambda x: x, lambda x: x, *args, time=time)
